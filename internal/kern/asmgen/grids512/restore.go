package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kvgauge/internal/kern/asmgen/lanes"
)

// dequantizeGroups undoes quantizeGroups of eight bits and bfloat16, which the processor rounds to
// itself: it takes values below 2^-126 for zero, but what codes stand for is zero or at least 2^-24,
// the least of binary16, in which scales and minima are.
func dequantizeGroups(k kernel) {
	TEXT(k.name("dequantizeGroups"), NOSPLIT, "func(dst *uint16, codes, scales, minima *byte, n, blocks int) int")
	Pragma("noescape")
	Doc(k.name("dequantizeGroups")+" undoes quantizeGroups, n being a multiple of 32. It stops before a block with a",
		"scale or minimum that is none. The processor has to know bfloat16.")
	dst, codes, scales, minima := ptr("dst"), ptr("codes"), ptr("scales"), ptr("minima")
	n, blocks := ptr("n"), ptr("blocks")
	frame := AllocLocal(2 * 32)

	Label("block")
	loadGrids(Mem{Base: scales}, Mem{Base: minima}, frame)
	group, left, scale, low := GP64(), GP64(), ZMM(), ZMM()
	XORQ(group, group)
	Label("group")
	VBROADCASTSS(frame.Idx(group, 4), scale)
	VBROADCASTSS(frame.Offset(32).Idx(group, 4), low)
	MOVQ(n, left)
	Label("values")
	for i, x := range []Register{Z2, Z1} { // the first sixteen are what the instruction takes last
		VPMOVZXBD(Mem{Base: codes, Disp: 16 * i}, x)
		VCVTDQ2PS(x, x)
		VMULPS(scale, x, x)
		VADDPS(low, x, x)
	}
	roundToBF16()
	if k.around {
		VMOVNTDQ(Z0, Mem{Base: dst})
	} else {
		VMOVDQU64(Z0, Mem{Base: dst})
	}
	advance(codes, 32)
	advance(dst, 64)
	SUBQ(Imm(32), left)
	JNZ(LabelRef("values"))
	INCQ(group)
	CMPQ(group, Imm(8))
	JNE(LabelRef("group"))

	advance(scales, 16)
	advance(minima, 16)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	done := ptr("blocks")
	SUBQ(blocks, done)
	Store(done, ReturnIndex(0))
	VZEROUPPER()
	if k.around {
		SFENCE()
	}
	RET()
}

// roundToBF16 is VCVTNE2PS2BF16 Z2, Z1, Z0, which the assembler does not know: Z0 = those of Z2, then
// those of Z1, rounded to bfloat16.
func roundToBF16() {
	Instruction(&ir.Instruction{Opcode: "LONG", Operands: []Op{U32(0x4877f262)},
		Inputs: []Op{Z1, Z2}, Outputs: []Op{Z0}})
	Instruction(&ir.Instruction{Opcode: "WORD", Operands: []Op{U16(0xc272)},
		Inputs: []Op{Z1, Z2}, Outputs: []Op{Z0}})
}

// loadGrids leaves eight scales and minima as float32 in the frame, or jumps to done.
func loadGrids(scales, minima, frame Mem) {
	s, m := XMM(), XMM()
	VMOVDQU(scales, s)
	VMOVDQU(minima, m)
	lanes.UnlessNumbers(s, m, "done")
	scale, low := YMM(), YMM()
	VCVTPH2PS(s, scale)
	VCVTPH2PS(m, low)
	VMOVUPS(scale, frame)
	VMOVUPS(low, frame.Offset(32))
}
