package llama

import (
	"math"
	"sync"
)

// A Rope rotates queries and keys by their positions (Su et al., "RoFormer: Enhanced Transformer
// with Rotary Position Embedding", section 3.4): pair j of a head of dim channels turns by
// position·θ^(−2j/dim). Half-split pairs are (j, j+dim/2), as Hugging Face stores them;
// interleaved pairs are (2j, 2j+1), as the paper and GGUF do.
//
// The tables are computed in float64 by means that round the same way on every machine, and then
// rounded to float32; package math's sine and cosine are not used, since they differ.
type Rope struct {
	Interleaved bool // pairs (2j, 2j+1); set before the first use

	half  int
	freqs []float64

	mu  sync.RWMutex
	cos []float32 // [position][half]
	sin []float32
}

// NewRope returns the rotation with base theta > 1 of heads of dim channels, an even number.
func NewRope(theta float64, dim int) *Rope {
	r := &Rope{half: dim / 2}
	step := 1 / root(theta, r.half)
	for f := 1.0; len(r.freqs) < r.half; f *= step {
		r.freqs = append(r.freqs, f)
	}
	return r
}

// root returns the n-th root of a > 1 by Newton's method from above, where it falls steadily
// until rounding stops it.
func root(a float64, n int) float64 {
	x := 1 + (a-1)/float64(n) // (1+y)ⁿ ≥ 1+ny
	for {
		power := 1.0
		for range n - 1 {
			power *= x
		}
		next := x - (float64(power*x)-a)/(float64(n)*power)
		if !(next < x) {
			return x
		}
		x = next
	}
}

// table returns cosines and sines for positions below n, [position][half].
func (r *Rope) table(n int) (cos, sin []float32) {
	r.mu.RLock()
	cos, sin = r.cos, r.sin
	r.mu.RUnlock()
	if len(cos) >= n*r.half {
		return cos, sin
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := len(r.cos) / max(1, r.half); p < n; p++ {
		for _, f := range r.freqs {
			s, c := sincos(float64(p) * f)
			r.cos = append(r.cos, float32(c))
			r.sin = append(r.sin, float32(s))
		}
	}
	return r.cos, r.sin
}

// Rotate turns rows of heads in place: x holds one row of dim channels for each of positions.
// inverse undoes it, up to rounding: that gives back keys as they were before.
func (r *Rope) Rotate(x []float32, positions []int32, inverse bool) {
	most := int32(-1)
	for _, p := range positions {
		most = max(most, p)
	}
	cos, sin := r.table(int(most) + 1)
	for i, p := range positions {
		r.turn(x[i*2*r.half:], cos[int(p)*r.half:], sin[int(p)*r.half:], inverse)
	}
}

// turn rotates one head.
func (r *Rope) turn(x, cos, sin []float32, inverse bool) {
	n := r.half
	cos, sin = cos[:n], sin[:n]
	if r.Interleaved {
		for j, c := range cos {
			u, v, s := x[2*j], x[2*j+1], sin[j]
			if inverse {
				s = -s
			}
			x[2*j] = float32(u*c) - float32(v*s)
			x[2*j+1] = float32(v*c) + float32(u*s)
		}
		return
	}
	a, b := x[:n], x[n:2*n]
	for j, u := range a {
		v, c, s := b[j], cos[j], sin[j]
		if inverse {
			s = -s
		}
		a[j] = float32(u*c) - float32(v*s)
		b[j] = float32(v*c) + float32(u*s)
	}
}

// π/2 in three parts of 33 bits, so that n times a part is exact for n < 2^20.
const (
	halfPi1 = 1.57079632673412561417e+00
	halfPi2 = 6.07710050630396597660e-11
	halfPi3 = 2.02226624871116645580e-21
)

// sincos returns sine and cosine with an error of about one unit in the last place for
// 0 ≤ x < 10^6, from their Taylor series around the nearest multiple of π/2.
func sincos(x float64) (sin, cos float64) {
	n := math.Floor(float64(x*(2/math.Pi)) + 0.5)
	r := x - float64(n*halfPi1)
	r -= float64(n * halfPi2)
	r -= float64(n * halfPi3)
	rr := r * r
	s, c := 0.0, 0.0
	for k := 17; k >= 3; k -= 2 { // r − r³/3! + …, from the last term
		s = float64((s+1)*-rr) / float64(k*(k-1))
		c = float64((c+1)*-rr) / float64((k-1)*(k-2))
	}
	s, c = r+float64(r*s), 1+c
	switch int64(n) & 3 {
	case 1:
		return c, -s
	case 2:
		return -s, -c
	case 3:
		return -c, s
	}
	return s, c
}
