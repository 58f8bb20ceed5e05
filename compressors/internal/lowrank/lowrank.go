// Package lowrank finds the strongest singular directions of a small matrix with the same bytes
// on every machine: sums run in a fixed order, products are rounded before they are added.
//
// The method is classical (Golub and Van Loan, Matrix Computations, chapter 8): the Gram matrix of
// the shorter side, Householder reduction to tridiagonal form, eigenvalues by QL without square
// roots, and only the wanted eigenvectors, by inverse iteration.
package lowrank

import (
	"math"

	"kvgauge/internal/kern"
)

// A Workspace holds the scratch of Top, so that repeated calls do not allocate. The zero value is
// ready; a Workspace serves one call at a time.
type Workspace struct {
	gram       []float64 // n rows, stride apart; then the Householder vectors in its rows
	stride     int       // n, or the next multiple of 8
	diag, off  []float64 // the tridiagonal matrix
	beta       []float64 // Householder factors
	values     []float64
	vectors    []float64 // r×n eigenvectors of the tridiagonal matrix
	basis      []float64 // n×r eigenvectors of the Gram matrix, in rows of a multiple of 8
	work       []float64
	rows       []float64 // the matrix as float64
	transposed []float64
	wide       []float64 // the matrix times the basis, in rows of a multiple of 8
	order      []int
}

// grow returns n elements in the memory of s; they are not cleared.
func grow(s []float64, n int) []float64 {
	if cap(s) < n {
		return make([]float64, n)
	}
	return s[:n]
}

// up rounds n up to a multiple of 8.
func up(n int) int { return (n + 7) &^ 7 }

// Top computes the rank-r truncated singular value decomposition of x, an s×d matrix by rows with
// finite values: us (s×r) gets the left vectors times the singular values, vt (r×d) the right
// vectors, both by rows and strongest first. r is at most min(s, d).
func (w *Workspace) Top(x []float32, s, d, r int, us, vt []float64) {
	w.rows = grow(w.rows, s*d)
	for i, v := range x {
		w.rows[i] = float64(v)
	}
	if d <= s {
		w.eigen(w.rows, s, d, r)
		for j := range d {
			for k, v := range w.basis[j*up(r) : j*up(r)+r] {
				vt[k*d+j] = v
			}
		}
		w.project(us, s, d, r)
		return
	}
	w.transposed = grow(w.transposed, s*d)
	for i := range s {
		for j := range d {
			w.transposed[j*s+i] = w.rows[i*d+j]
		}
	}
	w.eigen(w.transposed, d, s, r)
	// The eigenvectors are the left ones here: v = Xᵀu/σ, and U·σ.
	kern.Mul64(vt, d, w.basis, 1, up(r), w.rows, d, r, d, s)
	for k := range r {
		v := vt[k*d : (k+1)*d]
		sigma := norm(v)
		scale(v, sigma)
		for i := range s {
			us[i*r+k] = w.basis[i*up(r)+k] * sigma
		}
	}
}

// project sets us to w.rows, s×d, times the basis. The kernel takes eight columns at a time, which the
// basis has.
func (w *Workspace) project(us []float64, s, d, r int) {
	wide := up(r)
	if wide == r {
		kern.Mul64(us, r, w.rows, d, 1, w.basis, r, s, r, d)
		return
	}
	w.wide = grow(w.wide, s*wide)
	kern.Mul64(w.wide, wide, w.rows, d, 1, w.basis, wide, s, wide, d)
	for i := range s {
		copy(us[i*r:(i+1)*r], w.wide[i*wide:])
	}
}

// eigen finds the r largest eigenvalues and their vectors of xᵀx, x of m rows and n columns. The
// vectors are left in the columns of w.basis, strongest first.
func (w *Workspace) eigen(x []float64, m, n, r int) {
	w.gramOf(x, m, n)
	w.tridiagonal(n)
	w.values = append(w.values[:0], w.diag...)
	w.work = grow(w.work, max(5*n, 2*up(r)))
	squares := w.work[:n]
	for i, e := range w.off {
		squares[i] = e * e
	}
	rootFreeQL(w.values, squares)
	sortDescending(w.values)
	w.vectors = grow(w.vectors, r*n)
	first := 0 // of the vectors whose values are close to each other
	for k := range r {
		if k > 0 && w.values[k-1]-w.values[k] > closeness*w.values[0] {
			first = k
		}
		w.inverseIteration(first, k, n)
	}
	w.backTransform(n, r)
}

// gramOf sets w.gram to xᵀx; entry (i, j) sums over the rows of x in order. What is above the
// diagonal is mirrored.
func (w *Workspace) gramOf(x []float64, m, n int) {
	w.stride = up(n)
	w.gram = grow(w.gram, n*w.stride)
	for i := 0; i < n; i += 8 {
		kern.Mul64(w.gram[i*w.stride+i:], w.stride, x[i:], 1, n, x[i:], n, min(8, n-i), n-i, m)
	}
	for i := range n {
		for j := range i {
			w.gram[i*w.stride+j] = w.gram[j*w.stride+i]
		}
		clear(w.gram[i*w.stride+n : (i+1)*w.stride])
	}
}

// tridiagonal reduces w.gram by Householder reflections I − β v vᵀ, whose v stay in its rows
// from the diagonal's right neighbour on.
//
// A reflection changes the block behind it in the same pass in which the product of that block
// with the next v is formed. Columns come eight at a time, so that some before the block take part:
// they hold nothing that is read again.
func (w *Workspace) tridiagonal(n int) {
	ld := w.stride
	w.diag, w.off, w.beta = grow(w.diag, n), grow(w.off, n), grow(w.beta, n)
	w.work = grow(w.work, 3*ld)
	clear(w.work)
	v, p, next := w.work[:ld], w.work[ld:2*ld], w.work[2*ld:3*ld] // of the reflection before
	for k := range n {
		row := w.gram[k*ld : (k+1)*ld]
		a, b := v[k], p[k]
		for j := k; j < n; j++ {
			row[j] -= float64(a * p[j])
			row[j] -= float64(b * v[j])
		}
		w.diag[k] = row[k]
		if k == n-1 {
			break
		}
		w.off[k], w.beta[k] = householder(row[k+1 : n])
		from := (k + 1) &^ 7
		clear(next[from:])
		kern.Reflect64(w.gram[(k+1)*ld+from:], ld, v[k+1:n], p[k+1:n], row[k+1:n], p[from:], v[from:],
			next[from:])
		v = row
		p, next = next, p
		product(p[k+1:n], v[k+1:n], w.beta[k])
	}
	w.off[n-1] = 0
}

// householder replaces v by the vector of the reflection that turns it onto the first axis, and
// returns what it becomes there and the reflection's factor: 0 if it is there already.
func householder(v []float64) (alpha, beta float64) {
	alpha = norm(v)
	if alpha == 0 || len(v) == 1 {
		return v[0], 0
	}
	if v[0] > 0 {
		alpha = -alpha
	}
	v[0] -= alpha
	return alpha, 2 / dot(v, v)
}

// product turns p, a block times v, into what the reflection of both sides of the block subtracts:
// v pᵀ + p vᵀ.
func product(p, v []float64, beta float64) {
	for i := range p {
		p[i] *= beta
	}
	kern.Axpy64(p, v, -float64(beta*dot(p, v))/2)
}

// backTransform turns r eigenvectors of the tridiagonal matrix into those of the Gram matrix. Each
// reflection is applied in the pass that forms the product with the next.
func (w *Workspace) backTransform(n, r int) {
	wide, ld := up(r), w.stride
	w.basis = grow(w.basis, n*wide)
	for i := range n {
		row := w.basis[i*wide : (i+1)*wide]
		for k := range r {
			row[k] = w.vectors[k*n+i]
		}
		clear(row[r:])
	}
	w.work = grow(w.work, max(5*n, 2*wide))
	z, next := w.work[:wide], w.work[wide:2*wide]
	clear(z)
	for k := n - 2; k >= -1; k-- {
		var before []float64 // the vector of the reflection that is due, from row k+2 on
		if k+2 < n {
			before = w.gram[(k+1)*ld+k+2 : (k+1)*ld+n]
		}
		if k < 0 { // none is left
			kern.Apply64(w.basis[wide:], wide, before, before, z, next)
			return
		}
		v := w.gram[k*ld+k+1 : k*ld+n]
		clear(next)
		kern.Axpy64(next, w.basis[(k+1)*wide:(k+2)*wide], v[0])
		kern.Apply64(w.basis[(k+2)*wide:], wide, before, v[1:], z, next)
		for i := range next {
			next[i] *= w.beta[k]
		}
		z, next = next, z
	}
}

func dot(a, b []float64) float64 {
	var s [4]float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s[0] += float64(a[i] * b[i])
		s[1] += float64(a[i+1] * b[i+1])
		s[2] += float64(a[i+2] * b[i+2])
		s[3] += float64(a[i+3] * b[i+3])
	}
	for ; i < len(a); i++ {
		s[0] += float64(a[i] * b[i])
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

func norm(a []float64) float64 { return math.Sqrt(dot(a, a)) }

// scale divides v by n unless n is zero.
func scale(v []float64, n float64) {
	if n == 0 {
		return
	}
	for i := range v {
		v[i] /= n
	}
}
