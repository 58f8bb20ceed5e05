package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// These kernels work on blocks of 32 numbers, one after the other.

// perBlock runs body for each of n blocks at p.
func perBlock(p Register, body func(v [4]Mem)) {
	n := Arg("n")
	Label("block")
	var v [4]Mem
	for i := range v {
		v[i] = At(p, 32*i)
	}
	body(v)
	advance(p, 4*side)
	DECQ(n)
	JNZ(LabelRef("block"))
	End()
}

// across leaves what op makes of all lanes of x in every lane.
func across(op func(...Op), x VecVirtual) {
	t := YMM()
	VPERM2I128(Imm(1), x, x, t)
	op(t, x, x)
	VPSHUFD(Imm(0x4e), x, t)
	op(t, x, x)
	VPSHUFD(Imm(0xb1), x, t)
	op(t, x, x)
}

func extremes() {
	Begin("extremesAVX2", "func(dst, v *float32, n int)",
		"sets dst to the first number of largest magnitude of each of n blocks.")
	dst, v := Arg("dst"), Arg("v")
	sign := Reg(D(0x7fffffff))
	perBlock(v, func(m [4]Mem) {
		var a [4]VecVirtual
		most := YMM()
		for i := range a {
			a[i] = YMM()
			VPAND(m[i], sign, a[i])
			if i == 1 {
				VPMAXUD(a[0], a[1], most)
			} else if i > 1 {
				VPMAXUD(a[i], most, most)
			}
		}
		across(VPMAXUD, most)
		for i := range a {
			VPCMPEQD(most, a[i], a[i])
		}
		VPACKSSDW(a[1], a[0], a[0])
		VPACKSSDW(a[3], a[2], a[2])
		VPACKSSWB(a[2], a[0], a[0])
		VPERMD(a[0], Reg(Dwords(0, 4, 1, 5, 2, 6, 3, 7)), a[0])
		at := GP32()
		VPMOVMSKB(a[0], at)
		BSFL(at, at)
		MOVL(Mem{Base: v, Index: at.As64(), Scale: 4}, at)
		MOVL(at, At(dst, 0))
		advance(dst, 4)
	})
}

func blockRanges() {
	Begin("blockRangesAVX2", "func(lo, hi, v *float32, n int)",
		"sets lo and hi to the least and the greatest number of each of n blocks; -0 is below 0.")
	lo, hi, v := Arg("lo"), Arg("hi"), Arg("v")
	perBlock(v, func(m [4]Mem) {
		least, most := YMM(), YMM()
		for i := range m {
			x := YMM()
			VMOVDQU(m[i], x)
			keys(x)
			if i == 0 {
				VMOVDQA(x, least)
				VMOVDQA(x, most)
				continue
			}
			VPMINSD(x, least, least)
			VPMAXSD(x, most, most)
		}
		putEnds(least, most, lo, hi)
	})
}

func blockCodes() {
	Begin("blockCodesAVX2", "func(codes *byte, v, low, inv *float32, n int, shift, top float32)",
		"sets codes to the integer part of (v - low)·inv + shift, at most top, of n blocks with a low and inv each.")
	codes, v, low, inv := Arg("codes"), Arg("v"), Arg("low"), Arg("inv")
	shift, top := Splat("shift"), YMM()
	VBROADCASTSS(ArgMem("top"), top)
	VCVTPS2DQ(top, top)
	Hold(Dwords(0, 4, 1, 5, 2, 6, 3, 7))
	perBlock(v, func(m [4]Mem) {
		l, f := YMM(), YMM()
		VBROADCASTSS(At(low, 0), l)
		VBROADCASTSS(At(inv, 0), f)
		var q [4]VecVirtual
		for i := range q {
			q[i] = YMM()
			VMOVUPS(m[i], q[i])
			VSUBPS(l, q[i], q[i])
			VMULPS(f, q[i], q[i])
			VADDPS(shift, q[i], q[i])
			VCVTTPS2DQ(q[i], q[i])
			VPMINSD(top, q[i], q[i])
		}
		bytes32(q, At(codes, 0))
		advance(codes, side)
		advance(low, 4)
		advance(inv, 4)
	})
}

func blockRounds() {
	Begin("blockRoundsAVX2", "func(codes *byte, v, inv *float32, n int)",
		"sets codes to v·inv, up to 127, rounded half away from zero, of n blocks with an inv each.")
	codes, v, inv := Arg("codes"), Arg("v"), Arg("inv")
	Hold(Dwords(0, 4, 1, 5, 2, 6, 3, 7), D(0x7fffffff), D(0x3effffff))
	perBlock(v, func(m [4]Mem) {
		f := YMM()
		VBROADCASTSS(At(inv, 0), f)
		var q [4]VecVirtual
		for i := range q {
			a := YMM()
			q[i] = YMM()
			VMULPS(m[i], f, q[i])
			VPAND(D(0x7fffffff), q[i], a)
			VADDPS(D(0x3effffff), a, a) // just below one half
			VCVTTPS2DQ(a, a)
			VPSIGND(q[i], a, q[i])
		}
		VPACKSSDW(q[1], q[0], q[0])
		VPACKSSDW(q[3], q[2], q[2])
		VPACKSSWB(q[2], q[0], q[0])
		VPERMD(q[0], Dwords(0, 4, 1, 5, 2, 6, 3, 7), q[0])
		VMOVDQU(q[0], At(codes, 0))
		advance(codes, side)
		advance(inv, 4)
	})
}

func blockValues() {
	Begin("blockValuesAVX2", "func(v *float32, codes *byte, scale, low *float32, n int, off float32)",
		"sets v to (code - off)·scale + low of n blocks with a scale and low each.")
	v, codes, scale, low := Arg("v"), Arg("codes"), Arg("scale"), Arg("low")
	off := Splat("off")
	perBlock(v, func(m [4]Mem) {
		l, f := YMM(), YMM()
		VBROADCASTSS(At(low, 0), l)
		VBROADCASTSS(At(scale, 0), f)
		for i := range m {
			x := YMM()
			VPMOVZXBD(At(codes, 8*i), x)
			VCVTDQ2PS(x, x)
			VSUBPS(off, x, x)
			VMULPS(f, x, x)
			VADDPS(l, x, x)
			VMOVUPS(x, m[i])
		}
		advance(codes, side)
		advance(scale, 4)
		advance(low, 4)
	})
}

// floats returns a constant of eight numbers.
func floats(v []float32) Op {
	var d [8]uint32
	for i, x := range v {
		d[i] = math.Float32bits(x)
	}
	return Dwords(d[:]...)
}
