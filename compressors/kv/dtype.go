package kv

import (
	"fmt"
	"math"

	"kvgauge/internal/kern"
)

// A DType is the 16-bit format in which a cache is held.
type DType uint8

// The formats: IEEE binary16 and bfloat16.
const (
	F16 DType = iota
	BF16
)

// String returns "f16" or "bf16".
func (d DType) String() string { return [...]string{"f16", "bf16"}[d] }

// ParseDType reads "f16" or "bf16".
func ParseDType(s string) (DType, error) {
	switch s {
	case "f16":
		return F16, nil
	case "bf16":
		return BF16, nil
	}
	return 0, fmt.Errorf("dtype is %q, want bf16 or f16", s)
}

// Widen sets dst to the values of src, exactly.
func (d DType) Widen(dst []float32, src []uint16) {
	if d == BF16 {
		kern.WidenBF16(dst, src)
		return
	}
	kern.WidenF16(dst, src)
}

// Narrow sets dst to src rounded to nearest, ties to even; beyond the range it becomes infinite.
func (d DType) Narrow(dst []uint16, src []float32) {
	if d == BF16 {
		kern.NarrowBF16(dst, src)
		return
	}
	kern.NarrowF16(dst, src)
}

// Float returns the value of one pattern.
func (d DType) Float(bits uint16) float32 {
	if d == BF16 {
		return kern.BF16ToF32(bits)
	}
	return kern.F16ToF32(bits)
}

// Bits returns one value rounded to nearest, ties to even.
func (d DType) Bits(f float32) uint16 {
	if d == BF16 {
		return kern.F32ToBF16(f)
	}
	return kern.F32ToF16(f)
}

// Finite says whether a pattern is neither infinite nor NaN.
func (d DType) Finite(bits uint16) bool {
	mask := uint16(0x7c00)
	if d == BF16 {
		mask = 0x7f80
	}
	return bits&mask != mask
}

// FirstNonFinite returns the index of the first NaN or infinity, or -1.
func (d DType) FirstNonFinite(bits []uint16) int {
	mask := uint16(0x7c00)
	if d == BF16 {
		mask = 0x7f80
	}
	// Without its sign a number is below infinity.
	at := 0
	for len(bits)-at >= 16 {
		top, n := kern.AbsMaxBits(bits[at:min(at+4096, len(bits))])
		if n == 0 || top >= mask {
			break
		}
		at += n
	}
	// An exponent of ones, plus its lowest bit, carries into the sign: no branch for the many
	// runs that hold only finite numbers.
	low := mask & -mask
	for ; len(bits)-at >= 64; at += 64 {
		carry := uint16(0)
		for _, b := range (*[64]uint16)(bits[at:]) {
			carry |= b&mask + low
		}
		if carry&0x8000 != 0 {
			break
		}
	}
	for i, b := range bits[at:] {
		if b&mask == mask {
			return at + i
		}
	}
	return -1
}

// Max returns the largest finite value of the format.
func (d DType) Max() float32 {
	if d == BF16 {
		return math.Float32frombits(0x7f7f0000)
	}
	return 65504
}

// NarrowSaturated is Narrow with values beyond the range cut to the largest finite one, for codecs
// whose reconstruction may overshoot; so is NaN, which only bytes that nobody wrote bring about. It
// changes src.
func (d DType) NarrowSaturated(dst []uint16, src []float32) {
	n := kern.NarrowCut(d == BF16, dst, src)
	dst, src = dst[n:], src[n:]
	top := d.Max()
	for i, x := range src {
		if !(x <= top) {
			x = top
		}
		src[i] = max(x, -top)
	}
	d.Narrow(dst, src)
}
