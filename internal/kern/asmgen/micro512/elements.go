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
	c.abs, c.odd = hold(all(0x7fff7fff)), hold(all(0x7fff0000))
	c.field, c.least, c.ulps = hold(all(0x7f800000)), hold(all(down)), hold(all(0x4a800000))
	c.evens, c.odds = hold(all(256|4<<16)), hold(all(4096|64<<16))
	c.signs = hold(all(2048 | 0x8000<<16))
	c.bytes = hold(bytes(func(i int) int { return i%32*4 + 1 }))
	if c.half == 1 {
		for i := range 8 {
			c.pairs = append(c.pairs, hold(dwords(func(k int) uint32 { return uint32(2*i + k/8) })))
		}
	}
}

// encode writes the codes of a batch, two in a byte. Careful cuts to the largest code and leaves
// blocks of zeros without signs.
func (c *compressor) encode(careful bool) {
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
}

// codePairs returns the codes of 32 values, two in the second byte of each lane.
func (c *compressor) codePairs(src Mem, inv VecVirtual, careful bool) VecVirtual {
	x, e, o := ZMM(), ZMM(), ZMM()
	VMOVDQU64(src, x)
	if c.bf16 {
		VPSLLD(Imm(17), x, e)
		VPSRLD(Imm(1), e, e)
		VPANDD(c.odd, x, o)
	} else {
		VPANDD(c.abs, x, o)
		VPMADDWD(all(0x00002000), o, e)
		VPMADDWD(all(0x20000000), o, o)
	}
	for _, v := range []VecVirtual{e, o} {
		m := ZMM()
		if careful && !c.bf16 {
			VMULPS(all(F16Scale), v, v)
		}
		VMULPS(inv, v, v)
		if careful {
			VMINPS(all(down+0x01400000), v, v)
		}
		VPANDD(c.field, v, m)
		VPMAXSD(c.least, m, m)
		VFMADD231PS(c.ulps, m, v)
	}
	VPMADDWD(c.evens, e, e)
	VPMADDWD(c.odds, o, o)
	VPADDD(o, e, e)
	VPSRLW(Imm(15), x, x)
	if careful {
		some := K()
		VPTESTMD(inv, inv, some)
		VPMADDWD_Z(c.signs, x, some, x)
	} else {
		VPMADDWD(c.signs, x, x)
	}
	VPADDD(x, e, e)
	return e
}
