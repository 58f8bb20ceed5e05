package kvshuttle

import (
	"encoding/binary"
	"math"
	"slices"

	"kvgauge/internal/kern"
)

// none is an addend that changes nothing, not even the sign of zero.
var none = float32(math.Copysign(0, -1))

// amax returns the largest magnitude as numpy's max does: NaN if there is one.
//
// Magnitudes compare as their bits do, and every NaN is beyond infinity.
func amax(xs []float32) float32 {
	var a, b, c, d uint32
	for ; len(xs) >= 4; xs = xs[4:] {
		a = max(a, math.Float32bits(xs[0])&^(1<<31))
		b = max(b, math.Float32bits(xs[1])&^(1<<31))
		c = max(c, math.Float32bits(xs[2])&^(1<<31))
		d = max(d, math.Float32bits(xs[3])&^(1<<31))
	}
	for _, x := range xs {
		a = max(a, math.Float32bits(x)&^(1<<31))
	}
	return math.Float32frombits(max(a, b, c, d))
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
	dst = slices.Grow(dst, len(scale)*q4Group/2)
	var padded [q4Group]float32
	var codes [q4Group]byte
	for g := range scale {
		group := xs[g*q4Group : min(len(xs), (g+1)*q4Group)]
		if len(group) < q4Group {
			copy(padded[:], group)
			group = padded[:]
		}
		lo, hi := minMax(group)
		s := float32(1)
		if hi != lo {
			s = (hi - lo) / 15
		}
		scale[g], zero[g] = s, lo
		kern.DivideCodes(codes[:], group, lo, s, none, 0, 15)
		dst = appendNibbles(dst, codes[:])
	}
	return dst
}

// appendNibbles appends codes two to a byte, the first high. A last one alone gets a zero beside.
func appendNibbles(dst, codes []byte) []byte {
	for ; len(codes) >= 8; codes = codes[8:] {
		x := binary.LittleEndian.Uint64(codes)
		x = (x<<4 | x>>8) & 0x00ff00ff00ff00ff
		x = (x | x>>8) & 0x0000ffff0000ffff
		dst = binary.LittleEndian.AppendUint32(dst, uint32(x|x>>16))
	}
	for ; len(codes) >= 2; codes = codes[2:] {
		dst = append(dst, codes[0]<<4|codes[1])
	}
	if len(codes) == 1 {
		dst = append(dst, codes[0]<<4)
	}
	return dst
}

// unq4 undoes q4: it fills dst with code·scale + zero.
func unq4(dst []float32, packed []byte, scale, zero []float32) {
	var codes [q4Group]byte
	for g := 0; len(dst) > 0; g++ {
		n := min(len(dst), q4Group)
		for i, c := range packed[:(n+1)/2] {
			codes[2*i], codes[2*i+1] = c>>4, c&15
		}
		kern.RestoreCodes(dst[:n], codes[:n], 0, 0, scale[g], zero[g])
		dst, packed = dst[n:], packed[(n+1)/2:]
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

// addAll packs codes one after another.
func (p *packer2) addAll(codes []byte) {
	for ; len(codes) > 0 && p.n%4 != 0; codes = codes[1:] {
		p.add(codes[0])
	}
	for ; len(codes) >= 4; codes = codes[4:] {
		p.dst = append(p.dst, codes[0]<<6|codes[1]<<4|codes[2]<<2|codes[3])
		p.n += 4
	}
	for _, c := range codes {
		p.add(c)
	}
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
