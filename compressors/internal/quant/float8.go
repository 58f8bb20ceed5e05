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
	kern     kern.Float8
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
	E4M3 = newFloat8(kern.E4M3, 3, 7, 0x7e)
	E5M2 = newFloat8(kern.E5M2, 2, 15, 0x7b)
)

func newFloat8(k kern.Float8, fraction, bias, top uint32) *Float8 {
	f := &Float8{kern: k, fraction: fraction, bias: bias, top: top}
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

// Cast sets dst to the codes of the patterns src, and returns false if one is not finite; dst is as
// long as src.
func (f *Float8) Cast(d kv.DType, dst []byte, src []uint16) bool {
	dst = dst[:len(src)]
	top, n := f.kern.Cast(d == kv.BF16, dst, src)
	if n == len(src) {
		return d.Finite(top) // without making the table
	}
	t := f.tables[d]()
	for i := n; i < len(src); i++ {
		dst[i] = t[src[i]]
		top = max(top, src[i]&0x7fff)
	}
	return d.Finite(top)
}

// Scale sets dst to the codes of the patterns src times inv, none of which is beyond the largest
// number by more than a rounding; dst is as long as src.
func (f *Float8) Scale(d kv.DType, dst []byte, src []uint16, inv float32) {
	f.ScaleAhead(d, dst, src, nil, inv)
}

// ScaleAhead is Scale that may search ahead.
func (f *Float8) ScaleAhead(d kv.DType, dst []byte, src []uint16, ahead *kern.Ahead, inv float32) {
	dst = dst[:len(src)]
	n := f.kern.Scale(d == kv.BF16, dst, src, ahead, inv)
	f.scaleRest(d, dst[n:], src[n:], inv)
}

func (f *Float8) scaleRest(d kv.DType, dst []byte, src []uint16, inv float32) {
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

// Measured are the scales of ScaleFor.
var Measured = kern.RowScales{Least: 0x1p-126}

// ScaleRows writes, for rows of dim values, the float32 scale that brings the largest magnitude to
// the largest code, and the codes. It returns false if a value is not finite.
func (f *Float8) ScaleRows(d kv.DType, dst, scales []byte, src []uint16, dim int, r kern.RowScales) bool {
	for len(src) > 0 {
		top, n := f.kern.ScaleRows(d == kv.BF16, dst, scales, src, dim, r)
		dst, scales, src = dst[n*dim:], scales[4*n:], src[n*dim:]
		if !d.Finite(top) {
			return false
		}
		for i := 0; i < 8 && len(src) > 0; i++ {
			most := AbsMax(src[:dim])
			if !d.Finite(most) {
				return false
			}
			scale, inv := r.Zero, float32(0)
			if most > 0 {
				scale = max(d.Float(most)/f.Max, r.Least)
			}
			if scale > 0 {
				inv = 1 / scale
			}
			binary.LittleEndian.PutUint32(scales, math.Float32bits(scale))
			f.Scale(d, dst[:dim], src[:dim], inv)
			dst, scales, src = dst[dim:], scales[4:], src[dim:]
		}
	}
	return true
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

// Decode sets dst to the patterns of the numbers that codes mean, and returns false if one is none.
// With stream most of it is written around the caches, as kern.StreamCopy does.
func (f *Float8) Decode(d kv.DType, dst []uint16, codes []byte, stream bool) bool {
	t := &f.direct[d]
	top, n := f.kern.Decode(d == kv.BF16, dst, codes, stream)
	dst, codes = dst[n:len(codes)], codes[n:]
	for i, c := range codes {
		dst[i] = t[c]
		top = max(top, c&0x7f)
	}
	return uint32(top) <= f.top
}

// RestoreRows sets dst to the patterns of the numbers times the scale of their row of dim values,
// little-endian float32; values beyond the dtype's range become its largest. It returns false if a
// scale is negative or not finite, or a code no number.
func (f *Float8) RestoreRows(d kv.DType, dst []uint16, codes, scales []byte, dim int) bool {
	limit := math.Float32bits(d.Max() / f.Max) // under which nothing is cut
	for len(dst) > 0 {
		top, n := f.kern.RestoreRows(d == kv.BF16, dst, codes, scales, dim, limit)
		dst, codes, scales = dst[n*dim:], codes[n*dim:], scales[4*n:]
		if uint32(top) > f.top {
			return false
		}
		if len(dst) == 0 {
			break
		}
		scale := math.Float32frombits(binary.LittleEndian.Uint32(scales))
		if !(scale >= 0 && scale <= math.MaxFloat32) || !f.Valid(codes[:dim]) {
			return false
		}
		front := dim &^ 31
		n = 0
		if front < dim {
			_, n = f.kern.RestoreRows(d == kv.BF16, dst[:front], codes, scales, front, limit)
		}
		f.restore(d, dst[n*front:dim], codes[n*front:dim], scale)
		dst, codes, scales = dst[dim:], codes[dim:], scales[4:]
	}
	return true
}

// restore is RestoreRows of one row.
func (f *Float8) restore(d kv.DType, dst []uint16, codes []byte, scale float32) {
	var t Table
	if len(codes) >= 2*len(t) {
		for c, x := range f.values {
			t[c] = narrowF16(x * scale)
			if d == kv.BF16 {
				t[c] = narrowBF16(x * scale)
			}
		}
		Lookup(dst, codes, &t)
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
