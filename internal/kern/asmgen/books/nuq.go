package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// lookUp returns what codes of four bits stand for; it destroys them.
func lookUp(low, high, code VecVirtual) VecVirtual {
	x, y := YMM(), YMM()
	VPERMPS(low, code, x)
	VPERMPS(high, code, y)
	VPSLLD(Imm(28), code, code)
	VBLENDVPS(code, y, x, x)
	return x
}

// gridCodes codes a row whose values have grids of their own, or one for all.
func gridCodes() {
	Begin("gridCodesAVX2", "func(codes, apart *byte, sums, v, grid, tree, levels *float32, n, step int)",
		"sets codes to those of (v - off)·inv, n a multiple of 8, and a bit of apart where v is below lo or above "+
			"hi, where the code is 0. It adds to eight sums the squares of what a code's level times half plus off "+
			"leaves, but for values apart, and to eight more those of v. grid has off, half, inv, lo and hi of eight "+
			"values; those of the next are step bytes behind, or it is for all.")
	codes, apart, sums, v := Arg("codes"), Arg("apart"), Arg("sums"), Arg("v")
	grid, n, step, levels := Arg("grid"), Arg("n"), Arg("step"), Arg("levels")
	t := newTree(Arg("tree"), 4)
	missed, power := YMM(), YMM()
	VMOVUPS(At(sums, 0), missed)
	VMOVUPS(At(sums, 32), power)
	bits := GP32()
	Label("loop")
	x, u, out, below := YMM(), YMM(), YMM(), YMM()
	VMOVUPS(At(v, 0), x)
	VMULPS(x, x, u)
	VADDPS(u, power, power)
	VSUBPS(At(grid, 0), x, u)
	VMULPS(At(grid, 64), u, u)
	code := t.search(u)
	VCMPPS(Imm(0x11), At(grid, 96), x, below)
	VCMPPS(Imm(0x1e), At(grid, 128), x, out)
	VPOR(below, out, out)
	VMOVMSKPS(out, bits)
	MOVB(bits.As8(), At(apart, 0))
	VPANDN(code, out, code)
	half := XMM()
	VEXTRACTI128(Imm(1), code, half)
	VPACKUSDW(half, code.AsX(), half)
	VPACKUSWB(half, half, half)
	VMOVQ(half, At(codes, 0))
	low, high := YMM(), YMM()
	VMOVUPS(At(levels, 0), low)
	VMOVUPS(At(levels, 32), high)
	level := lookUp(low, high, code)
	VMULPS(At(grid, 32), level, level)
	VADDPS(At(grid, 0), level, level)
	VSUBPS(level, x, x)
	VMULPS(x, x, x)
	VPANDN(x, out, x)
	VADDPS(x, missed, missed)
	ADDQ(Imm(8), codes)
	INCQ(apart)
	ADDQ(Imm(32), v)
	ADDQ(step, grid)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	VMOVUPS(missed, At(sums, 0))
	VMOVUPS(power, At(sums, 32))
	End()
}

// gridValues undoes gridCodes.
func gridValues() {
	Begin("gridValuesAVX2", "func(v *float32, codes *byte, grid, levels *float32, n, step int)",
		"sets v to a code's level times half plus off, n a multiple of 8.")
	v, codes, grid, levels := Arg("v"), Arg("codes"), Arg("grid"), Arg("levels")
	n, step := Arg("n"), Arg("step")
	low, high := YMM(), YMM()
	VMOVUPS(At(levels, 0), low)
	VMOVUPS(At(levels, 32), high)
	Label("loop")
	code := YMM()
	VPMOVZXBD(At(codes, 0), code)
	x := lookUp(low, high, code)
	VMULPS(At(grid, 32), x, x)
	VADDPS(At(grid, 0), x, x)
	VMOVUPS(x, At(v, 0))
	ADDQ(Imm(8), codes)
	ADDQ(Imm(32), v)
	ADDQ(step, grid)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	End()
}

// outside compares 32 numbers.
func outside() {
	Begin("outsideAVX2", "func(v *float32, lo, hi float32) uint32",
		"returns a bit for each of 32 numbers: whether it is below lo or above hi.")
	v, lo, hi := Arg("v"), Splat("lo"), Splat("hi")
	var q [4]VecVirtual
	for i := range q {
		x, y := YMM(), YMM()
		VMOVUPS(At(v, 32*i), x)
		VCMPPS(Imm(0x11), lo, x, y) // less
		VCMPPS(Imm(0x1e), hi, x, x) // greater
		VPOR(y, x, x)
		q[i] = x
	}
	VPACKSSDW(q[1], q[0], q[0])
	VPACKSSDW(q[3], q[2], q[2])
	VPACKSSWB(q[2], q[0], q[0])
	VPERMD(q[0], Reg(Dwords(0, 4, 1, 5, 2, 6, 3, 7)), q[0])
	r := GP32()
	VPMOVMSKB(q[0], r)
	Store(r, ReturnIndex(0))
	End()
}
