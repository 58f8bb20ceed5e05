// Command symbols writes the kernels that take fields out of 16-bit floats, put them back, and permute
// them: AVX2, and the permutations AVX-512 with VBMI.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

func main() {
	Prefix = "symbols"
	take()
	put()
	permute(64)
	permute(128)
	Generate()
}

// loop runs body n/32 times; n is the argument "n", a positive multiple of 32.
func loop(body func()) {
	n := Arg("n")
	Label("loop")
	body()
	SUBQ(Imm(32), n)
	JNZ(LabelRef("loop"))
	End()
}

func shift() VecVirtual {
	x := XMM()
	VMOVQ(ArgMem("shift"), x)
	return x
}

func take() {
	Begin("takeFieldsAVX2", "func(dst *byte, src *uint16, n int, shift uint64)",
		"sets dst to the low bytes of src shifted right, n a multiple of 32.")
	dst, src, by := Arg("dst"), Arg("src"), shift()
	Hold(W(0xff))
	loop(func() {
		var x [2]VecVirtual
		for i := range x {
			x[i] = YMM()
			VMOVDQU(At(src, 32*i), x[i])
			VPSRLW(by, x[i], x[i])
			VPAND(W(0xff), x[i], x[i])
		}
		VPACKUSWB(x[1], x[0], x[0])
		VPERMQ(Imm(0xd8), x[0], x[0])
		VMOVDQU(x[0], At(dst, 0))
		ADDQ(Imm(64), src)
		ADDQ(Imm(32), dst)
	})
}

func put() {
	Begin("putFieldsAVX2", "func(dst *uint16, src *byte, n int, shift uint64)",
		"adds bits of bytes, shifted left, to dst, n a multiple of 32.")
	dst, src, by := Arg("dst"), Arg("src"), shift()
	loop(func() {
		for i := range 2 {
			x := YMM()
			VPMOVZXBW(At(src, 16*i), x)
			VPSLLW(by, x, x)
			VPOR(At(dst, 32*i), x, x)
			VMOVDQU(x, At(dst, 32*i))
		}
		ADDQ(Imm(64), dst)
		ADDQ(Imm(32), src)
	})
}

func permute(dim int) {
	Begin(fmt.Sprintf("permute%dAVX512", dim), "func(dst, src, perm *byte, rows int)",
		"sets byte i of a row of dst to byte perm[i] of that of src.")
	dst, src, perm, rows := Arg("dst"), Arg("src"), Arg("perm"), Arg("rows")
	index := make([]VecVirtual, dim/64)
	for i := range index {
		index[i] = ZMM()
		VMOVDQU64(At(perm, 64*i), index[i])
	}
	Label("row")
	table := make([]VecVirtual, dim/64)
	for i := range table {
		table[i] = ZMM()
		VMOVDQU64(At(src, 64*i), table[i])
	}
	for i := range index {
		x := ZMM()
		if dim == 64 {
			VPERMB(table[0], index[0], x)
		} else {
			VMOVDQA64(index[i], x)
			VPERMI2B(table[1], table[0], x)
		}
		VMOVDQU64(x, At(dst, 64*i))
	}
	ADDQ(U32(uint32(dim)), src)
	ADDQ(U32(uint32(dim)), dst)
	DECQ(rows)
	JNZ(LabelRef("row"))
	End()
}
