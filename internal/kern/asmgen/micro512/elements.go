package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// A magnitude's code is, as in package lanes, the number of units of its last place, which an
// addition of 2^(e+22) leaves in the low bits of the sum, and 2·e. Here a dot product adds the two,
// the low and the high word of the sum: 256 and 4 times these make 256·(code + 2·(127+22)). With
// values 2^-21 times as large that is 256·(code + 256), whose second byte is the code.

// holdAll keeps the constants of encode in registers.
func (c *compressor) holdAll() {
	c.abs, c.odd = hold(all(0x7fff7fff)), hold(all(0xffff0000))
	c.field, c.least, c.ulps = hold(all(0xff800000)), hold(all(down)), hold(all(0x4a800000))
	c.weights = hold(all(256 | 4<<16))
	c.shifts, c.signs = hold(all(12|2<<16)), hold(all(0x20000008))
	c.bytes = hold(bytes(func(i int) int { return i%32*4 + 1 }))
	if c.half == 1 {
		for i := range 8 {
			c.pairs = append(c.pairs, hold(dwords(func(k int) uint32 { return uint32(2*i + k/8) })))
		}
	}
}

// encode writes the codes of a batch, two in a byte. Careful cuts to the largest code and leaves
// blocks of zeros without signs. Ahead looks at as much of what comes later, between the rest, so that
// it comes from memory meanwhile; a fetch of every line in advance is slower.
func (c *compressor) encode(careful, ahead bool) {
	inverses := ZMM()
	if c.half == 1 {
		VMOVUPS(c.inverses.Idx(c.offset, 4), inverses)
		if !c.bf16 && !careful {
			VMULPS(all(F16Scale), inverses, inverses) // finite, or values are cut, carefully
		}
	}
	for i := 0; i < 8*c.half; i += 2 {
		var d [2]VecVirtual
		for k := range d {
			if ahead {
				t := ZMM()
				VPANDD(At(c.ahead, 64*(i+k)), c.abs, t)
				VPMAXUW(t, c.soon, c.soon)
			}
			inv := ZMM()
			if c.half == 1 {
				VPERMPS(inverses, c.pairs[i+k], inv)
			} else {
				VBROADCASTSS(c.inverses.Idx(c.offset, 4).Offset(4*(i+k)), inv)
			}
			d[k] = c.codePairs(At(c.src, 64*(i+k)), inv, careful)
		}
		out := ZMM()
		VMOVDQA64(c.bytes, out)
		VPERMI2B(d[1], d[0], out)
		VMOVDQU32(out.AsY(), At(c.codes, 16*i))
	}
	ADDQ(U32(uint32(128*c.half)), c.codes)
	if ahead {
		ADDQ(U32(uint32(32*batch*c.half)), c.ahead)
	}
}

// codePairs returns the codes of 32 values, two in the second byte of each lane. Where a sum of the
// second word is four times too small to be there, its sign is put where that makes up for it.
func (c *compressor) codePairs(src Mem, inv VecVirtual, careful bool) VecVirtual {
	x := c.load(src)
	e, o := c.spread(x)
	for _, v := range []VecVirtual{e, o} {
		if careful && !c.bf16 {
			VMULPS(all(F16Scale), v, v)
		}
		VMULPS(inv, v, v)
		if careful {
			VRANGEPS(Imm(leastMagnitude), all(down+0x01400000), v, v)
		}
		c.round(v, ZMM())
	}
	VPSLLD(Imm(4), o, o)
	VPADDD(o, e, e)
	VPSRLVW(c.shifts, x, x)
	if careful {
		some := K()
		VPTESTMD(inv, inv, some)
		VPTERNLOGD(U8(0xf8), c.signs, x, some, e)
	} else {
		VPTERNLOGD(U8(0xf8), c.signs, x, e) // e or (x and signs)
	}
	VPMADDWD(c.weights, e, e)
	return e
}

func (c *compressor) load(src Mem) VecVirtual {
	x := ZMM()
	VMOVDQU64(src, x)
	return x
}

// spread turns 32 values into float32, those in even and those in odd places: of binary16 their
// magnitudes, 2^-112 times as large.
func (c *compressor) spread(x VecVirtual) (e, o VecVirtual) {
	e, o = ZMM(), ZMM()
	if c.bf16 {
		VPSLLD(Imm(16), x, e)
		VPANDD(c.odd, x, o)
		return e, o
	}
	VPANDD(c.abs, x, o)
	VPMADDWD(all(0x00002000), o, e)
	VPMADDWD(all(0x20000000), o, o)
	return e, o
}

// round adds to v, with its sign, 2^22 times the power of two in it, which it leaves in m.
func (c *compressor) round(v, m VecVirtual) {
	VPANDD(c.field, v, m)
	VRANGEPS(Imm(greatestMagnitude), c.least, m, m)
	VFMADD231PS(c.ulps, m, v)
}

// What VRANGEPS can do, with the sign of the second operand of three.
const (
	leastMagnitude    = 2
	greatestMagnitude = 3
)
