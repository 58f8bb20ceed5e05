// Package rotate turns vectors so that no channel stands out: the randomised Hadamard transform
// and Haar-distributed rotations, each with its inverse, in float32 with a fixed order of
// operations, so that every machine gives the same bytes.
package rotate

import (
	"math"

	"kvgauge/internal/kern"
)

// A Hadamard rotates vectors of one length: signs first, then Sylvester's matrix divided by the
// root of its size (Ashkboos et al., QuaRot, section 3). A length that is no power of two is cut
// into blocks of its largest power-of-two divisor.
type Hadamard struct {
	block int

	// Factors of each channel, before the matrix of Forward and after that of Inverse, and of all
	// after that of Forward.
	sign, back []float32
	norm       float32
	norms      []float32 // norm, for every channel
	flips      []uint16  // -0 where sign is -1, else +0
	backPairs  []float32
}

// NewHadamard returns the rotation of vectors of dim channels with signs drawn from seed, or
// without signs if signed is false.
func NewHadamard(dim int, seed uint64, signed bool) Hadamard {
	f := make([]float32, 4*dim)
	h := Hadamard{block: dim & -dim, sign: f[:dim:dim], back: f[dim : 2*dim : 2*dim],
		backPairs: f[2*dim : 3*dim : 3*dim], norms: f[3*dim:], flips: make([]uint16, dim)}
	h.norm = float32(1 / math.Sqrt(float64(h.block)))
	state := seed
	for i := range dim {
		h.sign[i], h.back[i], h.norms[i] = 1, h.norm, h.norm
		if signed && splitmix(&state)>>63 != 0 {
			h.sign[i], h.back[i], h.flips[i] = -1, -h.norm, 0x8000
		}
	}
	for i := range dim &^ 15 {
		h.backPairs[i&^15|i&1<<3|i&15>>1] = h.back[i]
	}
	return h
}

// A Matrix is a rotation in the terms of kern: what it multiplies by, if the whole vector is one
// block. Its slices must not be changed.
type Matrix struct {
	Flips  []uint16  // -0 for channels that Forward negates before the matrix, else +0
	Factor float32   // of all channels after it
	Back   []float32 // factors after the matrix of Inverse, in the order of kern.WidenHadamard
}

// Matrix returns h in the terms of kern, for rows of one type, and false if it has more than one block.
func (h *Hadamard) Matrix(bf16 bool) (Matrix, bool) {
	m := Matrix{h.flips, h.norm, h.back}
	if bf16 {
		m.Back = h.backPairs
	}
	return m, h.block == len(h.sign)
}

// splitmix is the generator of Steele, Lea and Flood (2014); it is portable and has no state but
// its counter.
func splitmix(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Forward rotates v in place; len(v) is the dimension.
func (h Hadamard) Forward(v []float32) {
	if h.block == len(v) && kern.Hadamard(v, h.sign, h.norms) {
		return
	}
	for i, s := range h.sign {
		v[i] *= s
	}
	for at := 0; at < len(v); at += h.block {
		block := v[at : at+h.block]
		FWHT(block)
		for i := range block {
			block[i] *= h.norm
		}
	}
}

// Inverse undoes Forward up to rounding.
func (h Hadamard) Inverse(v []float32) {
	if h.block == len(v) && len(v) <= len(ones) && kern.Hadamard(v, ones[:len(v)], h.back) {
		return
	}
	for at := 0; at < len(v); at += h.block {
		block := v[at : at+h.block]
		FWHT(block)
		for i := range block {
			block[i] *= h.back[at+i]
		}
	}
}

// FWHT multiplies v, whose length is a power of two, by Sylvester's Hadamard matrix in place,
// without scaling: doing it twice multiplies by the length.
func FWHT(v []float32) {
	done := 1
	if n := min(len(v), 128); n >= 64 && kern.Vectors() {
		for at := 0; at < len(v); at += n {
			kern.Hadamard(v[at:at+n], ones[:n], ones[:n])
		}
		done = n
	}
	for width := done; width < len(v); width *= 2 {
		for at := 0; at < len(v); at += 2 * width {
			a, b := v[at:at+width], v[at+width:at+2*width]
			for i, x := range a {
				y := b[i]
				a[i], b[i] = x+y, x-y
			}
		}
	}
}

var ones [128]float32

func init() {
	for i := range ones {
		ones[i] = 1
	}
}
