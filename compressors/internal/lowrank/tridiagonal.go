package lowrank

import (
	"math"
	"slices"

	"kvgauge/internal/kern"
)

// maxSweeps bounds the QL iterations of one eigenvalue; two are usual.
const maxSweeps = 60

// implicitQL replaces d, the diagonal of a symmetric tridiagonal matrix, by its eigenvalues in no
// order; e holds the off-diagonal, e[i] between i and i+1, and is destroyed.
func implicitQL(d, e []float64) {
	n := len(d)
	for l := range n {
		for range maxSweeps {
			m := l
			for ; m < n-1; m++ {
				scale := math.Abs(d[m]) + math.Abs(d[m+1])
				if math.Abs(e[m])+scale == scale {
					break
				}
			}
			if m == l {
				break
			}
			sweep(d, e, l, m)
		}
	}
}

// sweep is one implicit QL step with Wilkinson's shift on the block l…m.
func sweep(d, e []float64, l, m int) {
	g := (d[l+1] - d[l]) / (2 * e[l])
	r := math.Sqrt(float64(g*g) + 1)
	if g < 0 {
		r = -r
	}
	g = d[m] - d[l] + e[l]/(g+r)
	s, c, p := 1.0, 1.0, 0.0
	for i := m - 1; i >= l; i-- {
		f, b := float64(s*e[i]), float64(c*e[i])
		r = math.Sqrt(float64(f*f) + float64(g*g))
		e[i+1] = r
		if r == 0 {
			d[i+1] -= p
			e[m] = 0
			return
		}
		s, c = f/r, g/r
		g = d[i+1] - p
		r = float64((d[i]-g)*s) + float64(2*float64(c*b))
		p = float64(s * r) // fused with the sum below otherwise
		d[i+1] = g + p
		g = float64(c*r) - b
	}
	d[l] -= p
	e[l] = g
	e[m] = 0
}

func sortDescending(v []float64) {
	slices.Sort(v)
	slices.Reverse(v)
}

// inverseIteration finds the eigenvector of the tridiagonal matrix for w.values[k], orthogonal to
// the vectors before it.
func (w *Workspace) inverseIteration(k, n int) {
	y := w.vectors[k*n : (k+1)*n]
	size := math.Abs(w.values[0])
	// A tiny shift per vector keeps equal eigenvalues from giving equal factors.
	shift := w.values[k] + float64(float64(k)*size*0x1p-50)
	tiny := max(size*0x1p-52, math.SmallestNonzeroFloat64*0x1p60)
	// A start that is no eigenvector of anything likely: it alternates and grows.
	for i := range y {
		y[i] = 1 + float64((i*7+k*13)%11)/16
		if (i*5+k)%3 == 0 {
			y[i] = -y[i]
		}
	}
	w.orthogonalise(y, k, n)
	scale(y, norm(y))
	w.factor(shift, tiny, n)
	for range 3 {
		w.solve(y, n)
		scale(y, largest(y))
		w.orthogonalise(y, k, n)
		scale(y, norm(y))
	}
}

func largest(v []float64) float64 {
	m := 0.0
	for _, x := range v {
		m = max(m, math.Abs(x))
	}
	return m
}

// orthogonalise removes from y its part along the vectors before k, twice for accuracy.
func (w *Workspace) orthogonalise(y []float64, k, n int) {
	for range 2 {
		for j := range k {
			v := w.vectors[j*n : (j+1)*n]
			kern.Axpy64(y, v, -dot(v, y))
		}
	}
}

// factor computes the LU factors with row exchanges of T − shift·I: upper bands u0, u1, u2,
// multipliers and exchanges, in the five parts of w.work.
func (w *Workspace) factor(shift, tiny float64, n int) {
	u0, u1, u2 := w.work[:n], w.work[n:2*n], w.work[2*n:3*n]
	mult, swap := w.work[3*n:4*n], w.work[4*n:5*n]
	clear(u2)
	a, b := w.diag[0]-shift, 0.0
	if n > 1 {
		b = w.off[0]
	}
	for i := 0; i < n-1; i++ {
		below, next, after := w.off[i], w.diag[i+1]-shift, 0.0
		if i+2 < n {
			after = w.off[i+1]
		}
		if math.Abs(a) >= math.Abs(below) {
			if math.Abs(a) < tiny {
				a = tiny
			}
			f := below / a
			u0[i], u1[i], u2[i], mult[i], swap[i] = a, b, 0, f, 0
			a, b = next-float64(f*b), after
		} else {
			f := a / below
			u0[i], u1[i], u2[i], mult[i], swap[i] = below, next, after, f, 1
			a, b = b-float64(f*next), -float64(f*after)
		}
	}
	if math.Abs(a) < tiny {
		a = tiny
	}
	u0[n-1], u1[n-1] = a, 0
}

// solve replaces y by the solution of the factored system.
func (w *Workspace) solve(y []float64, n int) {
	u0, u1, u2 := w.work[:n], w.work[n:2*n], w.work[2*n:3*n]
	mult, swap := w.work[3*n:4*n], w.work[4*n:5*n]
	for i := 0; i < n-1; i++ {
		if swap[i] != 0 {
			y[i], y[i+1] = y[i+1], y[i]
		}
		y[i+1] -= float64(mult[i] * y[i])
	}
	for i := n - 1; i >= 0; i-- {
		t := y[i]
		if i+1 < n {
			t -= float64(u1[i] * y[i+1])
		}
		if i+2 < n {
			t -= float64(u2[i] * y[i+2])
		}
		y[i] = t / u0[i]
		if math.Abs(y[i]) > 0x1p500 { // a nearly singular system grows: keep it in range
			scale(y, 0x1p500)
		}
	}
}
