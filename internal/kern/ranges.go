package kern

import "math"

// Range returns the smallest and the largest of some numbers; -0 is below 0, and NaNs are beyond the
// infinities.
func Range(v []float32) (lo, hi float32) {
	least, most := int32(math.MaxInt32), int32(math.MinInt32)
	if n := len(v) &^ 15; n > 0 && level >= AVX2 {
		rangesAVX2(&lo, &hi, &v[0], n, 1)
		least, most = floatKey(lo), floatKey(hi)
		v = v[n:]
	}
	for _, x := range v {
		k := floatKey(x)
		least, most = min(least, k), max(most, k)
	}
	return keyFloat(least), keyFloat(most)
}

// Ranges sets lo and hi to the Range of each row of v, of dim numbers.
func Ranges(lo, hi, v []float32, dim int) {
	hi = hi[:len(lo)]
	if len(lo) > 0 && dim > 0 && dim%16 == 0 && level >= AVX2 {
		rangesAVX2(&lo[0], &hi[0], &v[:len(lo)*dim][0], dim, len(lo))
		return
	}
	for r := range lo {
		lo[r], hi[r] = Range(v[r*dim : (r+1)*dim])
	}
}

// floatKey returns an integer that orders as the number does.
func floatKey(x float32) int32 {
	k := int32(math.Float32bits(x))
	return k ^ k>>31&math.MaxInt32
}

func keyFloat(k int32) float32 { return math.Float32frombits(uint32(k ^ k>>31&math.MaxInt32)) }

// ZeroPointCodes sets dst to v times inv plus zero, each step rounded, then rounded half away from
// zero and cut to 0 and 15; the slices have equal length.
func ZeroPointCodes(dst []byte, v []float32, inv, zero float32) {
	dst = dst[:len(v)]
	n := 0
	if level >= AVX2 && len(v) >= 32 {
		n = len(v) &^ 31
		zeroPointCodesAVX2(&dst[0], &v[0], n, inv, zero)
	}
	for i, x := range v[n:] {
		dst[n+i] = Nibble(float32(x*inv) + zero)
	}
}

// Nibble rounds x half away from zero and cuts it to 0 and 15; it makes 0 of NaN.
func Nibble(x float32) byte {
	if !(x >= 0.5) {
		return 0
	}
	if x >= 14.5 {
		return 15
	}
	return byte(x + 0.5)
}

// Clamp cuts the numbers of v to magnitudes up to limit; NaN stays.
func Clamp(v []float32, limit float32) {
	n := 0
	if level >= AVX2 && len(v) >= 8 {
		n = len(v) &^ 7
		clampAVX2(&v[0], n, limit)
	}
	for i, x := range v[n:] {
		v[n+i] = min(max(x, -limit), limit)
	}
}

// RoundCodes sets codes to (v − low)·inv, every step rounded, to nearest even, and cut to 0 and top, up
// to 255. No product may be NaN. The slices have equal length.
func RoundCodes(codes []byte, v []float32, low, inv, top float32) {
	codes = codes[:len(v)]
	n := 0
	if level >= AVX2 && len(v) >= 32 {
		n = len(v) &^ 31
		roundCodesAVX2(&codes[0], &v[0], n, low, inv, top)
	}
	for i, x := range v[n:] {
		q := min(max(float32((x-low)*inv), 0), top)
		codes[n+i] = byte(int32(math.Float32bits(q+0x1.8p23)) - roundingBits)
	}
}

// AffineValues sets v to codes times scale plus low, each step rounded; the slices have equal length.
func AffineValues(v []float32, codes []byte, scale, low float32) {
	v = v[:len(codes)]
	n := 0
	if level >= AVX2 && len(v) >= 8 {
		n = len(v) &^ 7
		affineValuesAVX2(&v[0], &codes[0], n, scale, low)
	}
	for i, c := range codes[n:] {
		v[n+i] = float32(float32(c)*scale) + low
	}
}

// Transpose sets dst, of cols rows, to src, of so many rows and columns. They do not overlap.
func Transpose(dst, src []float32, rows, cols int) {
	dst, src = dst[:rows*cols], src[:rows*cols]
	wide, at := cols&^7, 0
	if level >= AVX2 && wide > 0 {
		for ; at+16 <= rows; at += 16 {
			transposeAVX2(&dst[at], &src[at*cols], 4*rows, 4*cols, wide/8)
		}
	}
	transposeGeneric(dst, src, rows, cols, 0, at, wide)
	transposeGeneric(dst, src, rows, cols, at, rows, 0)
}

// transposeGeneric is Transpose of some rows, from a column on, a few rows at a time.
func transposeGeneric(dst, src []float32, rows, cols, from, to, column int) {
	const tile = 16
	for at := from; at < to; at += tile {
		end := min(to, at+tile)
		for c := column; c < cols; c++ {
			for i := at; i < end; i++ {
				dst[c*rows+i] = src[i*cols+c]
			}
		}
	}
}

// Largest returns the k-th largest magnitude of v, of at least k numbers, that of NaN being the largest; k is
// at least 1.
func Largest(v []float32, k int) float32 {
	if level >= AVX2 && len(v) > 0 && len(v)%8 == 0 {
		return largestAVX2(&v[0], len(v), k)
	}
	more := func(limit int64) (n int) {
		for _, x := range v {
			if int64(math.Float32bits(x)&math.MaxInt32) > limit {
				n++
			}
		}
		return n
	}
	lo, hi := int64(-1), int64(math.MaxInt32) // more than hi there are fewer than k, more than lo there are k
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; more(mid) < k {
			hi = mid
		} else {
			lo = mid
		}
	}
	return math.Float32frombits(uint32(hi))
}
