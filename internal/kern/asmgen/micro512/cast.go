package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// scaled writes the form of command float8's scale for 512 bits.
func scaled(bf16 bool) {
	times := "2^-13"
	if !bf16 {
		times = "2^99"
	}
	Begin("scaleE4M3"+Type(bf16)+"AVX512",
		"func(dst *byte, src, ahead *uint16, step, n int, inv float32) (soon uint32)",
		"sets dst to the codes of n values, a positive multiple of 128, times inv, which is "+times+" times as "+
			"large; no code is of more than the largest number. If ahead is not nil, soon is the greatest "+
			"pattern without its sign of as many values at four places that are step bytes apart.")
	c := &compressor{kind: kind{element: e4m3, half: 2}, bf16: bf16, src: Arg("src"), ahead: Arg("ahead"),
		codes: Arg("dst"), blocks: Arg("n")}
	c.beginAhead()
	c.holdAll()
	inv := splat("inv")
	CMPQ(c.ahead, Imm(0))
	JEQ(LabelRef("here"))
	for _, ahead := range []bool{true, false} {
		label := map[bool]string{true: "ahead", false: "here"}[ahead]
		Label(label)
		for i := range 2 {
			c.vectors(2*i, ahead, func(int) VecVirtual { return inv }, false)
		}
		c.advance(128, ahead)
		ADDQ(U32(256), c.src)
		SUBQ(U32(128), c.blocks)
		JNZ(LabelRef(label))
		if ahead {
			JMP(LabelRef("done"))
		}
	}
	Label("done")
	c.storeGreatest("soon", c.soon)
	End()
}
