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

// magnitudes returns the patterns of two blocks without signs, of long blocks the greater ones of their
// two halves.
func (c *compressor) magnitudes(i int) VecVirtual {
	a := ZMM()
	if c.half == 1 {
		VPANDD(At(c.src, 64*i), c.abs, a)
		return a
	}
	b, t := ZMM(), ZMM()
	VPANDD(At(c.src, 128*i), c.abs, a)
	VPANDD(At(c.src, 128*i+64), c.abs, b)
	VSHUFI64X2(Imm(0x44), b, a, t)
	VSHUFI64X2(Imm(0xee), b, a, a)
	VPMAXUW(t, a, a)
	return a
}

// A way is a scale of each block of a batch: its codes, what they mean times the tensor scale, the
// reciprocals of that, and which of them are not zero.
type way struct {
	code, factor, inverse VecVirtual
	some                  Register
}

// way returns E4M3(amax/limit). It stops where reciprocals times 2^-21 would not be normal numbers.
func (c *compressor) way(amax, limit, tensor VecVirtual) way {
	a, e, m, inv, some, over := ZMM(), ZMM(), ZMM(), ZMM(), K(), K()
	VDIVPS(limit, amax, a)
	VMINPS(all(0x43e00000), a, a) // 448
	VPANDD(all(0x7f800000), a, e)
	VPMAXSD(all(121<<23), e, e)
	VPADDD(all(20<<23|-8*121&0xffff), e, m) // so that what fills the low bits is the code
	VADDPS(m, a, a)
	VSUBPS(m, a, m)
	VPSRLD(Imm(20), e, e)
	VPADDD(e, a, a)
	VMULPS(tensor, m, m)
	VPTESTMD(m, m, some)
	VMOVUPS(all(0x3f800000), inv)
	VDIVPS_Z(m, inv, some, inv)
	VPSUBD(all(22<<23), inv, e) // 2^-105
	VPCMPUD(Imm(5), all((255-22)<<23), e, some, over)
	stopIf(over)
	VMULPS(c.least, inv, inv)
	return way{a, m, inv, some}
}

// stopIf ends the kernel before the batch if a lane is set.
func stopIf(lanes Register) {
	r := GP32()
	KMOVW(lanes, r)
	TESTL(r, r)
	JNZ(LabelRef("stop"))
}

// carefulIf makes the chunk one to be careful with if a lane is set.
func (c *compressor) carefulIf(lanes Register) {
	r := GP32()
	KMOVW(lanes, r)
	ORL(r, c.careful)
}

// beyond returns where a reciprocal makes a magnitude so large that it has to be cut.
func (c *compressor) beyond(amax, inverse VecVirtual) Register {
	y, over := ZMM(), K()
	VMULPS(inverse, amax, y)
	VCMPPS(Imm(5), all(c.number(c.element.beyond)), y, over) // not less
	return over
}

// tensorScale is that of command micro, but for the reciprocals being 2^-21 times as large. It stops
// where that would make them subnormal, too.
func (c *compressor) tensorScale(amax VecVirtual) VecVirtual {
	w := c.way(amax, splat("limit"), splat("tensor"))
	VPMOVDB(w.code, At(c.scales, 0))
	ADDQ(Imm(batch), c.scales)
	none := K()
	KNOTW(w.some, none)
	c.carefulIf(none)
	c.carefulIf(c.beyond(amax, w.inverse))
	return w.inverse
}

// powerScale is that of command micro, but for the reciprocals being 2^-down times as large, and stops
// where that would not do.
func (c *compressor) powerScale(amax VecVirtual) VecVirtual {
	e, power, inv, over, some := ZMM(), ZMM(), ZMM(), K(), K()
	VPANDD(all(0x7f800000), amax, e)
	VPSUBD(splat("tensor"), e, e)
	VPMAXSD(all(uint32(c.floor)<<23), e, e)
	VPMAXSD(all(1<<22), e, power) // 2^-127 is subnormal
	VMULPS(splat("limit"), power, power)
	VCMPPS(Imm(1), amax, power, over) // less
	VPSRLD(Imm(23), e, e)
	VPADDD(all(1), e, over, e)
	largest := 253 - c.down
	if c.up {
		largest = 127 + 16 // as there
	}
	VPCMPUD(Imm(6), all(uint32(largest)), e, over) // greater
	stopIf(over)
	VPMOVDB(e, At(c.scales, 0))
	ADDQ(Imm(batch), c.scales)
	VMOVDQU64(all(uint32(254-c.down)), inv)
	VPSUBD(e, inv, inv)
	VPTESTMD(amax, amax, some)
	VPSLLD_Z(Imm(23), inv, some, inv) // zeros stay zeros
	if c.up {
		VMULPS(all(0x3f800800), inv, inv)
	}
	c.carefulIf(c.beyond(amax, inv))
	if !c.bf16 {
		VPCMPUD(Imm(5), all((255-112)<<23), inv, over) // infinite with 2^112 in it
		c.carefulIf(over)
	}
	return inv
}
