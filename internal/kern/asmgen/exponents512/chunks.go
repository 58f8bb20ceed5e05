package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	chunk     = 1024                  // patterns
	chunkHead = 2                     // bytes before what is made of them
	chunkSize = chunkHead + chunk*3/2 // bytes of a chunk
	indexAt   = chunkHead + chunk     // where its indices begin
)

// Where a run has its fields.
const (
	runDst = 8 * iota
	runFrom
	runTo
	runFront
	runOther
)

// splitChunks splits chunk after chunk, each into the place of the one before the last, while the last
// one goes around the caches but for what does not fill a line, which is put in front of the next.
func splitChunks() {
	TEXT("splitChunksVBMI", NOSPLIT,
		"func(run *uintptr, missed *uint32, src *uint16, table *byte, chunks int) int")
	Pragma("noescape")
	Doc("splitChunksVBMI does SplitChunks.")
	s := newSplitter(GP64(), GP64(), GP64())
	run, left, n := ptr("run"), ptr("chunks"), GP64()
	o := outward{GP64(), GP64(), GP64()}
	front, other, next := GP64(), GP64(), GP64()
	MOVQ(Mem{Base: run, Disp: runDst}, o.dst)
	MOVQ(Mem{Base: run, Disp: runFrom}, o.staged)
	MOVQ(Mem{Base: run, Disp: runFront}, front)
	MOVQ(Mem{Base: run, Disp: runOther}, other)

	Label("chunk")
	MOVQ(Mem{Base: run, Disp: runTo}, o.lines)
	tail := ZMM()
	VMOVDQU64(Mem{Base: o.lines, Disp: -64}, tail)
	VMOVDQU64(tail, Mem{Base: front, Disp: -64})
	SUBQ(o.staged, o.lines)
	MOVQ(o.lines, n)
	ANDQ(Imm(63), n)
	MOVQ(front, next)
	SUBQ(n, next)
	SHRQ(Imm(6), o.lines)
	MOVW(U16(0), Mem{Base: front})
	LEAQ(Mem{Base: front, Disp: chunkHead}, s.rest)
	LEAQ(Mem{Base: front, Disp: indexAt}, s.index)
	Load(Param("missed"), s.missed)
	MOVQ(U32(chunk), n)
	s.stepAll(o, n)
	MOVQ(next, o.staged)
	LEAQ(Mem{Base: front, Disp: chunkSize}, next)
	MOVQ(next, Mem{Base: run, Disp: runTo})
	XCHGQ(front, other)
	KORTESTQ(s.all, s.all)
	JNZ(LabelRef("done"))
	DECQ(left)
	JNZ(LabelRef("chunk"))

	Label("done")
	MOVQ(o.dst, Mem{Base: run, Disp: runDst})
	MOVQ(o.staged, Mem{Base: run, Disp: runFrom})
	MOVQ(front, Mem{Base: run, Disp: runFront})
	MOVQ(other, Mem{Base: run, Disp: runOther})
	done := ptr("chunks")
	SUBQ(left, done)
	Store(done, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// An outward is what goes around the caches: from staged to dst, so many lines.
type outward struct{ dst, staged, lines Register }

func (o outward) copy(lines int) {
	for i := range lines {
		z := ZMM()
		VMOVDQU64(Mem{Base: o.staged, Disp: 64 * i}, z)
		VMOVNTDQ(z, Mem{Base: o.dst, Disp: 64 * i})
	}
	advance(o.dst, 64*lines)
	advance(o.staged, 64*lines)
}

// stepAll does n patterns, a positive multiple of 128, and copies three lines for as many, of which
// a chunk makes three: so what is read and what is written alternate.
func (s *splitter) stepAll(o outward, n Register) {
	Label("loop")
	s.step()
	CMPQ(o.lines, Imm(3))
	JLT(LabelRef("few"))
	o.copy(3)
	SUBQ(Imm(3), o.lines)
	Label("few")
	s.step()
	SUBQ(U32(128), n)
	JNZ(LabelRef("loop"))
	Label("left")
	SUBQ(Imm(1), o.lines)
	JLT(LabelRef("copied"))
	o.copy(1)
	JMP(LabelRef("left"))
	Label("copied")
}
