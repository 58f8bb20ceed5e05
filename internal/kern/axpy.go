package kern

// Axpy64 adds a·x[i] to dst[i]; the product is rounded first, so that every machine gives the
// same bytes. The slices have equal length.
func Axpy64(dst, x []float64, a float64) {
	x = x[:len(dst)]
	n := 0
	if level >= AVX2 && len(dst) >= 4 {
		n = len(dst) &^ 3
		axpy64AVX2(&dst[0], &x[0], n, a)
	}
	for i := n; i < len(dst); i++ {
		dst[i] += float64(a * x[i])
	}
}

// Axpy4x64 adds a[j]·row j of rows to dst for j = 0 to 3, in that order, each product rounded
// before it is added. rows holds four rows of len(dst).
func Axpy4x64(dst, rows []float64, a *[4]float64) {
	n := len(dst)
	r0, r1, r2, r3 := rows[:n], rows[n:2*n], rows[2*n:3*n], rows[3*n:4*n]
	done := 0
	if level >= AVX2 && n >= 4 {
		done = n &^ 3
		axpy4x64AVX2(&dst[0], &rows[0], done, &a[0], uintptr(8*n))
	}
	for i := done; i < n; i++ {
		v := dst[i] + float64(a[0]*r0[i])
		v += float64(a[1] * r1[i])
		v += float64(a[2] * r2[i])
		dst[i] = v + float64(a[3]*r3[i])
	}
}

// Axpy4x32 is Axpy4x64 in float32.
func Axpy4x32(dst, rows []float32, a *[4]float32) {
	n := len(dst)
	r0, r1, r2, r3 := rows[:n], rows[n:2*n], rows[2*n:3*n], rows[3*n:4*n]
	done := 0
	if level >= AVX2 && n >= 8 {
		done = n &^ 7
		axpy4x32AVX2(&dst[0], &rows[0], done, &a[0], uintptr(4*n))
	}
	for i := done; i < n; i++ {
		v := dst[i] + float32(a[0]*r0[i])
		v += float32(a[1] * r1[i])
		v += float32(a[2] * r2[i])
		dst[i] = v + float32(a[3]*r3[i])
	}
}
