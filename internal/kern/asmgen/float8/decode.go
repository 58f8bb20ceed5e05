package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// A spread is how codes become 16-bit floats: the magnitude is shifted left, bias added to the
// high byte, and to the bytes of the subnormal codes k what stands at 16-subnormals+k.
type spread struct {
	shift      int
	bias       byte
	subnormals int
	low, high  [16]byte
}

func (f format) spread(bf16 bool) spread {
	var s spread
	var patterns []uint16 // of the subnormal codes
	switch {
	case f.Fraction == 3 && bf16:
		s = spread{shift: 4, bias: 0x3c}
		patterns = []uint16{0, 0x3b00, 0x3b80, 0x3bc0, 0x3c00, 0x3c20, 0x3c40, 0x3c60}
	case f.Fraction == 3:
		s = spread{shift: 7, bias: 0x20}
		patterns = []uint16{0, 0x1800, 0x1c00, 0x1e00, 0x2000, 0x2100, 0x2200, 0x2300}
	case bf16:
		s = spread{shift: 5, bias: 0x38}
		patterns = []uint16{0, 0x3780, 0x3800, 0x3840}
	default: // binary16 less its last eight bits
		return spread{shift: 8}
	}
	s.subnormals = len(patterns)
	for k, p := range patterns {
		s.low[16-s.subnormals+k] = byte(p) - byte(k<<s.shift)
		s.high[16-s.subnormals+k] = byte(p>>8) - s.bias - byte(k<<s.shift>>8)
	}
	return s
}

// patterns returns those of the 32 codes at m, in order, and raises top to the codes' magnitudes.
func (s spread) patterns(m Mem, top VecVirtual) (first, second VecVirtual) {
	c, index, low, high := YMM(), YMM(), YMM(), YMM()
	first, second = YMM(), low
	VPERMQ(Imm(0xd8), m, c) // unpacking works within halves
	VPAND(B(0x7f), c, index)
	VPMAXUB(index, top, top)
	if s.shift == 8 {
		VPXOR(low, low, low)
		VPUNPCKLBW(c, low, first)
		VPUNPCKHBW(c, low, second)
		return first, second
	}
	VPADDUSB(B(byte(0x80-s.subnormals)), index, index) // an index for subnormals, else the high bit is set
	VPSLLW(Imm(uint64(s.shift)), c, low)
	VPAND(B(byte(0xff<<s.shift&0xff)), low, low)
	VPSHUFB(index, Table(s.low), first)
	VPADDB(first, low, low)
	VPSRLW(Imm(uint64(8-s.shift)), c, high)
	VPAND(B(byte(0x7f>>(8-s.shift))), high, high)
	VPADDB(B(s.bias), high, high)
	VPSHUFB(index, Table(s.high), first)
	VPADDB(first, high, high)
	VPAND(B(0x80), c, c)
	VPOR(c, high, high)
	VPUNPCKLBW(high, low, first)
	VPUNPCKHBW(high, low, second)
	return first, second
}

func (s spread) hold() {
	Hold(Bytes16(s.low), Bytes16(s.high), B(0x7f), B(0x80), B(byte(0x80-s.subnormals)),
		B(byte(0xff<<s.shift&0xff)), B(byte(0x7f>>(8-s.shift))), B(s.bias))
}

func (f format) decode(bf16 bool) {
	Begin("decode"+f.name+Type(bf16)+"AVX2", "func(dst *uint16, codes *byte, n int, stream uint8) (top uint32)",
		"sets dst to the patterns of codes, n a positive multiple of 32, and returns the greatest "+
			"code without its sign. If stream is 1 it writes around the caches, and dst is a multiple of 32.")
	dst, codes, n, top := Arg("dst"), Arg("codes"), Arg("n"), Zero()
	s := f.spread(bf16)
	s.hold()
	stream := Load(Param("stream"), GP8())
	CMPB(stream, Imm(0))
	JNE(LabelRef("around"))
	loop := func(label string, store func(y, m Op)) {
		Label(label)
		a, b := s.patterns(At(codes, 0), top)
		store(a, At(dst, 0))
		store(b, At(dst, 32))
		ADDQ(Imm(32), codes)
		ADDQ(Imm(64), dst)
		SUBQ(Imm(32), n)
		JNZ(LabelRef(label))
	}
	loop("loop", func(y, m Op) { VMOVDQU(y, m) })
	JMP(LabelRef("done"))
	loop("around", func(y, m Op) { VMOVNTDQ(y, m) })
	Label("done")
	Store(MaxByte(top), ReturnIndex(0))
	End()
}

// restoreRows goes by way of bfloat16, which holds every code and widens by a shift.
func (f format) restoreRows(bf16 bool) {
	Begin("restoreRows"+f.name+Type(bf16)+"AVX2",
		"func(dst *uint16, codes, scales *byte, rows, dim int, limit uint32) (left int, top uint32)",
		"sets dst to the patterns of codes times the scale of their row of dim values, a multiple of "+
			"32, until the bits of a scale are beyond limit; it returns how many rows are left and the "+
			"greatest code without its sign.")
	dst, codes, scales := Arg("dst"), Arg("codes"), Arg("scales")
	rows, dim, n, top := Arg("rows"), Arg("dim"), GP64(), Zero()
	limit, bits := Load(Param("limit"), GP32()), GP32()
	s := f.spread(true)
	s.hold()
	by := YMM()
	Label("row")
	MOVL(At(scales, 0), bits)
	CMPL(bits, limit)
	JHI(LabelRef("done"))
	VBROADCASTSS(At(scales, 0), by)
	MOVQ(dim, n)
	Label("values")
	a, b := s.patterns(At(codes, 0), top)
	for i, w := range []VecVirtual{a, b} {
		restore(bf16, w, by, At(dst, 32*i))
	}
	ADDQ(Imm(32), codes)
	ADDQ(Imm(64), dst)
	SUBQ(Imm(32), n)
	JNZ(LabelRef("values"))
	ADDQ(Imm(4), scales)
	DECQ(rows)
	JNZ(LabelRef("row"))
	Label("done")
	Store(rows, Return("left"))
	Store(MaxByte(top), Return("top"))
	End()
}

// restore writes sixteen bfloat16 patterns times by.
func restore(bf16 bool, w, by VecVirtual, m Mem) {
	a, b := YMM(), YMM()
	if bf16 {
		a, b = Spread(true, w)
	} else {
		VPXOR(b, b, b)
		VPUNPCKLWD(w, b, a)
		VPUNPCKHWD(w, b, b)
	}
	VMULPS(by, a, a)
	VMULPS(by, b, b)
	if bf16 {
		NarrowPairs(a, b)
		VMOVDQU(a, m)
		return
	}
	VCVTPS2PH(Imm(0), a, a.AsX())
	VCVTPS2PH(Imm(0), b, b.AsX())
	VINSERTI128(Imm(1), b.AsX(), a, a)
	VPERMQ(Imm(0xd8), a, a)
	VMOVDQU(a, m)
}
