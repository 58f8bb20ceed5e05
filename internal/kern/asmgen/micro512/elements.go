package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// An element is what blocks consist of: floats of few bits.
type element struct {
	fraction int     // bits
	least    int     // the exponent of the least normal number
	most     float64 // the largest number
	beyond   float64 // what would be rounded to more than that
	down     int     // values are 2^-down times as large on their way
}

var (
	e2m1 = element{fraction: 1, least: 0, most: 6, beyond: 7, down: 21}
	e4m3 = element{fraction: 3, least: -6, most: 448, beyond: 464, down: 13}
)

// A magnitude's code is, as in package lanes, the number of units of its last place, which an addition
// of 2^(e+23-fraction) leaves in the low bits of the sum, and (e-least)·2^fraction. Here a dot product
// adds the two, the low and the high word of the sum. With values that are 2^-down times as large the
// exponent of the sum, plus 127, is 128 + e-least: the 128 falls away where codes are cut out.

// number returns a constant for values on their way.
func (l element) number(x float64) uint32 {
	return math.Float32bits(float32(math.Ldexp(x, -l.down)))
}

// holdAll keeps the constants of encode in registers.
func (c *compressor) holdAll() {
	c.abs, c.odd = hold(all(0x7fff7fff)), hold(all(0xffff0000))
	c.field, c.least = hold(all(0xff800000)), hold(all(c.number(math.Ldexp(1, c.element.least))))
	c.ulps = hold(all(uint32(127+23-c.fraction) << 23))
	if c.fraction == 3 {
		c.evens, c.odds = hold(all(16|1<<16)), hold(all(4096|256<<16))
		c.weights = hold(all(0x0ff0))
		c.shifts, c.signs = hold(all(4|12<<16)), hold(all(0x00080800))
		c.parts = hold(bytes(func(i int) int { return []int{4, 12, 36, 44, 0, 0, 0, 0}[i%8] }))
		c.bytes = hold(bytes(func(i int) int { return i/4*8 + i%4 }))
		return
	}
	c.weights = hold(all(256 | 4<<16))
	c.shifts, c.signs = hold(all(12|2<<16)), hold(all(0x20000008))
	c.bytes = hold(bytes(func(i int) int { return i%32*4 + 1 }))
	if c.half == 1 {
		for i := range 8 {
			c.pairs = append(c.pairs, hold(dwords(func(k int) uint32 { return uint32(2*i + k/8) })))
		}
	}
}

// encode writes the codes of a batch. Careful cuts to the largest code and leaves
// blocks of zeros without signs. Ahead looks at as much of what comes later, between the rest, so that
// it comes from memory meanwhile: at four places, as one stream waits at the end of every page. A fetch
// of every line in advance is slower.
func (c *compressor) encode(careful, ahead bool) {
	inverses := ZMM()
	if c.half == 1 {
		VMOVUPS(c.inverses.Idx(c.offset, 4), inverses)
		if !c.bf16 && !careful {
			VMULPS(all(F16Scale), inverses, inverses) // finite, or values are cut, carefully
		}
	}
	for i := 0; i < 8*c.half; i += 2 {
		c.vectors(i, ahead, func(i int) VecVirtual { return c.inverse(inverses, i, careful) }, careful)
	}
	c.advance(16*batch*c.half, ahead)
}

// vectors writes the codes of vectors i and i+1 of 32 values, by their reciprocals.
func (c *compressor) vectors(i int, ahead bool, inverse func(i int) VecVirtual, careful bool) {
	var d [2]VecVirtual
	for k := range d {
		if ahead {
			t := ZMM()
			VPANDD(c.place((i+k)%4).Offset((i+k)/4*64), c.abs, t)
			VPMAXUW(t, c.soon, c.soon)
		}
		d[k] = c.codePairs(At(c.src, 64*(i+k)), inverse(i+k), careful)
	}
	out := ZMM()
	VMOVDQA64(c.bytes, out)
	VPERMI2B(d[1], d[0], out)
	if c.fraction == 3 {
		VMOVDQU64(out, At(c.codes, 32*i))
	} else {
		VMOVDQU32(out.AsY(), At(c.codes, 16*i))
	}
}

// advance goes on by n values, but not in src.
func (c *compressor) advance(n int, ahead bool) {
	ADDQ(U32(uint32(n*(c.fraction+1)/4)), c.codes)
	if ahead {
		ADDQ(U32(uint32(n/2)), c.ahead)
	}
}

// place returns where one of the four quarters of what comes later is at.
func (c *compressor) place(i int) Mem {
	m := At(c.ahead, 0)
	switch i {
	case 1, 2:
		m.Index, m.Scale = c.step, uint8(i)
	case 3:
		m.Index, m.Scale = c.threeSteps, 1
	}
	return m
}

// inverse returns what the 32 values of number i of the batch are multiplied by.
func (c *compressor) inverse(inverses VecVirtual, i int, careful bool) VecVirtual {
	inv := ZMM()
	if c.half == 1 {
		VPERMPS(inverses, c.pairs[i], inv)
		return inv
	}
	VBROADCASTSS(c.inverses.Idx(c.offset, 4).Offset(4*i), inv)
	if !c.bf16 && !careful {
		VMULPS(all(F16Scale), inv, inv)
	}
	return inv
}

// codePairs returns the codes of 32 values, two in each lane: of four bits in its second byte, of eight
// in its lower half.
func (c *compressor) codePairs(src Mem, inv VecVirtual, careful bool) VecVirtual {
	x := c.load(src)
	e, o := c.spread(x)
	for _, v := range []VecVirtual{e, o} {
		if careful && !c.bf16 {
			VMULPS(all(F16Scale), v, v)
		}
		VMULPS(inv, v, v)
		if careful {
			VRANGEPS(Imm(leastMagnitude), all(c.number(c.most)), v, v)
		}
		c.round(v, ZMM())
	}
	some := K()
	if c.up {
		VPTESTMW(c.abs, x, some)
		VPSRLVW_Z(c.shifts, x, some, x)
	} else {
		VPSRLVW(c.shifts, x, x)
	}
	switch {
	case c.fraction == 3:
		VPMADDWD(c.evens, e, e)
		VPMADDWD(c.odds, o, o)
		VPTERNLOGD(U8(0xea), o, c.weights, e) // e and weights, or o
		VPTERNLOGD(U8(0xf8), c.signs, x, e)   // e or (x and signs)
		VPMULTISHIFTQB(e, c.parts, e)
		return e
	case careful && c.tensor:
		c.nibbles(e, o)
		VPTESTMD(inv, inv, some)
		VPTERNLOGD(U8(0xf8), c.signs, x, some, e)
	default:
		c.nibbles(e, o)
		VPTERNLOGD(U8(0xf8), c.signs, x, e)
	}
	VPMADDWD(c.weights, e, e)
	return e
}

// nibbles joins two sums in e. Where a dot product will take the second word four times, and the first
// 256 times, signs are put in either where that makes up for it.
func (c *compressor) nibbles(e, o VecVirtual) {
	VPSLLD(Imm(4), o, o)
	VPADDD(o, e, e)
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

// round adds to v, with its sign, 2^(23-fraction) times the power of two in it, which it leaves in m.
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
