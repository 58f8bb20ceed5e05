// Command ecsq writes the AVX2 kernels of an entropy-coded uniform quantiser, in float64. Nothing is
// fused, and each lane does what the pure-Go reference does, so both give the same bytes.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

func main() {
	Prefix = "ecsq"
	levels()
	squares()
	Generate()
}

// doubles returns eight numbers as two vectors of float64.
func doubles(v Register) [2]VecVirtual {
	d := [2]VecVirtual{YMM(), YMM()}
	VCVTPS2PD(At(v, 0), d[0])
	VCVTPS2PD(At(v, 16), d[1])
	return d
}

func levels() {
	Begin("ecsqLevelsAVX2",
		"func(syms *byte, levels *int32, rests *float64, v *float32, n int, inv float64, low uint64)",
		"sets levels to v·inv rounded to even, rests to what that leaves, and syms to 127 more than levels "+
			"without their low bits, 255 for what is no less or negative; n is a multiple of 8.")
	syms, levels, rests, v, n := Arg("syms"), Arg("levels"), Arg("rests"), Arg("v"), Arg("n")
	inv, low := YMM(), XMM()
	VBROADCASTSD(ArgMem("inv"), inv)
	VMOVQ(ArgMem("low"), low)
	Hold(D(127), D(255))
	Label("loop")
	whole, high := YMM(), XMM()
	for i, x := range doubles(v) {
		q := YMM()
		VMULPD(inv, x, x)
		VROUNDPD(Imm(8), x, q) // to nearest even, without raising that it is inexact
		VSUBPD(q, x, x)
		VMOVUPD(x, At(rests, 32*i))
		to := []VecVirtual{whole.AsX().(VecVirtual), high}[i]
		VCVTTPD2DQY(q, to)
	}
	VINSERTI128(Imm(1), high, whole, whole)
	VMOVDQU(whole, At(levels, 0))
	VPSRAD(low, whole, whole)
	VPADDD(D(127), whole, whole)
	VPMINUD(D(255), whole, whole)
	VEXTRACTI128(Imm(1), whole, high)
	VPACKUSDW(high, whole.AsX(), high)
	VPACKUSWB(high, high, high)
	VMOVQ(high, At(syms, 0))
	ADDQ(Imm(8), syms)
	ADDQ(Imm(32), levels)
	ADDQ(Imm(64), rests)
	ADDQ(Imm(32), v)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	End()
}

// squares adds up in eight lanes.
func squares() {
	Begin("squaresAVX2", "func(sums *float64, v *float32, n int)",
		"adds the square of number i to sum i mod 8, in order; n is a multiple of 8.")
	sums, v, n := Arg("sums"), Arg("v"), Arg("n")
	s := [2]VecVirtual{YMM(), YMM()}
	for i := range s {
		VMOVUPD(At(sums, 32*i), s[i])
	}
	Label("loop")
	for i, x := range doubles(v) {
		VMULPD(x, x, x)
		VADDPD(x, s[i], s[i])
	}
	ADDQ(Imm(32), v)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	for i := range s {
		VMOVUPD(s[i], At(sums, 32*i))
	}
	End()
}
