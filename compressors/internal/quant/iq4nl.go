package quant

import (
	"encoding/binary"
	"math"

	"kvgauge/internal/kern"
)

// levelsIQ4NL are the sixteen numbers of llama.cpp's IQ4_NL, by code.
var levelsIQ4NL = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// IQ4NLBytes is the size of an IQ4_NL block: a binary16 scale and sixteen bytes of codes.
const IQ4NLBytes = 18

// CompressIQ4NL writes the block of x as llama.cpp's quantize_row_iq4_nl_ref does: codes from the
// scale that brings the value of largest magnitude to -127, then the scale that fits the codes
// best, weighted by squares. It returns false if that scale is beyond binary16. A compiler that
// fuses the reference's products into its sums makes the last bit of some scales another; here
// nothing is fused. Where the squares of a block overflow or vanish, the first scale stays.
func CompressIQ4NL(out []byte, x *[BlockSize]float32) bool {
	clear(out[:IQ4NLBytes])
	top := extremeFloat(x)
	if max(top, -top) < 1e-15 {
		return true
	}
	var codes [BlockSize]byte
	d := top / levelsIQ4NL[0]
	if best, _ := fitIQ4NL(&codes, x, 1/d); finite(best) {
		d = best
	}
	Q4_0.nibbles(out[2:], &codes)
	return scale16(out, d)
}

// SearchIQ4NL writes the block of x as llama.cpp's quantize_iq4_nl does for weights: of the scales
// that bring the value of largest magnitude to -120, -121 … -134 or to +127, each fitted to its
// codes, the best; then codes anew from that scale. It returns false if the scale is beyond
// binary16.
func SearchIQ4NL(out []byte, x *[BlockSize]float32) bool {
	clear(out[:IQ4NLBytes])
	top := extremeFloat(x)
	if max(top, -top) < 1e-15 {
		return true
	}
	const tries = 7
	var codes [BlockSize]byte
	d, gain := fitIQ4NL(&codes, x, levelsIQ4NL[0]/-top)
	for try := -tries; try <= tries; try++ {
		if other, g := fitIQ4NL(&codes, x, (float32(try)+levelsIQ4NL[0])/top); g > gain {
			d, gain = other, g
		}
	}
	if !finite(d) || d == 0 {
		d = top / levelsIQ4NL[0]
	}
	for i, v := range x {
		codes[i] = nearestIQ4NL(1 / d * v)
	}
	Q4_0.nibbles(out[2:], &codes)
	return scale16(out, d)
}

// fitIQ4NL sets codes to those of x·id, and returns the scale that fits them best, weighted by
// squares, and how much of the weighted squares it takes away.
func fitIQ4NL(codes *[BlockSize]byte, x *[BlockSize]float32, id float32) (d, gain float32) {
	var sumqx, sumq2 float32
	for i, v := range x {
		codes[i] = nearestIQ4NL(id * v)
		q, w := levelsIQ4NL[codes[i]], v*v
		sumqx += float32(float32(w*q) * v)
		sumq2 += float32(float32(w*q) * q)
	}
	d = sumqx / sumq2
	return d, d * sumqx
}

// midsIQ4NL are the middles between levels: code i is below middle i.
var midsIQ4NL [15]float32

// cellsIQ4NL[i] is the code of i - 128: that of any number up to 2 more, or one less than it.
var cellsIQ4NL [241]byte

func init() {
	for i := range midsIQ4NL {
		midsIQ4NL[i] = (levelsIQ4NL[i] + levelsIQ4NL[i+1]) / 2
	}
	for i := range cellsIQ4NL {
		for cellsIQ4NL[i] < 15 && float32(i-128) >= midsIQ4NL[cellsIQ4NL[i]] {
			cellsIQ4NL[i]++
		}
	}
}

// nearestIQ4NL returns the code of the level nearest to x, the upper one at a tie.
func nearestIQ4NL(x float32) byte {
	if !(x > -127) {
		return 0
	}
	if x >= 113 {
		return 15
	}
	code := cellsIQ4NL[int(x+127)]
	if x >= midsIQ4NL[min(code, 14)] {
		code = min(code+1, 15)
	}
	return code
}

// extremeFloat returns the first of the values of largest magnitude.
func extremeFloat(x *[BlockSize]float32) float32 {
	var best uint64 // magnitude, then the index counted from the end, so that the first wins
	for i, v := range x {
		best = max(best, uint64(math.Float32bits(v)&0x7fffffff)<<8|uint64(BlockSize-1-i))
	}
	return x[BlockSize-1-best&0xff]
}

// CompressFloats writes the blocks of x, whole ones, which need not come from 16 bits. It returns
// false if a scale is beyond binary16.
func (b Block) CompressFloats(out []byte, x []float32) bool {
	for kern.Vectors() && len(x) > 0 {
		n := min(len(x)/BlockSize, runBlocks)
		if !b.run(out, x[:n*BlockSize]) {
			return false
		}
		out, x = out[n*b.Bytes():], x[n*BlockSize:]
	}
	for ; len(x) > 0; out, x = out[b.Bytes():], x[BlockSize:] {
		if !b.compressFloats(out, (*[BlockSize]float32)(x)) {
			return false
		}
	}
	return true
}

func (b Block) compressFloats(out []byte, x *[BlockSize]float32) bool {
	switch b {
	case Q8_0:
		top := extremeFloat(x)
		return blockQ8(out, x, max(top, -top))
	case Q4_0, Q5_0:
		return b.signed(out, x, extremeFloat(x))
	}
	lo, hi := Range(x[:])
	return b.offset(out, x, lo, hi)
}

// Range returns the smallest and the largest of some numbers; -0 is below 0.
func Range(vals []float32) (lo, hi float32) { return kern.Range(vals) }

// Largest returns the largest magnitude of some numbers, 0 if there are none.
func Largest(vals []float32) float32 {
	most := uint32(0)
	for _, x := range vals {
		most = max(most, math.Float32bits(x)&0x7fffffff)
	}
	return math.Float32frombits(most)
}

// DecompressFloats sets x from its blocks. It returns false if a scale is not finite.
func (b Block) DecompressFloats(x []float32, in []byte) bool {
	for kern.Vectors() && len(x) > 0 {
		n := min(len(x)/BlockSize, runBlocks)
		if !b.unrun(x[:n*BlockSize], in) {
			return false
		}
		in, x = in[n*b.Bytes():], x[n*BlockSize:]
	}
	for ; len(x) > 0; in, x = in[b.Bytes():], x[BlockSize:] {
		if !b.decompressFloats((*[BlockSize]float32)(x), in) {
			return false
		}
	}
	return true
}

func (b Block) decompressFloats(x *[BlockSize]float32, in []byte) bool {
	var codes [BlockSize]byte
	d, m, off := kern.F16ToF32(binary.LittleEndian.Uint16(in)), float32(0), float32(0)
	rest := in[2:]
	if b == Q4_1 || b == Q5_1 {
		m = kern.F16ToF32(binary.LittleEndian.Uint16(rest))
		rest = rest[2:]
	}
	switch b {
	case Q8_0:
		off = 128
		for i, c := range rest[:BlockSize] {
			codes[i] = c ^ 0x80
		}
	case Q4_0, Q4_1:
		splitNibbles(&codes, rest)
	default:
		splitNibbles(&codes, rest[4:])
		addFifth(&codes, binary.LittleEndian.Uint32(rest))
	}
	switch b {
	case Q4_0:
		off = 8
	case Q5_0:
		off = 16
	}
	for i, c := range codes {
		x[i] = float32((float32(c)-off)*d) + m
	}
	return finite(d) && finite(m)
}
