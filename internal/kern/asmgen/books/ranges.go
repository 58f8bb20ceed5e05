package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// keys turns patterns of float32 to integers that order as they do, and back.
func keys(x VecVirtual) {
	s := YMM()
	VPSRAD(Imm(31), x, s)
	VPSRLD(Imm(1), s, s)
	VPXOR(s, x, x)
}

func ranges() {
	Begin("rangesAVX2", "func(lo, hi, v *float32, dim, rows int)",
		"sets lo and hi to the least and the greatest number of each of some rows of dim, a multiple of 16; "+
			"-0 is below 0.")
	lo, hi, v, rows := Arg("lo"), Arg("hi"), Arg("v"), Arg("rows")
	dim, n := Arg("dim"), GP64()
	x, y, least, most := YMM(), YMM(), YMM(), YMM()
	Label("row")
	VMOVDQU(D(0x7fffffff), least)
	VMOVDQU(D(0x80000000), most)
	MOVQ(dim, n)
	Label("loop")
	for i, z := range []VecVirtual{x, y} {
		VMOVDQU(At(v, 32*i), z)
		keys(z)
		VPMINSD(z, least, least)
		VPMAXSD(z, most, most)
	}
	advance(v, 64)
	SUBQ(Imm(16), n)
	JNZ(LabelRef("loop"))
	putEnds(least, most, lo, hi)
	DECQ(rows)
	JNZ(LabelRef("row"))
	End()
}

// putEnds writes the least and the greatest of keys, and moves on.
func putEnds(least, most VecVirtual, lo, hi Register) {
	for _, e := range []struct {
		op func(...Op)
		x  VecVirtual
		to Register
	}{{VPMINSD, least, lo}, {VPMAXSD, most, hi}} {
		across(e.op, e.x)
		keys(e.x)
		VMOVD(e.x.AsX(), At(e.to, 0))
		advance(e.to, 4)
	}
}

// zeroPoints quantises a row around a zero point.
func zeroPoints() {
	Begin("zeroPointCodesAVX2", "func(dst *byte, v *float32, n int, inv, zero float32)",
		"sets dst to v times inv plus zero, rounded half away from zero and cut to 0 and 15, n a multiple of 32.")
	dst, v, inv, zero := Arg("dst"), Arg("v"), Splat("inv"), Splat("zero")
	half, top := Reg(D(0x3f000000)), Reg(D(0x41700000))
	Hold(Dwords(0, 4, 1, 5, 2, 6, 3, 7))
	loop(32, func() {
		var q [4]VecVirtual
		for i := range q {
			x, some := YMM(), YMM()
			VMULPS(At(v, 32*i), inv, x)
			VADDPS(zero, x, x)
			VCMPPS(Imm(0x1d), half, x, some) // greater or equal
			VMINPS(top, x, x)
			VADDPS(half, x, x)
			VCVTTPS2DQ(x, x)
			VPAND(some, x, x)
			q[i] = x
		}
		bytes32(q, At(dst, 0))
		advance(v, 128)
		advance(dst, 32)
	})
	End()
}
