package rotate

import (
	"math"

	"kvgauge/internal/kern"
	"kvgauge/internal/nprand"
)

// A Haar is an orthogonal matrix drawn uniformly (Haar measure): the factor of a Gaussian matrix
// by Gram and Schmidt, whose diagonal is positive, so that no sign needs mending (Stewart, 1980).
type Haar struct {
	forward, inverse *kern.Turn // each the transpose of the other
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
	rows, cols := make([]float32, dim*dim), make([]float32, dim*dim)
	for i := range dim {
		for k := range dim {
			rows[i*dim+k] = float32(m[i*dim+k])
			cols[k*dim+i] = float32(m[i*dim+k])
		}
	}
	return &Haar{kern.NewTurn(dim, cols), kern.NewTurn(dim, rows)}
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += float64(a[i] * b[i])
	}
	return s
}

// Forward sets dst to the rotated src: whole vectors, as many in both, which do not overlap.
func (h *Haar) Forward(dst, src []float32) { h.forward.Apply(dst, src) }

// Inverse sets dst to src rotated back.
func (h *Haar) Inverse(dst, src []float32) { h.inverse.Apply(dst, src) }
