// Command ggml writes the AVX2 and F16C forms of llama.cpp's quantised types. Each does per lane what
// its pure-Go reference does, so both give the same bytes. Eight blocks are done at once, so that
// their scales are one vector.
package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

const (
	blockIn = 64 // bytes of a block's 32 values
	one     = 127 << 23
)

func main() {
	Prefix = "ggml"
	for _, bf16 := range []bool{false, true} {
		compressQ8(bf16)
		restoreQ8(bf16)
		for _, t := range narrows {
			t.compress(bf16)
			if t.fifth {
				t.restoreBytes(bf16)
			} else {
				t.restoreTable(bf16)
			}
		}
		iq4nl.restoreTable(bf16)
	}
	Generate()
}

// A batch is blocks on their way.
type batch struct {
	*Chunks
	dst      Register
	scales   Mem
	sixteens Mem // the patterns from which scales come
}

func begin(name string, bf16, spread bool, doc string) *batch {
	Begin(name+Type(bf16)+"AVX2", "func(dst *byte, src *uint16, blocks int) (left int)",
		doc+" Blocks are a positive multiple of 8; it returns how many are left, where a scale is not "+
			"finite.")
	b := &batch{Chunks: NewChunks(bf16, 64, 8*blockIn, spread), dst: Arg("dst")}
	b.scales = b.Room(2)
	return b
}

// invert keeps the scales d as binary16 and returns their reciprocals, 0 where these are not finite.
// It stops where a scale is not finite.
func (b *batch) invert(d VecVirtual) VecVirtual {
	VMOVDQU(b.half(d), b.PerBlock(b.scales, 2, 0))
	inv, finite := YMM(), YMM()
	VMOVDQU(D(one), inv)
	VDIVPS(d, inv, inv)
	VSUBPS(inv, inv, finite)
	VCMPPS(Imm(0), Zero(), finite, finite)
	VANDPS(finite, inv, inv)
	return inv
}

// half returns eight numbers as binary16, and stops where one is not finite.
func (b *batch) half(d VecVirtual) VecVirtual {
	h, bad := XMM(), XMM()
	VCVTPS2PH(Imm(0), d, h)
	VPAND(W(0x7c00).(Mem), h, bad)
	VPCMPEQW(W(0x7c00).(Mem), bad, bad)
	VPTEST(bad, bad)
	JNZ(LabelRef("stop"))
	return h
}

// scale writes the scale of block i to the block's front.
func (b *batch) scale(i, size int) {
	r := GP32()
	MOVWLZX(b.PerBlock(b.scales, 2, i), r)
	MOVW(r.As16(), At(b.dst, size*i))
}

func compressQ8(bf16 bool) {
	const size = 34
	b := begin("compressQ8_0", bf16, true, "writes blocks of q8_0.")
	hold(bf16)
	Hold(W(0x7fff), D(justBelowHalf))
	b.Run(func() VecVirtual {
		amax := WidenEight(bf16, Halve(VPMAXUW, Eight(VPMAXUW, b.largest)))
		d := YMM()
		VDIVPS(D(0x42fe0000), amax, d) // 127
		return b.invert(d)
	}, func(first []Op) {
		for i := range 8 {
			b.scale(i, size)
			b.roundAway(i, first, At(b.dst, size*i+2))
		}
		ADDQ(U32(8*size), b.dst)
	})
	End()
}

// largest returns words of which the greatest is the greatest pattern of block i.
func (b *batch) largest(i int) VecVirtual {
	x, y := YMM(), YMM()
	VPAND(At(b.Src, blockIn*i), W(0x7fff).(VecVirtual), x)
	VPAND(At(b.Src, blockIn*i+32), W(0x7fff).(VecVirtual), y)
	VPMAXUW(y, x, x)
	return x
}

// roundAway writes the 32 bytes of block i, rounded half away from zero.
func (b *batch) roundAway(i int, first []Op, m Mem) {
	inv := YMM()
	VBROADCASTSS(b.Inverse(i, first), inv)
	var q [2]VecVirtual
	for k := range q {
		x, a := YMM(), YMM()
		VMOVDQU(At(b.Src, blockIn*i+32*k), x)
		VPAND(W(0x7fff), x, a)
		e, o := Spread(b.BF16, a)
		for _, v := range []VecVirtual{e, o} {
			for _, m := range append(first, inv) {
				VMULPS(m, v, v)
			}
			VADDPS(D(justBelowHalf), v, v)
			VCVTTPS2DQ(v, v)
		}
		Join(e, o)
		VPSIGNW(x, e, e)
		q[k] = e
	}
	VPACKSSWB(q[1], q[0], q[0])
	VPERMQ(Imm(0xd8), q[0], q[0])
	VMOVDQU(q[0], m)
}

// justBelowHalf, added before the fraction is cut off, rounds half away from zero: an addition of
// one half would take its neighbour below along.
const justBelowHalf = 0x3effffff

func hold(bf16 bool) {
	if bf16 {
		Hold(D(0xffff0000))
		return
	}
	Hold(D(0x00002000), D(0x20000000))
}

func float(i int) uint32 { return math.Float32bits(float32(i)) }
