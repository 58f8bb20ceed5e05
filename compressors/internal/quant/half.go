package quant

import "math"

// widenF16 returns the value of a finite binary16 pattern.
func widenF16(h uint16) float32 {
	e := uint32(h&0x7fff) << 13
	f := math.Float32frombits(e + 112<<23)
	if e < 0x400<<13 { // a subnormal: let the subtraction normalise it
		f = math.Float32frombits(e+113<<23) - 0x1p-14
	}
	return math.Float32frombits(math.Float32bits(f) | uint32(h&0x8000)<<16)
}

// widenBF16 returns the value of a bfloat16 pattern.
func widenBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// narrowF16 rounds a number to binary16, ties to even; beyond the largest finite one it gives
// that one.
func narrowF16(f float32) uint16 {
	b := math.Float32bits(f)
	a := min(b&0x7fffffff, 0x477fe000)
	r := a + 0xc8000fff + a>>13&1
	if a < 0x38800000 { // a subnormal: let the addition round it
		r = (math.Float32bits(math.Float32frombits(a)+0.5) - 0x3f000000) << 13
	}
	return uint16(b>>16)&0x8000 | uint16(r>>13)
}

// narrowBF16 is narrowF16 for bfloat16.
func narrowBF16(f float32) uint16 {
	b := math.Float32bits(f)
	return uint16(b>>16)&0x8000 | uint16(min((b&0x7fffffff+0x7fff+b>>16&1)>>16, 0x7f7f))
}
