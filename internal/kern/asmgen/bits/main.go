// Command bits writes the AVX2 kernels that pack codes of any width, and unpack them.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

func main() {
	Prefix = "bits"
	pack()
	unpack()
	Generate()
}

func vector(p Register, disp int) VecVirtual {
	y := YMM()
	VMOVDQU(At(p, disp), y)
	return y
}

// pack joins neighbours three times: bytes to words, those to dwords, those to qwords.
func pack() {
	Begin("packBitsAVX2", "func(dst, codes *byte, n, step int, how *byte)",
		"packs n codes, a multiple of 32, sixteen to step bytes; it writes 16 bytes at a time. how has the "+
			"factors of bytes and of words, two shifts, and where bytes go.")
	dst, codes, step, how := Arg("dst"), Arg("codes"), Arg("step"), Arg("how")
	bytes, words, up, down, to := vector(how, 0), vector(how, 32), vector(how, 64), vector(how, 96), vector(how, 128)
	n := Arg("n")
	Label("loop")
	x := YMM()
	VPMADDUBSW(At(codes, 0), bytes, x)
	VPMADDWD(words, x, x)
	VPSLLVD(up, x, x)
	VPSRLVQ(down, x, x)
	VPSHUFB(to, x, x)
	VMOVDQU(x.AsX(), At(dst, 0))
	ADDQ(step, dst)
	VEXTRACTI128(Imm(1), x, At(dst, 0))
	ADDQ(step, dst)
	ADDQ(Imm(32), codes)
	SUBQ(Imm(32), n)
	JNZ(LabelRef("loop"))
	End()
}

// unpack brings each code to the top of a word.
func unpack() {
	Begin("unpackBitsAVX2", "func(codes, src *byte, n, step int, how *byte, down int)",
		"unpacks n codes, a multiple of 32, sixteen from step bytes; it reads 16 bytes at a time. how has "+
			"which bytes a word needs and what brings its code to the top, of the first and of the second "+
			"eight codes; down brings it to the bottom.")
	codes, src, step, how := Arg("codes"), Arg("src"), Arg("step"), Arg("how")
	from := [2]VecVirtual{vector(how, 0), vector(how, 32)}
	times := [2]VecVirtual{vector(how, 64), vector(how, 96)}
	down := XMM()
	VMOVQ(ArgMem("down"), down)
	n := Arg("n")
	Label("loop")
	in, x, y := YMM(), YMM(), YMM()
	VMOVDQU(At(src, 0), in.AsX())
	VINSERTI128(Imm(1), Mem{Base: src, Index: step, Scale: 1}, in, in)
	for i, w := range []VecVirtual{x, y} {
		VPSHUFB(from[i], in, w)
		VPMULLW(times[i], w, w)
		VPSRLW(down, w, w)
	}
	VPACKUSWB(y, x, x)
	VMOVDQU(x, At(codes, 0))
	ADDQ(Imm(32), codes)
	LEAQ(Mem{Base: src, Index: step, Scale: 2}, src)
	SUBQ(Imm(32), n)
	JNZ(LabelRef("loop"))
	End()
}
