// Command micro512 writes the AVX-512 forms of what command micro writes. They do sixteen blocks at
// once, and per lane the same arithmetic.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

func main() {
	Prefix = "micro512"
	for _, bf16 := range []bool{false, true} {
		for _, k := range kinds {
			k.compress(bf16)
		}
		scaled(bf16)
		restore("NVFP4", bf16, 1, (*restorer).tensorFactors)
		restore("MXFP4", bf16, 2, (*restorer).powerFactors)
		restore("FP4", bf16, 1, (*restorer).powerFactors)
	}
	expand()
	Generate()
}

// batch is how many blocks' scales are one vector.
const batch = 16

// A kind is one format.
type kind struct {
	name string
	element
	half   int // a block is so many runs of sixteen values
	chunk  int // blocks whose scales are found before their codes: what there is room for on a stack
	scale  func(c *compressor, amax VecVirtual) (inverses VecVirtual)
	choose func(c *compressor) // what is then done with every batch of a chunk, if anything
	tensor bool                // there is a scale of all, too; blocks whose scale is zero have no signs
	floor  int                 // the smallest exponent of a power of two, plus 127
	up     bool                // ties go away from zero, and -0 has no sign
}

var kinds = []kind{
	{name: "NVFP4", element: e2m1, half: 1, chunk: 128, scale: (*compressor).tensorScale, tensor: true},
	{name: "FourSix", element: e2m1, half: 1, chunk: 32, scale: (*compressor).twoScales,
		choose: (*compressor).better, tensor: true},
	{name: "MXFP4", element: e2m1, half: 2, chunk: 64, scale: (*compressor).powerScale},
	{name: "MXFP8", element: e4m3, half: 2, chunk: 64, scale: (*compressor).powerScale},
	{name: "FP4", element: e2m1, half: 1, chunk: 128, scale: (*compressor).powerScale, floor: 127 - 33, up: true},
}

// A compressor is blocks on their way.
type compressor struct {
	kind
	bf16                          bool
	src, ahead, codes, scales     Register
	step, threeSteps              Register   // from one place ahead to the next, and to the last
	blocks, offset, size          Register   // how many are left; the batch's first in its chunk; the chunk's
	careful, stop                 Register   // says that blocks of the chunk are not as most; that one cannot be done
	inverses                      Mem        // reciprocals of scales, times 2^-down
	top, soon                     VecVirtual // greatest patterns: words of which the greatest is sought
	abs, odd, field, least, ulps  VecVirtual // constants of encode
	weights, shifts, signs, bytes VecVirtual
	odds, evens, parts            VecVirtual // the same, of codes of eight bits
	pairs                         []VecVirtual
	ways                          []Mem // of two scales: their codes, reciprocals, and the square of their ratio
}

var constants = map[[16]uint32]Mem{}

// dwords returns a constant of sixteen 32-bit lanes.
func dwords(f func(i int) uint32) Mem {
	var key [16]uint32
	for i := range key {
		key[i] = f(i)
	}
	m, ok := constants[key]
	if !ok {
		m = GLOBL(fmt.Sprintf("%sConst%d", Prefix, len(constants)), RODATA|NOPTR)
		for i, v := range key {
			DATA(4*i, U32(v))
		}
		constants[key] = m
	}
	return m
}

// all returns a constant with v in every 32-bit lane.
func all(v uint32) Mem { return dwords(func(int) uint32 { return v }) }

// words returns a constant of 32 16-bit lanes.
func words(f func(i int) int) Mem {
	return dwords(func(i int) uint32 { return uint32(f(2*i)) | uint32(f(2*i+1))<<16 })
}

// bytes returns a constant of 64 bytes.
func bytes(f func(i int) int) Mem {
	return words(func(i int) int { return f(2*i) | f(2*i+1)<<8 })
}

func hold(m Mem) VecVirtual {
	z := ZMM()
	VMOVDQU64(m, z)
	return z
}

// splat fills the lanes with a float32 argument.
func splat(name string) VecVirtual {
	z := ZMM()
	VBROADCASTSS(ArgMem(name), z)
	return z
}

func (k kind) compress(bf16 bool) {
	Begin("compress"+k.name+Type(bf16)+"AVX512",
		"func(codes, scales *byte, src, ahead *uint16, step, blocks int, tensor, limit float32) "+
			"(left int, top, soon uint32)",
		"is compress"+k.name+Type(bf16)+"AVX2 of a positive multiple of 16 blocks. Of formats with a "+
			"scale of all, if ahead is not nil, soon is the greatest pattern without its sign of as many "+
			"values as it did, at four places that are step bytes apart.")
	c := &compressor{kind: k, bf16: bf16, src: Arg("src"), ahead: Arg("ahead"), codes: Arg("codes"),
		scales: Arg("scales"), blocks: Arg("blocks"), offset: GP64(), size: GP64(), careful: GP32(), stop: GP32(),
		inverses: AllocLocal(4 * k.chunk), top: ZMM()}
	c.beginAhead()
	VPXORD(c.top, c.top, c.top)
	XORL(c.stop, c.stop)
	c.holdAll()
	c.run()
	c.storeGreatest("top", c.top)
	c.storeGreatest("soon", c.soon)
	End()
}

func (c *compressor) beginAhead() {
	c.step, c.threeSteps, c.soon = Arg("step"), GP64(), ZMM()
	LEAQ(Mem{Base: c.step, Index: c.step, Scale: 2}, c.threeSteps)
	VPXORD(c.soon, c.soon, c.soon)
}

func (c *compressor) storeGreatest(result string, words VecVirtual) {
	half := YMM()
	VEXTRACTI64X4(Imm(1), words, half)
	VPMAXUW(words.AsY(), half, half)
	Store(MaxWord(half), Return(result))
}

// run does chunk after chunk: first the scales of all batches, then their codes, so that the one
// does not wait for the other.
func (c *compressor) run() {
	Label("chunk")
	MOVQ(c.blocks, c.size)
	CMPQ(c.size, Imm(uint64(c.chunk)))
	JLE(LabelRef("size"))
	MOVQ(U32(uint32(c.chunk)), c.size)
	Label("size")
	begin := GP64()
	MOVQ(c.src, begin)
	XORQ(c.offset, c.offset)
	XORL(c.careful, c.careful)
	Label("search")
	VMOVUPS(c.scale(c, c.largest()), c.inverses.Idx(c.offset, 4))
	c.next("search")
	Label("searched")
	if c.choose != nil {
		MOVQ(begin, c.src)
		XORQ(c.offset, c.offset)
		Label("choose")
		c.choose(c)
		c.next("choose")
		Label("chosen")
	}
	MOVQ(begin, c.src)
	XORQ(c.offset, c.offset)
	SUBQ(c.size, c.blocks)
	TESTL(c.careful, c.careful)
	JNZ(LabelRef("careful"))
	c.encodeAll("", false)
	Label("careful")
	c.encodeAll("Carefully", true)
	Label("encoded")
	TESTL(c.stop, c.stop)
	JNZ(LabelRef("done"))
	CMPQ(c.blocks, Imm(0))
	JNE(LabelRef("chunk"))
	JMP(LabelRef("done"))
	if c.choose != nil {
		c.end("unclear", "chosen")
		JMP(LabelRef("done"))
	}
	c.end("stop", "searched")
	Label("done")
	Store(c.blocks, Return("left"))
}

// end makes the batch at hand the end of the chunk and of all, and goes on at a label unless it is the
// first.
func (c *compressor) end(label, on string) {
	Label(label)
	MOVL(U32(1), c.stop)
	MOVQ(c.offset, c.size)
	CMPQ(c.size, Imm(0))
	JNE(LabelRef(on))
}

// encodeAll writes the codes of the chunk.
func (c *compressor) encodeAll(how string, careful bool) {
	if c.tensor {
		CMPQ(c.ahead, Imm(0))
		JEQ(LabelRef("encode" + how))
		c.encodeLoop("encodeAhead"+how, careful, true)
	}
	c.encodeLoop("encode"+how, careful, false)
}

func (c *compressor) encodeLoop(label string, careful, ahead bool) {
	Label(label)
	c.encode(careful, ahead)
	c.next(label)
	JMP(LabelRef("encoded"))
}

// next goes on to the next batch of the chunk.
func (c *compressor) next(label string) {
	ADDQ(U32(uint32(32*batch*c.half)), c.src)
	ADDQ(Imm(batch), c.offset)
	CMPQ(c.offset, c.size)
	JNE(LabelRef(label))
}
