// Package kern holds the loops that everything else is built on: conversions between 16-bit and
// 32-bit floats, and the other kernels of the hot paths. Each has a pure-Go reference; a faster
// form, where there is one, gives the same bytes.
package kern

import "math"

// F16ToF32 widens an IEEE binary16 pattern. It is exact; NaN payloads are kept.
func F16ToF32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h & 0x3ff)
	switch exp {
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case 0:
		// A subnormal is frac × 2^-24, which float32 holds exactly.
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// F32ToF16 rounds to the nearest binary16, ties to even. Values beyond 65504 become infinite, as
// IEEE 754 has it: a caller for whom that is an error checks before. NaNs stay NaNs.
func F32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN: keep the top of the payload and make it quiet
		return sign | 0x7e00 | uint16(b>>13)&0x3ff
	case b >= 0x477ff000: // 65520 and up round to infinity
		return sign | 0x7c00
	case b < 0x38800000: // below 2^-14: a subnormal, rounded by adding 2^-1's ulp of 2^-24
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
	b += 0xc8000fff + (b>>13)&1
	return sign | uint16(b>>13)
}

// BF16ToF32 widens a bfloat16 pattern; it is exact.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F32ToBF16 rounds to the nearest bfloat16, ties to even. NaNs stay NaNs.
func F32ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + (b>>16)&1) >> 16)
}

// WidenF16 sets dst[i] to the value of src[i]; the slices have equal length.
func WidenF16(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	n := 0
	if level >= AVX2 && len(src) >= 8 {
		n = len(src) &^ 7
		widenF16AVX2(&dst[0], &src[0], n)
	}
	for i := n; i < len(src); i++ {
		dst[i] = F16ToF32(src[i])
	}
}

// NarrowF16 sets dst[i] to src[i] rounded to binary16; the slices have equal length.
func NarrowF16(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	n := 0
	if level >= AVX2 && len(src) >= 8 {
		n = len(src) &^ 7
		narrowF16AVX2(&dst[0], &src[0], n)
	}
	for i := n; i < len(src); i++ {
		dst[i] = F32ToF16(src[i])
	}
}

// WidenBF16 sets dst[i] to the value of src[i]; the slices have equal length.
func WidenBF16(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	n := 0
	if level >= AVX2 && len(src) >= 8 {
		n = len(src) &^ 7
		widenBF16AVX2(&dst[0], &src[0], n)
	}
	for i := n; i < len(src); i++ {
		dst[i] = BF16ToF32(src[i])
	}
}

// NarrowBF16 sets dst[i] to src[i] rounded to bfloat16; the slices have equal length.
func NarrowBF16(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, f := range src {
		dst[i] = F32ToBF16(f)
	}
}
