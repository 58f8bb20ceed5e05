package kvshuttle

import (
	"encoding/binary"
	"math"
	"slices"

	"kvgauge/internal/kern"
)

// rint rounds to the nearest whole number, ties to even, as numpy's rint does.
func rint(x float32) float32 { return float32(math.RoundToEven(float64(x))) }

// clipCode rounds and clips as numpy does and casts to a byte; a NaN becomes 0, as the cast of a
// NaN to an 8-bit integer gives on x86.
func clipCode(x, lo, hi float32) byte {
	r := rint(x)
	switch {
	case r != r:
		return 0
	case r < lo:
		r = lo
	case r > hi:
		r = hi
	}
	return byte(int(r))
}

// amax returns the largest magnitude as numpy's max does: NaN if there is one.
func amax(xs []float32) float32 {
	m := float32(0)
	for _, x := range xs {
		if x < 0 {
			x = -x
		}
		if x > m || x != x {
			m = x
			if x != x {
				return x
			}
		}
	}
	return m
}

// minMax returns the extremes as numpy's min and max do: NaN if there is one.
func minMax(xs []float32) (lo, hi float32) {
	lo, hi = xs[0], xs[0]
	for _, x := range xs {
		if x != x {
			return x, x
		}
		if x < lo {
			lo = x
		}
		if x > hi {
			hi = x
		}
	}
	return lo, hi
}

// step returns the scale of a range cut into n steps; an empty range gets 1. As in numpy a NaN
// range is not empty, and gives a NaN scale.
func step(lo, hi, n float32) float32 {
	if r := hi - lo; r != 0 {
		return r / n
	}
	return 1
}

// q4Group is the number of values of the flattened tensor that share a scale and a zero.
const q4Group = 128

func q4Groups(n int) int { return (n + q4Group - 1) / q4Group }

// q4 quantises xs to 4 bits in groups of 128: two codes a byte, even index high. The last group
// is padded with zeros, which take part in its range. It appends the codes to dst and sets scale
// and zero per group.
func q4(dst []byte, xs, scale, zero []float32) []byte {
	for g := range scale {
		group := xs[g*q4Group : min(len(xs), (g+1)*q4Group)]
		lo, hi := minMax(group)
		if len(group) < q4Group && lo == lo {
			lo, hi = min(lo, 0), max(hi, 0)
		}
		s := float32(1)
		if hi != lo {
			s = (hi - lo) / 15
		}
		scale[g], zero[g] = s, lo
		for i := 0; i < q4Group; i += 2 {
			dst = append(dst, q4Code(group, i, lo, s)<<4|q4Code(group, i+1, lo, s))
		}
	}
	return dst
}

func q4Code(group []float32, i int, zero, scale float32) byte {
	x := float32(0)
	if i < len(group) {
		x = group[i]
	}
	return clipCode((x-zero)/scale, 0, 15)
}

// unq4 undoes q4: it fills dst with code·scale + zero.
func unq4(dst []float32, codes []byte, scale, zero []float32) {
	for i := range dst {
		c := codes[i/2]
		if i%2 == 0 {
			c >>= 4
		}
		g := i / q4Group
		dst[i] = float32(float32(c&15)*scale[g]) + zero[g]
	}
}

// packer2 packs 2-bit codes, the first in the two top bits of a byte.
type packer2 struct {
	dst []byte
	n   int
}

func (p *packer2) add(code byte) {
	if p.n%4 == 0 {
		p.dst = append(p.dst, 0)
	}
	p.dst[len(p.dst)-1] |= code << (6 - 2*(p.n%4))
	p.n++
}

// code2 returns code i of a packed run.
func code2(packed []byte, i int) float32 { return float32(packed[i/4] >> (6 - 2*(i%4)) & 3) }

func appendFloats(dst []byte, xs []float32) []byte {
	for _, x := range xs {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

// floats reads n little-endian float32 values into dst's memory.
func floats(dst []float32, src []byte) []float32 {
	dst = grow(dst, len(src)/4)
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
	return dst
}

// appendHalves appends values as little-endian float16; values that are float16 already stay as
// they are.
func appendHalves(dst []byte, xs []float32) []byte {
	base := len(dst)
	dst = slices.Grow(dst, 2*len(xs))[:base+2*len(xs)]
	var h [512]uint16
	for out := dst[base:]; len(xs) > 0; {
		n := min(len(xs), len(h))
		kern.NarrowF16(h[:n], xs[:n])
		for i, v := range h[:n] {
			binary.LittleEndian.PutUint16(out[2*i:], v)
		}
		out, xs = out[2*n:], xs[n:]
	}
	return dst
}

// halves reads little-endian float16 values into dst's memory.
func halves(dst []float32, src []byte) []float32 {
	dst = grow(dst, len(src)/2)
	var h [512]uint16
	for out := dst; len(out) > 0; {
		n := min(len(out), len(h))
		for i := range h[:n] {
			h[i] = binary.LittleEndian.Uint16(src[2*i:])
		}
		kern.WidenF16(out[:n], h[:n])
		out, src = out[n:], src[2*n:]
	}
	return dst
}

// cutter takes sections off the front of a payload, whose length has been checked.
type cutter struct{ b []byte }

func (c *cutter) take(n int) []byte {
	part := c.b[:n]
	c.b = c.b[n:]
	return part
}
