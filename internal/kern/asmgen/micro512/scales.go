package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// largest returns the largest magnitude of each block of a batch, as float32.
func (c *compressor) largest() VecVirtual {
	x := c.fold(0, 8)
	lanes := ZMM() // of two blocks each, twice; a lane holds part of every second block
	VSHUFI64X2(Imm(0xb1), x, x, lanes)
	VPMAXUW(lanes, x, x)
	VPMAXUW(x, c.top, c.top)
	order := ZMM()
	a := ZMM()
	if c.bf16 {
		VMOVDQU64(words(func(i int) int { return i/4 + i/2%2*16 }), order)
		VPERMW(x, order, a)
		VPANDD(all(0xffff0000), a, a)
		return a
	}
	VMOVDQU64(words(func(i int) int { return i%16/2 + i%2*16 }), order)
	VPERMW(x, order, a)
	VCVTPH2PS(a.AsY(), a)
	return a
}

// fold returns words of which, lane by lane, the greatest of vectors from to from+n of two blocks
// each is in the same place as the vectors have in their sequence.
func (c *compressor) fold(from, n int) VecVirtual {
	if n == 1 {
		return c.magnitudes(from)
	}
	step := map[int][2]func(...Op){2: {VPUNPCKLWD, VPUNPCKHWD}, 4: {VPUNPCKLDQ, VPUNPCKHDQ},
		8: {VPUNPCKLQDQ, VPUNPCKHQDQ}}[n]
	a, b, t := c.fold(from, n/2), c.fold(from+n/2, n/2), ZMM()
	step[0](b, a, t)
	step[1](b, a, a)
	VPMAXUW(t, a, a)
	return a
}

// magnitudes returns the patterns of two blocks without signs, or for long blocks words that are
// as large as theirs.
func (c *compressor) magnitudes(i int) VecVirtual {
	a := ZMM()
	VPANDD(At(c.src, 64*i), c.abs, a)
	return a
}

// down is 2^-21 as a float32.
const down = (127 - 21) << 23

// tensorScale is that of command micro, but for the reciprocals being 2^-21 times as large. It stops
// where that would make them subnormal, too.
func (c *compressor) tensorScale(amax VecVirtual) VecVirtual {
	tensor, limit := splat("tensor"), splat("limit")
	a, e, m, inv := ZMM(), ZMM(), ZMM(), ZMM()
	VDIVPS(limit, amax, a)
	VMINPS(all(0x43e00000), a, a) // 448
	VPANDD(all(0x7f800000), a, e)
	VPMAXSD(all(121<<23), e, e)
	VPADDD(all(20<<23|-8*121&0xffff), e, m) // so that what fills the low bits is the code
	VADDPS(m, a, a)
	VSUBPS(m, a, m)
	VPSRLD(Imm(20), e, e)
	VPADDD(e, a, a)
	VPMOVDB(a, At(c.scales, 0))
	VMULPS(tensor, m, m)
	some, over := K(), K()
	zero := ZMM()
	VPXORD(zero, zero, zero)
	VCMPPS(Imm(4), zero, m, some)
	VMOVUPS(all(0x3f800000), inv)
	VDIVPS_Z(m, inv, some, inv)
	r := GP32()
	VPSUBD(all(22<<23), inv, m) // 2^-105
	VPCMPUD(Imm(5), all((255-22)<<23), m, some, over)
	KMOVW(over, r)
	TESTL(r, r)
	JNZ(LabelRef("stop"))
	VMULPS(c.least, inv, inv)
	ADDQ(Imm(batch), c.scales)
	KMOVW(some, r)
	XORL(U32(0xffff), r)
	ORL(r, c.careful)
	VMULPS(inv, amax, m)
	VCMPPS(Imm(5), all(down+0x01600000), m, over) // not less than 7: to be cut to 6
	KMOVW(over, r)
	ORL(r, c.careful)
	return inv
}
