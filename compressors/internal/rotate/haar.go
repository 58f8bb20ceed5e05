package rotate

import (
	"math"

	"kvgauge/internal/kern"
	"kvgauge/internal/nprand"
)

// A Haar is an orthogonal matrix drawn uniformly (Haar measure): the factor of a Gaussian matrix
// by Gram and Schmidt, whose diagonal is positive, so that no sign needs mending (Stewart, 1980).
type Haar struct {
	dim  int
	rows []float32 // row i is what coordinate i of the result is taken along
	cols []float32 // the transpose
}

// NewHaar draws the rotation of vectors of dim channels from seed.
func NewHaar(dim int, seed uint64) *Haar {
	rng := nprand.Stream(seed, "haar rotation")
	m := make([]float64, dim*dim)
	rng.FillNormal(m)
	for i := range dim {
		row := m[i*dim : (i+1)*dim]
		for range 2 { // twice is enough (Giraud et al., 2005)
			for j := range i {
				before := m[j*dim : (j+1)*dim]
				p := dot(row, before)
				for k := range row {
					row[k] -= float64(p * before[k])
				}
			}
		}
		n := math.Sqrt(dot(row, row))
		for k := range row {
			row[k] /= n
		}
	}
	h := &Haar{dim, make([]float32, dim*dim), make([]float32, dim*dim)}
	for i := range dim {
		for k := range dim {
			h.rows[i*dim+k] = float32(m[i*dim+k])
			h.cols[k*dim+i] = float32(m[i*dim+k])
		}
	}
	return h
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += float64(a[i] * b[i])
	}
	return s
}

// Forward sets dst to the rotated src; both have dim channels and do not overlap.
func (h *Haar) Forward(dst, src []float32) { apply(dst, h.cols, src) }

// Inverse sets dst to src rotated back.
func (h *Haar) Inverse(dst, src []float32) { apply(dst, h.rows, src) }

// apply sets dst to the sum over k, in order, of src[k] times row k of m.
func apply(dst, m, src []float32) {
	clear(dst)
	n := len(dst)
	k := 0
	for ; k+4 <= len(src); k += 4 {
		kern.Axpy4x32(dst, m[k*n:(k+4)*n], (*[4]float32)(src[k:]))
	}
	for ; k < len(src); k++ {
		for i, x := range m[k*n : (k+1)*n] {
			dst[i] += float32(src[k] * x)
		}
	}
}
