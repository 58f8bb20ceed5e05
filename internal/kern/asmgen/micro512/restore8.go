package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// An expander is blocks of E4M3 on their way back to bfloat16: the patterns of the 128 magnitudes, by
// bytes, to whose exponents that of the block is added.
type expander struct {
	dst, codes, scales, blocks Register
	high, low                  [2]VecVirtual
	order, magnitude, sign     VecVirtual
	nonzero, top               VecVirtual
	powers                     Mem // words: the exponents of a batch's scales
}

// magnitude returns the pattern of a code without sign.
func magnitude(code int) int {
	x := math.Ldexp(float64(code%8), -9)
	if code >= 8 {
		x = math.Ldexp(float64(8+code%8), code/8-10)
	}
	return int(math.Float32bits(float32(x)) >> 16)
}

func expand() {
	Begin("restoreMXFP8BF16AVX512",
		"func(dst *uint16, codes, scales *byte, blocks int, limit float32, stream uint8) (left int)",
		"sets dst to the patterns of blocks, a positive multiple of 16, and returns how many are left. It "+
			"stops before sixteen of which one has a scale beyond limit or one that makes subnormal numbers, or "+
			"a code that is none. If stream is 1 it writes around the caches, and dst is a multiple of 64.")
	r := &expander{dst: Arg("dst"), codes: Arg("codes"), scales: Arg("scales"), blocks: Arg("blocks"),
		powers: AllocLocal(2 * batch), top: ZMM()}
	for i := range 2 {
		r.high[i] = hold(bytes(func(k int) int { return magnitude(64*i+k) >> 8 }))
		r.low[i] = hold(bytes(func(k int) int { return magnitude(64*i+k) & 0xff }))
	}
	r.order = hold(dwords(func(i int) uint32 { return uint32([]int{0, 4, 1, 5, 2, 6, 3, 7}[i/2] * (1 - i%2)) }))
	r.magnitude, r.sign = hold(all(0x7f7f7f7f)), hold(all(0x80808080))
	r.nonzero = hold(all(0x7fff7fff))
	stream := Load(Param("stream"), GP8())
	CMPB(stream, Imm(0))
	JNE(LabelRef("around"))
	r.loop("batch", func(z, m Op) { VMOVDQU64(z, m) })
	JMP(LabelRef("done"))
	r.loop("around", func(z, m Op) { VMOVNTDQ(z, m) })
	Label("done")
	Store(r.blocks, Return("left"))
	End()
}

func (r *expander) loop(label string, store func(z, m Op)) {
	Label(label)
	r.exponents()
	VPXORD(r.top, r.top, r.top)
	for i := range 8 {
		a, b := r.values(i)
		store(a, At(r.dst, 128*i))
		store(b, At(r.dst, 128*i+64))
	}
	none, bad := K(), GP64()
	VPCMPUB(Imm(0), r.magnitude, r.top, none) // equal
	KMOVQ(none, bad)
	TESTQ(bad, bad)
	JNZ(LabelRef("done"))
	ADDQ(U32(64*batch), r.dst)
	ADDQ(U32(32*batch), r.codes)
	ADDQ(Imm(batch), r.scales)
	SUBQ(Imm(batch), r.blocks)
	JNZ(LabelRef(label))
}

// exponents keeps those of the batch's scales, less 127, where patterns have them.
func (r *expander) exponents() {
	f, to, words, over, bad := ZMM(), ZMM(), YMM(), K(), GP32()
	const least = 10 << 23 // by which the smallest magnitude is a normal number
	VPMOVZXBD(At(r.scales, 0), f)
	VPSLLD(Imm(23), f, f)
	VBROADCASTSS(ArgMem("limit"), to)
	VPSUBD(all(least), to, to)
	VPSUBD(all(least), f, f)
	VPCMPUD(Imm(6), to, f, over) // not less or equal
	KMOVW(over, bad)
	TESTL(bad, bad)
	JNZ(LabelRef("done"))
	VPMOVZXBW(At(r.scales, 0), words)
	VPSLLW(Imm(7), words, words)
	VPSUBW(all(127<<7*0x10001), words, words)
	VMOVDQU(words, r.powers)
}

// values returns the patterns of blocks 2i and 2i+1.
func (r *expander) values(i int) (a, b VecVirtual) {
	c, m, high, low := ZMM(), ZMM(), ZMM(), ZMM()
	VPERMQ(At(r.codes, 64*i), r.order, c) // unpacking works within quarters
	VPANDD(r.magnitude, c, m)
	VPMAXUB(m, r.top, r.top)
	VMOVDQA64(c, high)
	VPERMI2B(r.high[1], r.high[0], high)
	VMOVDQA64(c, low)
	VPERMI2B(r.low[1], r.low[0], low)
	VPTERNLOGD(U8(0xf8), r.sign, c, high) // high or (c and sign)
	a, b = ZMM(), ZMM()
	VPUNPCKLBW(high, low, a)
	VPUNPCKHBW(high, low, b)
	for k, v := range []VecVirtual{a, b} {
		power, some := ZMM(), K()
		VPBROADCASTW(r.powers.Offset(2*(2*i+k)), power)
		VPTESTMW(r.nonzero, v, some)
		VPADDW(power, v, some, v)
	}
	return a, b
}
