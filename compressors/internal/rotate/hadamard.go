// Package rotate turns vectors so that no channel stands out: the randomised Hadamard transform
// and Haar-distributed rotations, each with its inverse, in float32 with a fixed order of
// operations, so that every machine gives the same bytes.
package rotate

import "math"

// A Hadamard rotates vectors of one length: signs first, then Sylvester's matrix divided by the
// root of its size (Ashkboos et al., QuaRot, section 3). A length that is no power of two is cut
// into blocks of its largest power-of-two divisor.
type Hadamard struct {
	block int
	sign  []float32 // ±1 per channel; nil for none
	norm  float32
}

// NewHadamard returns the rotation of vectors of dim channels with signs drawn from seed, or
// without signs if signed is false.
func NewHadamard(dim int, seed uint64, signed bool) Hadamard {
	h := Hadamard{block: dim & -dim}
	h.norm = float32(1 / math.Sqrt(float64(h.block)))
	if signed {
		h.sign = make([]float32, dim)
		state := seed
		for i := range h.sign {
			h.sign[i] = 1
			if splitmix(&state)>>63 != 0 {
				h.sign[i] = -1
			}
		}
	}
	return h
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
	for i, s := range h.sign {
		v[i] *= s
	}
	h.blocks(v)
}

// Inverse undoes Forward up to rounding.
func (h Hadamard) Inverse(v []float32) {
	h.blocks(v)
	for i, s := range h.sign {
		v[i] *= s
	}
}

func (h Hadamard) blocks(v []float32) {
	for at := 0; at < len(v); at += h.block {
		block := v[at : at+h.block]
		FWHT(block)
		for i := range block {
			block[i] *= h.norm
		}
	}
}

// FWHT multiplies v, whose length is a power of two, by Sylvester's Hadamard matrix in place,
// without scaling: doing it twice multiplies by the length.
func FWHT(v []float32) {
	for width := 1; width < len(v); width *= 2 {
		for at := 0; at < len(v); at += 2 * width {
			a, b := v[at:at+width], v[at+width:at+2*width]
			for i, x := range a {
				y := b[i]
				a[i], b[i] = x+y, x-y
			}
		}
	}
}
