package quant

import "math"

// MaxE2M1 is the largest number of the 4-bit format with two exponent bits and one fraction bit.
const MaxE2M1 = 6

// e2m1 holds the sixteen numbers by code: the sign is the high bit.
var e2m1 = [16]float32{0, .5, 1, 1.5, 2, 3, 4, 6,
	float32(math.Copysign(0, -1)), -.5, -1, -1.5, -2, -3, -4, -6}

// ValueE2M1 returns the number that the low four bits of code mean.
func ValueE2M1(code byte) float32 { return e2m1[code&15] }

// EncodeE2M1 returns the code nearest to the finite number x, ties to the even code, beyond 6
// that of 6 (OCP Microscaling Formats 1.0, section 5.3.3).
func EncodeE2M1(x float32) byte {
	b := math.Float32bits(x)
	a := b & 0x7fffffff
	code := (a+(1<<21-1)+a>>22&1)>>22 - 126<<1
	if a < 0x3f800000 { // below 1 steps are of ½: let an addition round
		code = math.Float32bits(math.Float32frombits(a)+0x1p22) - 0x4a800000
	}
	return byte(b>>31)<<3 | byte(min(code, 7))
}

// EncodeE2M1Up is EncodeE2M1 with ties away from zero, and no negative zero.
func EncodeE2M1Up(x float32) byte {
	code := byte(0)
	a := max(x, -x)
	for _, bound := range [...]float32{.25, .75, 1.25, 1.75, 2.5, 3.5, 5} {
		if a >= bound {
			code++
		}
	}
	if x < 0 {
		code |= 8
	}
	return code
}

// PowerOfTwo returns 2^e for a normal exponent, or a subnormal one down to -149.
func PowerOfTwo(e int) float32 {
	if e < -126 {
		return math.Float32frombits(1 << (e + 149))
	}
	return math.Float32frombits(uint32(e+127) << 23)
}

// Exponent returns ⌊log2 x⌋ of a positive finite number.
func Exponent(x float32) int {
	b := math.Float32bits(x)
	if e := int(b >> 23); e > 0 {
		return e - 127
	}
	return Exponent(x*0x1p24) - 24
}
