package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// twoScales keeps the scales that put the largest magnitude at 6 and at 4.
func (c *compressor) twoScales(amax VecVirtual) VecVirtual {
	tensor, limit := splat("tensor"), splat("limit")
	six := c.way(amax, limit, tensor)
	VMULPS(all(0x40800000), tensor, limit)
	four := c.way(amax, limit, tensor)
	one, ratio := K(), ZMM()
	KXORW(six.some, four.some, one)
	stopIf(one)
	stopIf(c.beyond(amax, six.inverse))
	stopIf(c.beyond(amax, four.inverse))
	KNOTW(six.some, one)
	c.carefulIf(one)
	VMULPS(four.factor, six.inverse, ratio)
	VMULPS(all((127+21)<<23), ratio, ratio)
	VMULPS(ratio, ratio, ratio)
	for i, v := range []VecVirtual{six.code, four.code, four.inverse, ratio} {
		if i == len(c.ways) {
			c.ways = append(c.ways, AllocLocal(4*c.chunk))
		}
		VMOVUPS(v, c.ways[i].Idx(c.offset, 4))
	}
	return six.inverse
}

// better chooses between two scales by squared errors in units of the first, as float32. Of a block
// these are off by less than 2.6e-4: codes are off by 14·2^-24 at the most, what they mean by 6·2^-24,
// so that sixteen squares of numbers up to 1, the second ones four times as large, make 2e-4, and the
// sums the rest. It stops where a difference of less than twice that leaves it open what the reference
// does, which sums in float64.
func (c *compressor) better() {
	at := func(m Mem) VecVirtual {
		z := ZMM()
		VMOVUPS(m.Idx(c.offset, 4), z)
		return z
	}
	d := c.gains(at(c.inverses), at(c.ways[2]), at(c.ways[3]))
	unclear, better, some, code, inverse := K(), K(), K(), at(c.ways[0]), at(c.inverses)
	VCMPPS(Imm(0x1e), all(74<<23), d, better) // greater than 2^-11, which is here 2^-53
	VPANDD(all(0x7fffffff), d, d)
	VPTESTMD(inverse, inverse, some)                 // blocks of zeros are clear
	VCMPPS(Imm(0x1a), all(74<<23), d, some, unclear) // not greater
	r := GP32()
	KMOVW(unclear, r)
	TESTL(r, r)
	JNZ(LabelRef("unclear"))
	VMOVDQU32(c.ways[1].Idx(c.offset, 4), better, code)
	VPMOVDB(code, At(c.scales, 0))
	ADDQ(Imm(batch), c.scales)
	VMOVDQU32(c.ways[2].Idx(c.offset, 4), better, inverse)
	VMOVUPS(inverse, c.inverses.Idx(c.offset, 4))
}

// gains returns by how much the second scale of each block of the batch is better.
func (c *compressor) gains(six, four, ratio VecVirtual) VecVirtual {
	if !c.bf16 {
		VMULPS(all(F16Scale), six, six)
		VMULPS(all(F16Scale), four, four)
	}
	gain := func(i int) VecVirtual { return c.gain(i, six, four, ratio) }
	a, b := addFour(0, gain), addFour(4, gain)
	low, high, order := ZMM(), ZMM(), ZMM()
	VSHUFF64X2(Imm(0x88), b, a, low) // lanes 0 and 2: halves of even blocks, and of odd ones
	VSHUFF64X2(Imm(0xdd), b, a, high)
	VADDPS(high, low, low)
	VMOVDQU64(dwords(func(i int) uint32 { return uint32(i/8*8 + i%2*4 + i/2%4) }), order)
	VPERMPS(low, order, low)
	return low
}

// addFour returns sums of the gains of four vectors, whose first is from, side by side in each lane.
func addFour(from int, gain func(i int) VecVirtual) VecVirtual {
	add := func(a, b VecVirtual, low, high func(...Op)) VecVirtual {
		t := ZMM()
		low(b, a, t)
		high(b, a, a)
		VADDPS(t, a, a)
		return a
	}
	a := add(gain(from), gain(from+1), VUNPCKLPS, VUNPCKHPS)
	b := add(gain(from+2), gain(from+3), VUNPCKLPS, VUNPCKHPS)
	return add(a, b, VUNPCKLPD, VUNPCKHPD)
}

// gain returns what the gains of two blocks, of eight lanes each, are the sums of.
func (c *compressor) gain(i int, six, four, ratio VecVirtual) VecVirtual {
	e, o := c.spread(c.load(At(c.src, 64*i)))
	t := ZMM()
	gain, less := c.squares(e, o, six, i), c.squares(e, o, four, i)
	VPERMPS(ratio, c.pairs[i], t)
	VFNMADD231PS(t, less, gain)
	return gain
}

// squares returns sums of two squared errors, in units of the scale, by reciprocals of scales.
func (c *compressor) squares(e, o, inverses VecVirtual, i int) VecVirtual {
	inv, sum := ZMM(), ZMM()
	VPERMPS(inverses, c.pairs[i], inv)
	for k, v := range []VecVirtual{e, o} {
		y, s, m := ZMM(), ZMM(), ZMM()
		VMULPS(inv, v, y)
		VMOVAPS(y, s)
		c.round(s, m)
		VFNMADD231PS(c.ulps, m, s) // what the code means
		VSUBPS(s, y, y)
		if k == 0 {
			VMULPS(y, y, sum)
		} else {
			VFMADD231PS(y, y, sum)
		}
	}
	return sum
}
