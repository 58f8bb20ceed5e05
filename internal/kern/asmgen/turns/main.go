// Command turns writes the AVX2 kernel of rows times a square matrix whose products are rounded
// before they are added, in order, so that it gives the same bytes as the pure-Go reference.
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

// turn makes so many rows of sixteen columns.
func turn(rows int) {
	name := fmt.Sprintf("turn%dx16AVX2", rows)
	TEXT(name, NOSPLIT, "func(dst, src, panel *float32, dim, rows int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s sets sixteen columns of rows of dst, a positive multiple of %d, to the sums over", name, rows),
		"k of src[k] times row k of panel. Rows of dst and src are dim numbers apart, a multiple of 4.")
	dst, src, panel, left := arg("dst"), arg("src"), arg("panel"), arg("rows")
	dim, stride, three := arg("dim"), GP64(), GP64()
	MOVQ(dim, stride)
	SHLQ(Imm(2), stride)
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, three)
	at := func(p Register) []Mem {
		return []Mem{{Base: p}, {Base: p, Index: stride, Scale: 1}, {Base: p, Index: stride, Scale: 2},
			{Base: p, Index: three, Scale: 1}}[:rows]
	}
	Label("rows")
	acc := make([][2]VecVirtual, rows)
	for i := range acc {
		acc[i] = [2]VecVirtual{YMM(), YMM()}
		for _, a := range acc[i] {
			VXORPS(a, a, a)
		}
	}
	m, k, p := [2]VecVirtual{YMM(), YMM()}, GP64(), GP64()
	MOVQ(panel, p)
	MOVQ(dim, k)
	Label("columns")
	for step := range 4 {
		VMOVUPS(Mem{Base: p, Disp: 64 * step}, m[0])
		VMOVUPS(Mem{Base: p, Disp: 64*step + 32}, m[1])
		for i, from := range at(src) {
			x, t := YMM(), YMM()
			VBROADCASTSS(from.Offset(4*step), x)
			VMULPS(x, m[0], t)
			VMULPS(x, m[1], x)
			VADDPS(t, acc[i][0], acc[i][0])
			VADDPS(x, acc[i][1], acc[i][1])
		}
	}
	ADDQ(U32(256), p)
	ADDQ(Imm(16), src)
	SUBQ(Imm(4), k)
	JNZ(LabelRef("columns"))
	for i, to := range at(dst) {
		VMOVUPS(acc[i][0], to)
		VMOVUPS(acc[i][1], to.Offset(32))
	}
	for range rows { // src is one row on
		ADDQ(stride, dst)
	}
	for range rows - 1 {
		ADDQ(stride, src)
	}
	SUBQ(Imm(uint64(rows)), left)
	JNZ(LabelRef("rows"))
	VZEROUPPER()
	RET()
}
