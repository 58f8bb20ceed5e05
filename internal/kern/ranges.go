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
