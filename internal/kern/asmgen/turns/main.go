// Command turns writes the AVX2 kernels of rows times a matrix whose products are rounded before they
// are added, in order, so that they give the same bytes as the pure-Go reference.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	turn(4)
	turn(1)
	Generate()
}

func arg(name string) Register { return Load(Param(name), GP64()) }

// stride is one of numbers, which it makes one of bytes, and its triple.
func stride(name string) (once, thrice Register) {
	once, thrice = arg(name), GP64()
	SHLQ(Imm(2), once)
	LEAQ(Mem{Base: once, Index: once, Scale: 2}, thrice)
	return once, thrice
}

// turn makes so many rows of sixteen columns.
func turn(rows int) {
	name := fmt.Sprintf("turn%dx16AVX2", rows)
	TEXT(name, NOSPLIT, "func(dst, src, panel *float32, dstStride, srcStride, n, rows int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s adds to sixteen columns of rows of dst, a positive multiple of %d, the sums over", name, rows),
		"k < n of src[k] times row k of panel; n is positive.")
	dst, src, panel := arg("dst"), arg("src"), arg("panel")
	to, to3 := stride("dstStride")
	from, from3 := stride("srcStride")
	lines := func(p, once, thrice Register) []Mem {
		return []Mem{{Base: p}, {Base: p, Index: once, Scale: 1}, {Base: p, Index: once, Scale: 2},
			{Base: p, Index: thrice, Scale: 1}}[:rows]
	}
	left := arg("rows")
	Label("rows")
	acc := make([][2]VecVirtual, rows)
	for i, line := range lines(dst, to, to3) {
		acc[i] = [2]VecVirtual{YMM(), YMM()}
		VMOVUPS(line, acc[i][0])
		VMOVUPS(line.Offset(32), acc[i][1])
	}
	m, k, p, x := [2]VecVirtual{YMM(), YMM()}, arg("n"), GP64(), GP64()
	MOVQ(panel, p)
	MOVQ(src, x)
	step := func(j int) {
		VMOVUPS(Mem{Base: p, Disp: 64 * j}, m[0])
		VMOVUPS(Mem{Base: p, Disp: 64*j + 32}, m[1])
		for i, line := range lines(x, from, from3) {
			y, t := YMM(), YMM()
			VBROADCASTSS(line.Offset(4*j), y)
			VMULPS(y, m[0], t)
			VMULPS(y, m[1], y)
			VADDPS(t, acc[i][0], acc[i][0])
			VADDPS(y, acc[i][1], acc[i][1])
		}
	}
	SUBQ(Imm(4), k)
	JLT(LabelRef("single"))
	Label("columns")
	for j := range 4 {
		step(j)
	}
	ADDQ(U32(256), p)
	ADDQ(Imm(16), x)
	SUBQ(Imm(4), k)
	JGE(LabelRef("columns"))
	Label("single")
	ADDQ(Imm(4), k)
	JZ(LabelRef("done"))
	Label("one")
	step(0)
	ADDQ(Imm(64), p)
	ADDQ(Imm(4), x)
	DECQ(k)
	JNZ(LabelRef("one"))
	Label("done")
	for i, line := range lines(dst, to, to3) {
		VMOVUPS(acc[i][0], line)
		VMOVUPS(acc[i][1], line.Offset(32))
	}
	for range rows {
		ADDQ(to, dst)
		ADDQ(from, src)
	}
	SUBQ(Imm(uint64(rows)), left)
	JNZ(LabelRef("rows"))
	VZEROUPPER()
	RET()
}
