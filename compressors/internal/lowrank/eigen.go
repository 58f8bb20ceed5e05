package lowrank

import (
	"cmp"
	"math"
	"slices"

	"kvgauge/internal/kern"
)

// AddGram adds xᵀx, for x of m rows and n columns, to gram, n×n by rows. Entry (i, j) sums over
// the rows of x in order.
func AddGram(gram, x []float64, m, n int) {
	var c [4]float64
	row := 0
	for ; row+4 <= m; row += 4 {
		block := x[row*n : (row+4)*n]
		for i := range n {
			c[0], c[1], c[2], c[3] = block[i], block[n+i], block[2*n+i], block[3*n+i]
			kern.Axpy4x64(gram[i*n:(i+1)*n], block, &c)
		}
	}
	for ; row < m; row++ {
		one := x[row*n : (row+1)*n]
		for i := range n {
			kern.Axpy64(gram[i*n:(i+1)*n], one, one[i])
		}
	}
}

// Symmetric finds all eigenvalues of a symmetric n×n matrix, largest first, and their vectors, by
// rows and orthonormal up to rounding. The results are the workspace's own until its next call.
// The method is Householder's reduction and implicit QL with the rotations applied to the vectors
// (Golub and Van Loan, section 8.3).
func (w *Workspace) Symmetric(a []float64, n int) (values, vectors []float64) {
	w.stride = up(n)
	w.gram = grow(w.gram, n*w.stride)
	for i := range n {
		row := w.gram[i*w.stride : (i+1)*w.stride]
		clear(row[copy(row, a[i*n:(i+1)*n]):])
	}
	w.tridiagonal(n)
	z := grow(w.rows, n*n)
	clear(z)
	for i := range n {
		z[i*n+i] = 1
	}
	d, e := w.diag, w.off
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
			sweepVectors(d, e, z, l, m)
		}
	}
	order := w.order[:0]
	for i := range n {
		order = append(order, i)
	}
	w.order = order
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(d[j], d[i]) })
	w.rows = z
	w.values, w.vectors = grow(w.values, n), grow(w.vectors, n*n)
	for k, from := range order {
		w.values[k] = d[from]
		copy(w.vectors[k*n:(k+1)*n], z[from*n:(from+1)*n])
	}
	w.backTransform(n, n)
	for k := range n {
		for i := range n {
			w.vectors[k*n+i] = w.basis[i*up(n)+k]
		}
	}
	return w.values, w.vectors
}

// sweepVectors is an implicit QL step with Wilkinson's shift on the block l…m, with each of its
// rotations applied to two rows of z.
func sweepVectors(d, e, z []float64, l, m int) {
	n := len(d)
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
		p = float64(s * r)
		d[i+1] = g + p
		g = float64(c*r) - b
		kern.Turn64(z[i*n:(i+1)*n], z[(i+1)*n:(i+2)*n], s, c)
	}
	d[l] -= p
	e[l] = g
	e[m] = 0
}
