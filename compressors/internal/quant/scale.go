package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// A ScaleType is the format in which scales and minima are stored.
type ScaleType uint8

// The formats of scales.
const (
	ScaleF16 ScaleType = iota
	ScaleBF16
	ScaleF32
)

// ParseScaleType reads "f16", "bf16" or "f32".
func ParseScaleType(s string) (ScaleType, error) {
	switch s {
	case "f16":
		return ScaleF16, nil
	case "bf16":
		return ScaleBF16, nil
	case "f32":
		return ScaleF32, nil
	}
	return 0, fmt.Errorf("scale is %q, want f16, bf16 or f32", s)
}

// Size returns how many bytes a scale takes.
func (s ScaleType) Size() int {
	if s == ScaleF32 {
		return 4
	}
	return 2
}

// Round returns f as the type holds it, which may be infinite.
func (s ScaleType) Round(f float32) float32 {
	switch s {
	case ScaleF16:
		return kern.F16ToF32(kern.F32ToF16(f))
	case ScaleBF16:
		return kern.BF16ToF32(kern.F32ToBF16(f))
	}
	return f
}

// Put stores f, which the type must hold exactly.
func (s ScaleType) Put(dst []byte, f float32) {
	switch s {
	case ScaleF16:
		binary.LittleEndian.PutUint16(dst, kern.F32ToF16(f))
	case ScaleBF16:
		binary.LittleEndian.PutUint16(dst, uint16(math.Float32bits(f)>>16))
	default:
		binary.LittleEndian.PutUint32(dst, math.Float32bits(f))
	}
}

// Get reads what Put stored.
func (s ScaleType) Get(src []byte) float32 {
	switch s {
	case ScaleF16:
		return kern.F16ToF32(binary.LittleEndian.Uint16(src))
	case ScaleBF16:
		return kern.BF16ToF32(binary.LittleEndian.Uint16(src))
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(src))
}

// smallest is the least scale of a type. Of the types with float32's exponents it is the least
// normal one, because the reciprocal of a smaller one would overflow.
func (s ScaleType) smallest() float32 {
	if s == ScaleF16 {
		return 0x1p-24
	}
	return 0x1p-126
}

// A Zero says what a code of zero stands for.
type Zero uint8

// The kinds of zero point.
const (
	ZeroMin  Zero = iota // the group's minimum, stored like its scale
	ZeroInt              // an integer z: x = (q-z)·s
	ZeroNone             // symmetric: codes ±(2^(b-1)-1) around 0
)

// A Quantizer is a uniform grid of 2^Bits steps whose place and width each group chooses.
type Quantizer struct {
	Bits  int // 2 to 8
	Scale ScaleType
	Zero  Zero
}

// An Affine is the grid of one group: x = (q-Off)·Scale + Min, q from Lo to Hi.
type Affine struct {
	Min, Scale  float32
	Inv         float32 // float32(1/Scale), or 0 for Scale 0
	Off, Lo, Hi int32
}

// ZeroSize returns how many bytes a group's zero point takes.
func (q Quantizer) ZeroSize() int {
	switch q.Zero {
	case ZeroMin:
		return q.Scale.Size()
	case ZeroInt:
		return 1
	}
	return 0
}

// Fit returns the grid of a group whose values lie between the keys lo and hi, all finite. It
// returns false if the stored types cannot hold the grid, or if all values are equal and the
// grid would miss them: then the group has to be stored as it is.
func (q Quantizer) Fit(d kv.DType, lo, hi int32) (Affine, bool) {
	low, high := d.Float(Bits(lo)), d.Float(Bits(hi))
	a := q.bare()
	var width float32
	switch q.Zero {
	case ZeroMin:
		a.Min = q.Scale.Round(low)
		width = (high - low) / float32(a.Hi)
		if low == high && a.Min != low {
			return a, false
		}
	case ZeroInt:
		width = (max(high, 0) - min(low, 0)) / float32(a.Hi)
	case ZeroNone:
		width = max(high, -low) / float32(a.Hi-a.Off)
	}
	if low == high && q.Zero != ZeroMin && low != 0 || !finite(a.Min) {
		return a, false
	}
	if a.Scale = q.Scale.Round(width); !finite(a.Scale) {
		return a, false
	}
	if width > 0 {
		a.Scale = max(a.Scale, q.Scale.smallest())
		a.Inv = 1 / a.Scale
	}
	if q.Zero == ZeroInt {
		a.Off = min(max(Nearest(-min(low, 0)*a.Inv), 0), a.Hi)
	}
	return a, true
}

// bare returns a grid without scale and minimum.
func (q Quantizer) bare() Affine {
	a := Affine{Hi: 1<<q.Bits - 1}
	if q.Zero == ZeroNone {
		a.Off, a.Lo = 1<<(q.Bits-1), 1
	}
	return a
}

// Store writes the group's scale and zero point.
func (q Quantizer) Store(scale, zero []byte, a *Affine) {
	q.Scale.Put(scale, a.Scale)
	switch q.Zero {
	case ZeroMin:
		q.Scale.Put(zero, a.Min)
	case ZeroInt:
		zero[0] = byte(a.Off)
	}
}

// StoreRaw writes the mark of a group that is stored as it is: a scale that is not a number.
func (q Quantizer) StoreRaw(scale, zero []byte) {
	q.Scale.Put(scale, float32(math.NaN()))
	clear(zero)
}

// IsRaw says whether a scale is the mark of a group that is stored as it is.
func (q Quantizer) IsRaw(scale []byte) bool {
	f := q.Scale.Get(scale)
	return f != f
}

func finite(f float32) bool { return f <= math.MaxFloat32 && f >= -math.MaxFloat32 }

// magic is 1.5·2^23: adding it leaves a number rounded to an integer, ties to even, in the low
// bits.
const (
	magic     = 12582912
	magicBits = 0x4b400000
)

// Nearest returns f rounded to an integer, ties to even; |f| must be below 2^22. The conversion
// keeps a product in the argument from being fused with the addition.
func Nearest(f float32) int32 { return int32(math.Float32bits(float32(f)+magic)) - magicBits }
