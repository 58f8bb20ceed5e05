package kern

// The functions of this file are in float64. Sums run in a fixed order, and every product is
// rounded before it is added, so that every machine gives the same bytes.

// Mul64 sets dst[i*ldd+j] to Σ a[i*ai+l*ak]·b[l*ldb+j] over l < k in order, for i < rows and
// j < cols: the product with a as it lies, or with ai 1 of its transpose.
func Mul64(dst []float64, ldd int, a []float64, ai, ak int, b []float64, ldb, rows, cols, k int) {
	if rows == 0 || cols == 0 {
		return
	}
	i := 0
	if level >= AVX2 && cols >= 8 && k > 0 {
		whole := cols &^ 7
		for ; i+4 <= rows; i += 4 {
			_ = a[(i+3)*ai+(k-1)*ak]
			_, _ = b[(k-1)*ldb+whole-1], dst[(i+3)*ldd+whole-1]
			for j := 0; j < whole; j += 8 {
				tile4x8x64AVX2(&dst[i*ldd+j], ldd, &a[i*ai], ai, ak, &b[j], ldb, k)
			}
			mul64Generic(dst, ldd, a, ai, ak, b, ldb, i, i+4, whole, cols, k)
		}
	}
	mul64Generic(dst, ldd, a, ai, ak, b, ldb, i, rows, 0, cols, k)
}

// mul64Generic is Mul64 of rows [i0, i1) and columns [j0, j1).
func mul64Generic(dst []float64, ldd int, a []float64, ai, ak int, b []float64, ldb,
	i0, i1, j0, j1, k int) {
	if j0 == j1 {
		return
	}
	for i := i0; i < i1; i++ {
		out := dst[i*ldd+j0 : i*ldd+j1]
		clear(out)
		for l := range k {
			x := a[i*ai+l*ak]
			for j, y := range b[l*ldb+j0 : l*ldb+j1] {
				out[j] += float64(x * y)
			}
		}
	}
}

// Reflect64 sets row i of a, lda values apart, to a - rv[i]·p - rp[i]·v and adds rn[i] times that
// to acc, for all rows, as many as rv has, and columns, as many as p has: half of what a Householder
// reflection of a symmetric matrix does, and half of the next. The number of columns is a multiple
// of 8.
func Reflect64(a []float64, lda int, rv, rp, rn, p, v, acc []float64) {
	rows, cols := len(rv), len(p)
	rp, rn, v, acc = rp[:rows], rn[:rows], v[:cols], acc[:cols]
	if rows == 0 || cols == 0 {
		return
	}
	_ = a[(rows-1)*lda+cols-1]
	if level >= AVX2 && cols%8 == 0 {
		reflect64AVX2(&a[0], lda, rows, cols, &rv[0], &rp[0], &rn[0], &p[0], &v[0], &acc[0])
		return
	}
	for i := range rv {
		row := a[i*lda : i*lda+cols]
		for j, x := range row {
			x -= float64(rv[i] * p[j])
			x -= float64(rp[i] * v[j])
			row[j] = x
			acc[j] += float64(rn[i] * x)
		}
	}
}

// Apply64 sets row i of a, lda values apart, to a - rz[i]·z and adds rn[i] times that to acc, for all
// rows, as many as rz has, and columns, as many as z has: a multiple of 8.
func Apply64(a []float64, lda int, rz, rn, z, acc []float64) {
	rows, cols := len(rz), len(z)
	rn, acc = rn[:rows], acc[:cols]
	if rows == 0 || cols == 0 {
		return
	}
	_ = a[(rows-1)*lda+cols-1]
	if level >= AVX2 && cols%8 == 0 {
		apply64AVX2(&a[0], lda, rows, cols, &rz[0], &rn[0], &z[0], &acc[0])
		return
	}
	for i := range rz {
		row := a[i*lda : i*lda+cols]
		for j, x := range row {
			x -= float64(rz[i] * z[j])
			row[j] = x
			acc[j] += float64(rn[i] * x)
		}
	}
}

// ScaledSums adds x[r*stride+j]·scale[r] to sum[j] and its square to square[j], for each of the columns,
// as many as sum has, and every step-th row below len(scale), in order.
func ScaledSums(sum, square []float64, x []float32, scale []float64, step, stride int) {
	cols, rows := len(sum), len(scale)
	square = square[:cols]
	if cols == 0 || rows == 0 {
		return
	}
	_ = x[(rows-1)/step*step*stride+cols-1]
	whole := 0
	if level >= AVX2 && cols >= 8 {
		whole = cols &^ 7
		scaledSumsAVX2(&sum[0], &square[0], &x[0], &scale[0], step, step*stride, whole, rows)
	}
	for r := 0; r < rows && whole < cols; r += step {
		for j, v := range x[r*stride+whole : r*stride+cols] {
			y := float64(float64(v) * scale[r])
			sum[whole+j] += y
			square[whole+j] += float64(y * y)
		}
	}
}

// Turn64 sets a to c·a - s·b and b to s·a + c·b, which have equal length: a rotation in a plane.
func Turn64(a, b []float64, s, c float64) {
	b = b[:len(a)]
	n := 0
	if level >= AVX2 && len(a) >= 8 {
		n = len(a) &^ 7
		turn64AVX2(&a[0], &b[0], s, c, n)
	}
	for i := n; i < len(a); i++ {
		x, y := a[i], b[i]
		b[i] = float64(s*x) + float64(c*y)
		a[i] = float64(c*x) - float64(s*y)
	}
}
