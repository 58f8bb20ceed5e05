package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// A reader goes over blocks one by one.
type reader struct {
	bf16             bool
	dst, src, blocks Register
}

func beginRestore(name string, bf16 bool) *reader {
	Begin(name+Type(bf16)+"AVX2", "func(dst *uint16, src *byte, blocks int) (left int)",
		"sets dst to the patterns of blocks, until a scale is not finite or so large that values might "+
			"be cut, and returns how many are left.")
	return &reader{bf16, Arg("dst"), Arg("src"), Arg("blocks")}
}

// number returns the binary16 at disp, and goes to done if its magnitude is beyond limit.
func (r *reader) number(disp int, limit uint64) VecVirtual {
	bits, checked, d := GP32(), GP32(), YMM()
	MOVWLZX(At(r.src, disp), bits)
	MOVL(bits, checked)
	ANDL(U32(0x7fff), checked)
	CMPL(checked, U32(limit))
	JHI(LabelRef("done"))
	VMOVD(bits, d.AsX())
	VCVTPH2PS(d.AsX(), d.AsX())
	VBROADCASTSS(d.AsX(), d)
	return d
}

// numbers returns the scale and the minimum of a block: 0 where there is none, whose addition turns
// -0 to 0. Values are up to times the scale, plus the minimum.
func (t narrow) numbers(r *reader, zero VecVirtual) (d, low VecVirtual) {
	if r.bf16 {
		if !t.offset {
			return r.number(0, 0x7bff), zero
		}
		return r.number(0, 0x7bff), r.number(2, 0x7bff)
	}
	switch {
	case t.levels != nil:
		return r.number(0, 0x6007), zero // 127·515.5
	case t.offset && t.fifth:
		return r.number(0, 0x6400), r.number(2, 0x7800) // 31·1024 + 32768
	case t.offset:
		return r.number(0, 0x6800), r.number(2, 0x7800) // 15·2048 + 32768
	case t.fifth:
		return r.number(0, 0x6bff), zero // 16·4094
	}
	return r.number(0, 0x6fff), zero // 8·8188
}

func (r *reader) next(size int) {
	ADDQ(Imm(uint64(size)), r.src)
	ADDQ(Imm(blockIn), r.dst)
	DECQ(r.blocks)
	JNZ(LabelRef("block"))
	Label("done")
	Store(r.blocks, Return("left"))
	End()
}

func restoreQ8(bf16 bool) {
	r := beginRestore("restoreQ8_0", bf16)
	limit := uint64(0x5fff) // 128 times that is 65504
	if bf16 {
		limit = 0x7bff
		Hold(D(1), D(0x7fff), D(0x00000001), D(0x00010000))
	}
	zero := Zero()
	Label("block")
	d := r.number(0, limit)
	for k := range 2 {
		codes := At(r.src, 2+16*k)
		if bf16 {
			w, e, o := YMM(), YMM(), YMM()
			VPMOVSXBW(codes, w)
			VPMADDWD(D(0x00000001), w, e)
			VPSRAD(Imm(16), w, o)
			for _, v := range []VecVirtual{e, o} {
				VCVTDQ2PS(v, v)
				VMULPS(d, v, v)
				VADDPS(zero, v, v) // -0 becomes 0
			}
			NarrowPairs(e, o)
			VMOVDQU(e, At(r.dst, 32*k))
			continue
		}
		for j := range 2 {
			v := YMM()
			VPMOVSXBD(codes.Offset(8*j), v)
			VCVTDQ2PS(v, v)
			VMULPS(d, v, v)
			VADDPS(zero, v, v)
			VCVTPS2PH(Imm(0), v, At(r.dst, 32*k+16*j))
		}
	}
	r.next(34)
}

// restoreTable looks up what a block's sixteen codes are, byte by byte.
func (t narrow) restoreTable(bf16 bool) {
	r := beginRestore("restore"+t.name, bf16)
	if bf16 {
		Hold(D(1), D(0x7fff))
	}
	split := [16]byte{0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15}
	Hold(Bytes16(split), B(0x0f), Dwords(0, 0, 0, 0, 4, 4, 4, 4))
	zero := Zero()
	Label("block")
	d, least := t.numbers(r, zero)
	a, b := YMM(), YMM()
	first, second := t.ramp(bf16)
	VMULPS(first, d, a)
	VMULPS(second, d, b)
	if t.levels == nil {
		VADDPS(least, a, a)
		VADDPS(least, b, b)
	}
	if bf16 {
		NarrowPairs(a, b)
	} else {
		VCVTPS2PH(Imm(0), a, a.AsX())
		VCVTPS2PH(Imm(0), b, b.AsX())
		VINSERTI128(Imm(1), b.AsX(), a, a)
	}
	VPSHUFB(Bytes16(split), a, a)
	low, high := YMM(), YMM()
	VPERMQ(Imm(0x88), a, low)
	VPERMQ(Imm(0xdd), a, high)
	codes := t.nibbles(r)
	VPSHUFB(codes, low, low)
	VPSHUFB(codes, high, high)
	VPUNPCKLBW(high, low, codes)
	VPUNPCKHBW(high, low, low)
	VINSERTI128(Imm(1), low.AsX(), codes, high)
	VPERM2I128(Imm(0x31), low, codes, low)
	VMOVDQU(high, At(r.dst, 0))
	VMOVDQU(low, At(r.dst, 32))
	r.next(t.size())
}

// nibbles returns the low four bits of a block's codes, a byte each.
func (t narrow) nibbles(r *reader) VecVirtual {
	codes := YMM()
	VBROADCASTI128(At(r.src, t.head()), codes)
	VPSRLVD(Dwords(0, 0, 0, 0, 4, 4, 4, 4), codes, codes)
	VPAND(B(0x0f), codes, codes)
	return codes
}

// ramp returns what the sixteen codes stand for: of bfloat16 the even and the odd ones.
func (t narrow) ramp(bf16 bool) (a, b Op) {
	from := -8
	if t.offset || t.levels != nil {
		from = 0
	}
	f := func(from, step int) Op {
		var v [8]uint32
		for i := range v {
			if v[i] = float(from + step*i); t.levels != nil {
				v[i] = float(t.levels[from+step*i])
			}
		}
		return Dwords(v[:]...)
	}
	if bf16 {
		return f(from, 2), f(from+1, 2)
	}
	return f(from, 1), f(from+8, 1)
}

// restoreBytes makes codes of five bits, to which a block has too many values for a table.
func (t narrow) restoreBytes(bf16 bool) {
	r := beginRestore("restore"+t.name, bf16)
	Hold(B(0x0f), Dwords(0, 0, 0, 0, 4, 4, 4, 4))
	if bf16 {
		Hold(D(1), D(0x7fff))
	}
	zero := Zero()
	Label("block")
	d, least := t.numbers(r, zero)
	codes, bits := t.nibbles(r), YMM()
	VPBROADCASTD(At(r.src, t.scales()), bits)
	VPSHUFB(Dwords(0, 0, 0x01010101, 0x01010101, 0x02020202, 0x02020202, 0x03030303, 0x03030303), bits, bits)
	each := Dwords(0x08040201, 0x80402010, 0x08040201, 0x80402010, 0x08040201, 0x80402010, 0x08040201, 0x80402010)
	VPAND(each, bits, bits)
	VPCMPEQB(each, bits, bits)
	VPAND(B(0x10), bits, bits)
	VPOR(bits, codes, codes)
	if !t.offset {
		VPSUBB(B(16), codes, codes)
	}
	high := XMM()
	VEXTRACTI128(Imm(1), codes, high)
	for k, x := range []VecVirtual{codes, high} {
		r.sixteen(x, d, least, 32*k)
	}
	r.next(t.size())
}

// sixteen writes sixteen bytes, signed, times d plus least.
func (r *reader) sixteen(x, d, least VecVirtual, disp int) {
	a, b, rest := YMM(), YMM(), XMM()
	if r.bf16 {
		w := YMM()
		VPMOVSXBW(x.AsX(), w)
		VPMADDWD(D(0x00000001), w, a)
		VPSRAD(Imm(16), w, b)
	} else {
		VPSRLDQ(Imm(8), x.AsX(), rest)
		VPMOVSXBD(x.AsX(), a)
		VPMOVSXBD(rest, b)
	}
	for _, v := range []VecVirtual{a, b} {
		VCVTDQ2PS(v, v)
		VMULPS(d, v, v)
		VADDPS(least, v, v)
	}
	if r.bf16 {
		NarrowPairs(a, b)
		VMOVDQU(a, At(r.dst, disp))
		return
	}
	VCVTPS2PH(Imm(0), a, At(r.dst, disp))
	VCVTPS2PH(Imm(0), b, At(r.dst, disp+16))
}
