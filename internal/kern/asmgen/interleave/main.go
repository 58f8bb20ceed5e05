// Command interleave writes the AVX2 form of the packing of matrix rows: eight rows become eight
// of the sixteen values of each column in a panel.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	TEXT("interleave8AVX2", NOSPLIT, "func(dst, src *float32, stride, cols int)")
	Doc("interleave8AVX2 sets dst[16*k+r] = src[r*stride+k] for eight rows r and cols columns k, a",
		"positive multiple of 8.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	SHLQ(Imm(2), stride)
	cols := Load(Param("cols"), GP64())
	low := GP64() // of row 3; the others are one, two or four strides away
	LEAQ(Mem{Base: src, Index: stride, Scale: 2}, low)
	ADDQ(stride, low)
	Label("loop")
	var rows [8]VecVirtual
	for r, at := range []Mem{
		{Base: src}, {Base: src, Index: stride, Scale: 1}, {Base: src, Index: stride, Scale: 2},
		{Base: low}, {Base: src, Index: stride, Scale: 4}, {Base: low, Index: stride, Scale: 2},
		{}, {Base: low, Index: stride, Scale: 4},
	} {
		if r == 6 { // three strides beyond row 3
			row := GP64()
			LEAQ(Mem{Base: low, Index: stride, Scale: 2}, row)
			at = Mem{Base: row, Index: stride, Scale: 1}
		}
		rows[r] = YMM()
		VMOVUPS(at, rows[r])
	}
	for k, v := range transpose(rows) {
		VMOVUPS(v, Mem{Base: dst, Disp: 64 * k})
	}
	ADDQ(Imm(32), src)
	ADDQ(Imm(32), low)
	ADDQ(U32(8*64), dst)
	SUBQ(Imm(8), cols)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
	Generate()
}

// transpose turns eight rows of eight into eight columns: pairs of values, pairs of pairs, halves.
func transpose(r [8]VecVirtual) [8]VecVirtual {
	var a, b, c [8]VecVirtual
	for i := 0; i < 8; i += 2 {
		a[i], a[i+1] = YMM(), YMM()
		VUNPCKLPS(r[i+1], r[i], a[i])
		VUNPCKHPS(r[i+1], r[i], a[i+1])
	}
	for i := 0; i < 8; i += 4 {
		for j := range 2 { // columns 0, 1 from the low halves of pairs, 2, 3 from the high
			b[i+2*j], b[i+2*j+1] = YMM(), YMM()
			VUNPCKLPD(a[i+2+j], a[i+j], b[i+2*j])
			VUNPCKHPD(a[i+2+j], a[i+j], b[i+2*j+1])
		}
	}
	for i := range 4 {
		c[i], c[i+4] = YMM(), YMM()
		VPERM2F128(Imm(0x20), b[i+4], b[i], c[i])
		VPERM2F128(Imm(0x31), b[i+4], b[i], c[i+4])
	}
	return c
}
