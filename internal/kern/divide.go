package kern

import "math"

// DivideCodes sets dst[i] to the low byte of (src[i]-sub)/div+add, cut to [lo, hi], which are whole
// and within ±2^21, and rounded to even: what numpy's codecs store. A NaN becomes 0. Every step is
// rounded to float32; the slices have equal length.
func DivideCodes(dst []byte, src []float32, sub, div, add, lo, hi float32) {
	dst = dst[:len(src)]
	n := 0
	if level >= AVX2 && len(src) >= 16 {
		n = len(src) &^ 15
		divideCodesAVX2(&dst[0], &src[0], n, sub, div, add, lo, hi)
	}
	for i := n; i < len(src); i++ {
		dst[i] = CutCode((src[i]-sub)/div+add, lo, hi)
	}
}

// CutCode is DivideCodes of one quotient. Adding 1.5·2^23 rounds to even and leaves the code in the
// low byte.
func CutCode(x, lo, hi float32) byte {
	switch {
	case x >= hi:
		x = hi
	case x > lo:
	case x != x:
		return 0
	default:
		x = lo
	}
	return byte(math.Float32bits(x + 0x1.8p23))
}

// RestoreCodes sets dst[i] to ((codes[i]^flip)-sub)·mul+add, each step rounded to float32. With an
// add of -0 the product stays as it is. The slices have equal length.
func RestoreCodes(dst []float32, codes []byte, flip byte, sub, mul, add float32) {
	codes = codes[:len(dst)]
	n := 0
	if level >= AVX2 && len(dst) >= 8 {
		n = len(dst) &^ 7
		restoreCodesAVX2(&dst[0], &codes[0], n, uint32(flip), sub, mul, add)
	}
	for i := n; i < len(dst); i++ {
		dst[i] = float32((float32(codes[i]^flip)-sub)*mul) + add
	}
}
