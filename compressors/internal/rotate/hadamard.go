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
}

// NewHadamard returns the rotation of vectors of dim channels with signs drawn from seed, or
// without signs if signed is false.
func NewHadamard(dim int, seed uint64, signed bool) Hadamard {
	f := make([]float32, 3*dim)
	h := Hadamard{block: dim & -dim, sign: f[:dim:dim], back: f[dim : 2*dim : 2*dim], norms: f[2*dim:],
		flips: make([]uint16, dim)}
	h.norm = float32(1 / math.Sqrt(float64(h.block)))
	state := seed
	for i := range dim {
		h.sign[i], h.back[i], h.norms[i] = 1, h.norm, h.norm
		if signed && splitmix(&state)>>63 != 0 {
			h.sign[i], h.back[i], h.flips[i] = -1, -h.norm, 0x8000
		}
	}
	return h
}

// A Matrix is a rotation in the terms of kern: what it multiplies by. Its slices must not be changed.
type Matrix struct {
	Block  int       // channels that are transformed together
	Flips  []uint16  // -0 for channels that Forward negates before the matrix, else +0
	Factor float32   // of all channels after it
	Back   []float32 // factors after the matrix of Inverse
}

// Matrix returns h in the terms of kern.
func (h *Hadamard) Matrix() Matrix { return Matrix{h.block, h.flips, h.norm, h.back} }

// splitmix is the generator of Steele, Lea and Flood (2014); it is portable and has no state but
// its counter.
func splitmix(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Forward rotates v in place: whole vectors, one after the other.
func (h Hadamard) Forward(v []float32) {
	dim := len(h.sign)
	if h.block == dim && kern.Hadamard(v, h.sign, h.norms) {
		return
	}
	for from := 0; from < len(v); from += dim {
		row := v[from : from+dim]
		for i, s := range h.sign {
			row[i] *= s
		}
		for at := 0; at < dim; at += h.block {
			block := row[at : at+h.block]
			FWHT(block)
			for i := range block {
				block[i] *= h.norm
			}
		}
	}
}

// Inverse undoes Forward up to rounding.
func (h Hadamard) Inverse(v []float32) {
	dim := len(h.sign)
	if h.block == dim && dim <= len(ones) && kern.Hadamard(v, ones[:dim], h.back) {
		return
	}
	for from := 0; from < len(v); from += dim {
		row := v[from : from+dim]
		for at := 0; at < dim; at += h.block {
			block := row[at : at+h.block]
			FWHT(block)
			for i := range block {
				block[i] *= h.back[at+i]
			}
		}
	}
}

// InverseCodes is Inverse of codes[i]·scale + least, rounded otherwise: the matrix is applied to the
// codes, which is exact, and scale after it. What is added to all channels of a block comes back in
// the first.
func (h Hadamard) InverseCodes(v []float32, codes []byte, scale, least float32) {
	for i, c := range codes {
		v[i] = float32(c)
	}
	least = float32(least * float32(h.block))
	for at := 0; at < len(v); at += h.block {
		block := v[at : at+h.block]
		FWHT(block)
		for i := range block {
			block[i] = float32(block[i] * scale)
		}
		block[0] += least
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
