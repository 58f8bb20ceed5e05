package quant

import (
	"encoding/binary"

	"kvgauge/internal/kern"
)

// IQ4NL is llama.cpp's IQ4_NL on many blocks; Search says whether as SearchIQ4NL writes it.
type IQ4NL struct{ Search bool }

// CompressFloats writes the blocks of x, whole ones, as CompressIQ4NL or SearchIQ4NL does. It returns
// false if a scale is beyond binary16.
func (f IQ4NL) CompressFloats(out []byte, x []float32) bool {
	var e eightIQ4NL
	for kern.Vectors() && len(x) >= 8*BlockSize {
		if !f.eight(&e, out[:8*IQ4NLBytes], x[:8*BlockSize]) {
			return false
		}
		out, x = out[8*IQ4NLBytes:], x[8*BlockSize:]
	}
	one := CompressIQ4NL
	if f.Search {
		one = SearchIQ4NL
	}
	for ; len(x) > 0; out, x = out[IQ4NLBytes:], x[BlockSize:] {
		if !one(out, (*[BlockSize]float32)(x)) {
			return false
		}
	}
	return true
}

// An eightIQ4NL is eight blocks on their way.
type eightIQ4NL struct {
	x     kern.Blocks8
	codes [8 * BlockSize]uint32
	tops  [8]float32
	d     [8]float32 // scales
	id    [8]float32 // factors
	sums  [16]float32
}

// eight is CompressFloats of eight blocks; e is room.
func (f IQ4NL) eight(e *eightIQ4NL, out []byte, x []float32) bool {
	e.x.Load(x, &e.tops)
	if f.Search {
		e.search()
	} else {
		e.fit()
	}
	kern.Nibbles(out[2:], IQ4NLBytes, &e.codes)
	for j, top := range e.tops {
		block := out[j*IQ4NLBytes : (j+1)*IQ4NLBytes]
		if max(top, -top) < 1e-15 {
			clear(block)
		} else if !scale16(block, e.d[j]) {
			return false
		}
	}
	return true
}

func (e *eightIQ4NL) fit() {
	for j, top := range e.tops {
		e.d[j] = top / levelsIQ4NL[0]
		e.id[j] = 1 / e.d[j]
	}
	e.x.FitIQ4NL(&e.codes, &e.sums, &e.id)
	for j := range e.d {
		if best := e.sums[j] / e.sums[8+j]; finite(best) {
			e.d[j] = best
		}
	}
}

func (e *eightIQ4NL) search() {
	const tries = 7
	var gain [8]float32
	for j, top := range e.tops {
		e.id[j] = levelsIQ4NL[0] / -top
	}
	e.x.FitIQ4NL(&e.codes, &e.sums, &e.id)
	for j := range e.d {
		e.d[j] = e.sums[j] / e.sums[8+j]
		gain[j] = e.d[j] * e.sums[j]
	}
	for try := -tries; try <= tries; try++ {
		for j, top := range e.tops {
			e.id[j] = (float32(try) + levelsIQ4NL[0]) / top
		}
		e.x.FitIQ4NL(&e.codes, &e.sums, &e.id)
		for j := range e.d {
			d := e.sums[j] / e.sums[8+j]
			if g := d * e.sums[j]; g > gain[j] {
				e.d[j], gain[j] = d, g
			}
		}
	}
	for j, d := range e.d {
		if !finite(d) || d == 0 {
			e.d[j] = e.tops[j] / levelsIQ4NL[0]
		}
		e.id[j] = 1 / e.d[j]
	}
	e.x.FitIQ4NL(&e.codes, &e.sums, &e.id)
}

// DecompressFloats sets x from its blocks. It returns false if a scale is not finite.
func (f IQ4NL) DecompressFloats(x []float32, in []byte) bool {
	for ; len(x) > 0; in, x = in[IQ4NLBytes:], x[BlockSize:] {
		if !DecompressIQ4NL((*[BlockSize]float32)(x), in) {
			return false
		}
	}
	return true
}

// DecompressIQ4NL sets x from a block. It returns false if the scale is not finite.
func DecompressIQ4NL(x *[BlockSize]float32, in []byte) bool {
	d := kern.F16ToF32(binary.LittleEndian.Uint16(in))
	var codes [BlockSize]byte
	Q4_0.get(&codes, in[2:])
	var table [16]float32
	for i, level := range levelsIQ4NL {
		table[i] = d * level
	}
	kern.Values(x[:], codes[:], len(table), &table)
	return finite(d)
}
