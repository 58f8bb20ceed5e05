package quant

import (
	"encoding/binary"
	"math"
	"sync"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// A Float8 is a format of 8 bits: a sign, an exponent, a fraction (Micikevicius et al., FP8
// Formats for Deep Learning, arXiv 2209.05433).
type Float8 struct {
	fraction uint32 // bits of the fraction
	bias     uint32
	top      uint32 // code of the largest finite number
	Max      float32

	tables [2]func() *[1 << 16]byte // codes of all patterns, by dtype
	values [256]float32             // of all codes
	direct [2][256]uint16           // patterns of all codes, by dtype
}

// The two formats. E4M3 is the variant without infinities whose only NaN has all bits of
// exponent and fraction set (E4M3FN); E5M2 follows IEEE 754.
var (
	E4M3 = newFloat8(3, 7, 0x7e)
	E5M2 = newFloat8(2, 15, 0x7b)
)

func newFloat8(fraction, bias, top uint32) *Float8 {
	f := &Float8{fraction: fraction, bias: bias, top: top}
	for c := range f.values {
		f.values[c] = f.value(uint32(c))
	}
	f.Max = f.values[top]
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		f.tables[d] = sync.OnceValue(func() *[1 << 16]byte {
			t := new([1 << 16]byte)
			for bits := range t {
				if d.Finite(uint16(bits)) {
					t[bits] = f.Encode(d.Float(uint16(bits)))
				}
			}
			return t
		})
		for c, x := range f.values {
			f.direct[d][c] = d.Bits(x)
		}
	}
	return f
}

// value returns what a code means; those above top are not numbers.
func (f *Float8) value(code uint32) float32 {
	exp, frac := code&0x7f>>f.fraction, code&(1<<f.fraction-1)
	x := float32(frac) * f.power(1-int(f.bias)-int(f.fraction))
	if exp > 0 {
		x = float32(1<<f.fraction+frac) * f.power(int(exp)-int(f.bias)-int(f.fraction))
	}
	if code&0x7f > f.top {
		x = float32(math.NaN())
	}
	if code&0x80 != 0 {
		x = -x
	}
	return x
}

func (f *Float8) power(e int) float32 { return math.Float32frombits(uint32(127+e) << 23) }

// Value returns the number that a code means, or NaN.
func (f *Float8) Value(code byte) float32 { return f.values[code] }

// Encode returns the code nearest to x, ties to even; beyond the largest it returns that. x must
// be a number.
func (f *Float8) Encode(x float32) byte {
	b := math.Float32bits(x)
	a := b & 0x7fffffff
	shift := 23 - f.fraction
	code := (a+(1<<(shift-1)-1)+a>>shift&1)>>shift - (127-f.bias)<<f.fraction
	if a < (128-f.bias)<<23 { // a subnormal: let an addition round it
		one := (127 + 24 - f.bias - f.fraction) << 23 // its last bit weighs as the code's
		code = math.Float32bits(math.Float32frombits(a)+math.Float32frombits(one)) - one
	}
	return byte(b>>24)&0x80 | byte(min(code, f.top))
}

// EncodeBits sets dst[i] to the code of the pattern src[i]; dst is as long as src, whose
// patterns are finite.
func (f *Float8) EncodeBits(d kv.DType, dst []byte, src []uint16) {
	dst = dst[:len(src)]
	n := f.kern().Encode8(d == kv.BF16, dst, src, 1)
	if n == len(src) {
		return // without making the table
	}
	t := f.tables[d]()
	for i := n; i < len(src); i++ {
		dst[i] = t[src[i]]
	}
}

// kern is f in the terms of the kernels.
func (f *Float8) kern() kern.Float8 {
	return kern.Float8{Fraction: f.fraction, Bias: f.bias, Top: f.top}
}

// EncodeScaled is EncodeBits of the values times inv.
func (f *Float8) EncodeScaled(d kv.DType, dst []byte, src []uint16, inv float32) {
	dst = dst[:len(src)]
	n := f.kern().Encode8(d == kv.BF16, dst, src, inv)
	dst, src = dst[n:], src[n:]
	g := Float8{fraction: f.fraction, bias: f.bias, top: f.top}
	if d == kv.BF16 {
		for i, h := range src {
			dst[i] = g.Encode(widenBF16(h) * inv)
		}
		return
	}
	for i, h := range src {
		dst[i] = g.Encode(widenF16(h) * inv)
	}
}

// Valid says whether all codes are numbers.
func (f *Float8) Valid(codes []byte) bool {
	const sevens, eighths = 0x7f7f7f7f7f7f7f7f, 0x8080808080808080
	over := uint64(0x7f-f.top) * 0x0101010101010101 // carries into the eighth bit above top
	var bad uint64
	for ; len(codes) >= 8; codes = codes[8:] {
		bad |= binary.LittleEndian.Uint64(codes)&sevens + over
	}
	for _, c := range codes {
		bad |= uint64(c&0x7f) + over
	}
	return bad&eighths == 0
}

// Decode sets dst[i] to the pattern of the number that codes[i] means.
func (f *Float8) Decode(d kv.DType, dst []uint16, codes []byte) {
	t := &f.direct[d]
	n := f.kern().Decode8(d == kv.BF16, dst, codes, 1)
	dst, codes = dst[n:len(codes)], codes[n:]
	for i, c := range codes {
		dst[i] = t[c]
	}
}

// DecodeScaled is Decode of the numbers times scale. Values beyond the dtype's range become its
// largest.
func (f *Float8) DecodeScaled(d kv.DType, dst []uint16, codes []byte, scale float32, t *Table) {
	n := f.kern().Decode8(d == kv.BF16, dst, codes, scale)
	dst, codes = dst[n:len(codes)], codes[n:]
	if len(codes) >= 2*len(t) {
		for c, x := range f.values {
			t[c] = narrowF16(x * scale)
			if d == kv.BF16 {
				t[c] = narrowBF16(x * scale)
			}
		}
		Lookup(dst, codes, t)
		return
	}
	if d == kv.BF16 {
		for i, c := range codes {
			dst[i] = narrowBF16(f.values[c] * scale)
		}
		return
	}
	for i, c := range codes {
		dst[i] = narrowF16(f.values[c] * scale)
	}
}

// ScaleFor returns the scale that brings the magnitude amax to the largest code, and its
// reciprocal; both are 0 for amax 0. A scale below 2^-126 becomes that, because its reciprocal
// would overflow.
func (f *Float8) ScaleFor(amax float32) (scale, inv float32) {
	if amax == 0 {
		return 0, 0
	}
	scale = max(amax/f.Max, 0x1p-126)
	return scale, 1 / scale
}
