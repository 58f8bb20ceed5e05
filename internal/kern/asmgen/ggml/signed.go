package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// A narrow type has codes of four bits, or of five of which the fifth stand apart. Its scale comes
// from the value of largest magnitude, which gets the code 0, or from the least and the greatest.
type narrow struct {
	name   string
	offset bool   // has a minimum
	fifth  bool   // has fifth bits
	scale  uint32 // -1/8 or -1/16; with a minimum 15 or 31
	shift  uint32 // 8.5 or 16.5; with a minimum 0.5
	levels []int  // what codes stand for, if not a range
}

var narrows = []narrow{
	{"Q4_0", false, false, 0xbe000000, 0x41080000, nil},
	{"Q4_1", true, false, 0x41700000, 0x3f000000, nil},
	{"Q5_0", false, true, 0xbd800000, 0x41840000, nil},
	{"Q5_1", true, true, 0x41f80000, 0x3f000000, nil},
}

// iq4nl is read like Q4_0, but its numbers are not a range.
var iq4nl = narrow{name: "IQ4NL",
	levels: []int{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}}

// head is how many bytes stand before the low halves of codes, and scales how many before the
// fifth bits.
func (t narrow) head() int   { return t.scales() + 4*one01(t.fifth) }
func (t narrow) scales() int { return 2 + 2*one01(t.offset) }
func (t narrow) size() int   { return t.head() + 16 }
func (t narrow) top() uint16 { return uint16(15 + 16*one01(t.fifth)) }

func one01(b bool) int {
	if b {
		return 1
	}
	return 0
}

// extremes returns the first patterns of largest magnitude of the eight blocks at b.Src, +0 for
// zeros.
func (b *batch) extremes() VecVirtual {
	words := func(op func(...Op)) VecVirtual {
		return Halve(op, Eight(op, func(i int) VecVirtual {
			x := YMM()
			VMOVDQU(At(b.Src, blockIn*i), x)
			op(At(b.Src, blockIn*i+32), x, x)
			return x
		}))
	}
	positive, negative := words(VPMAXSW), words(VPMAXUW)
	zero, top, tie := XMM(), XMM(), XMM()
	VPXOR(zero, zero, zero)
	VPMAXSW(zero, positive, positive)
	VPSUBUSW(W(0x8000).(Mem), negative, negative) // magnitudes
	VPMAXUW(negative, positive, top)
	VPCMPEQW(negative, positive, tie)
	VPCMPGTW(positive, negative, negative)
	VPAND(W(0x8000).(Mem), negative, negative)
	VPOR(negative, top, negative)
	VMOVDQU(negative, b.sixteens)
	VPCMPEQW(zero, top, zero)
	VPANDN(tie, zero, tie)
	b.settle(top, tie)
	result := XMM()
	VMOVDQU(b.sixteens, result)
	return result
}

// settle gives blocks where both signs have the largest magnitude that of the first.
func (b *batch) settle(top, tie VecVirtual) {
	left, bit, at := GP32(), GP32(), GP64()
	VPACKSSWB(tie, tie, tie)
	VPMOVMSKB(tie, left)
	ANDL(Imm(0xff), left)
	JZ(LabelRef("settled"))
	tops := AllocLocal(16)
	VMOVDQU(top, tops)
	Label("settle")
	BSFL(left, bit)
	MOVL(left, at.As32())
	DECL(at.As32())
	ANDL(at.As32(), left)
	MOVL(bit, at.As32())
	SHLQ(Imm(6), at)
	x, y, most := YMM(), YMM(), YMM()
	block := GP64()
	LEAQ(Mem{Base: b.Src, Index: at, Scale: 1}, block)
	i := bit.As64()
	VPBROADCASTW(tops.Idx(i, 2), most)
	VMOVDQU(W(0x7fff), y)
	VPAND(At(block, 0), y, x)
	VPAND(At(block, 32), y, y)
	VPCMPEQW(most, x, x)
	VPCMPEQW(most, y, y)
	VPACKSSWB(y, x, x)
	VPERMQ(Imm(0xd8), x, x)
	VPMOVMSKB(x, at.As32())
	BSFL(at.As32(), at.As32())
	MOVWLZX(Mem{Base: block, Index: at, Scale: 2}, at.As32())
	MOVW(at.As16(), b.sixteens.Idx(i, 2))
	TESTL(left, left)
	JNZ(LabelRef("settle"))
	Label("settled")
}

// range16 returns the least and the greatest of the eight blocks at b.Src.
func (b *batch) range16() (low, high VecVirtual) {
	words := func(op func(...Op)) VecVirtual {
		x := Halve(op, Eight(op, func(i int) VecVirtual {
			x, y := YMM(), YMM()
			VMOVDQU(At(b.Src, blockIn*i), x)
			VMOVDQU(At(b.Src, blockIn*i+32), y)
			keys(x)
			keys(y)
			op(y, x, x)
			return x
		}))
		keys(x)
		return WidenEight(b.BF16, x)
	}
	return words(VPMINSW), words(VPMAXSW)
}

// keys turns patterns to integers that order as they do, and back.
func keys(x VecVirtual) {
	if x.Size() == 32 {
		s := YMM()
		VPSRAW(Imm(15), x, s)
		VPSRLW(Imm(1), s, s)
		VPXOR(s, x, x)
		return
	}
	s := XMM()
	VPSRAW(Imm(15), x, s)
	VPSRLW(Imm(1), s, s)
	VPXOR(s, x, x)
}

func (t narrow) compress(bf16 bool) {
	b := begin("compress"+t.name, bf16, false, "writes blocks.")
	var mins, lows Mem
	if t.offset {
		mins, lows = b.Room(2), b.Room(4)
	} else {
		b.sixteens = AllocLocal(16)
	}
	if bf16 {
		Hold(D(0xffff0000))
	} else {
		Hold(Dwords(0, 4, 1, 5, 2, 6, 3, 7))
	}
	Hold(D(t.shift), W(t.top()))
	b.Run(func() VecVirtual {
		if !t.offset {
			d := WidenEight(bf16, b.extremes())
			VMULPS(D(t.scale), d, d)
			return b.invert(d)
		}
		low, d := b.range16()
		VMOVUPS(low, b.PerBlock(lows, 4, 0))
		VSUBPS(low, d, d)
		VDIVPS(D(t.scale), d, d)
		VMOVDQU(b.half(low), b.PerBlock(mins, 2, 0))
		return b.invert(d)
	}, func([]Op) {
		for i := 0; i < 8; i += 2 {
			codes := t.block(b, i, mins, lows)
			next := t.block(b, i+1, mins, lows)
			VPACKUSWB(next, codes, codes)
			b.order(codes)
			VMOVDQU(codes.AsX(), At(b.dst, t.size()*i+t.head()))
			VEXTRACTI128(Imm(1), codes, At(b.dst, t.size()*(i+1)+t.head()))
		}
		ADDQ(U32(uint32(8*t.size())), b.dst)
	})
	End()
}

// order puts bytes that two stages of packing made in order.
func (b *batch) order(x VecVirtual) {
	if b.BF16 {
		VPERMQ(Imm(0xd8), x, x)
		return
	}
	VPERMD(x, Dwords(0, 4, 1, 5, 2, 6, 3, 7), x)
}

// block writes the front of block i and returns its sixteen bytes of codes in words.
func (t narrow) block(b *batch, i int, mins, lows Mem) VecVirtual {
	b.scale(i, t.size())
	inv, low := YMM(), YMM()
	if t.offset {
		r := GP32()
		MOVWLZX(b.PerBlock(mins, 2, i), r)
		MOVW(r.As16(), At(b.dst, t.size()*i+2))
		VBROADCASTSS(b.PerBlock(lows, 4, i), low)
	}
	VBROADCASTSS(b.Inverse(i, nil), inv)
	var q [2]VecVirtual
	for k := range q {
		e, o := Floats(b.BF16, At(b.Src, blockIn*i+32*k))
		for _, v := range []VecVirtual{e, o} {
			if t.offset {
				VSUBPS(low, v, v)
			}
			VMULPS(inv, v, v)
			VADDPS(D(t.shift), v, v)
			VCVTTPS2DQ(v, v)
		}
		Words(b.BF16, e, o)
		VPMINSW(W(t.top()), e, e)
		q[k] = e
	}
	if t.fifth {
		b.fifths(q, At(b.dst, t.size()*i+t.scales()))
	}
	VPSLLW(Imm(4), q[1], q[1])
	VPOR(q[1], q[0], q[0])
	return q[0]
}

// fifths writes the fifth bits of codes and takes them away.
func (b *batch) fifths(q [2]VecVirtual, m Mem) {
	x, y, bits := YMM(), YMM(), GP32()
	VPCMPGTW(W(15), q[0], x)
	VPCMPGTW(W(15), q[1], y)
	VPACKSSWB(y, x, x)
	b.order(x)
	VPMOVMSKB(x, bits)
	MOVL(bits, m)
	for _, w := range q {
		VPAND(W(15), w, w)
	}
}
