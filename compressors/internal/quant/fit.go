package quant

import (
	"encoding/binary"
	"math"

	"kvgauge/compressors/kv"
)

// FitStore sets a to the grid of a group whose values lie between the keys lo and hi, all finite,
// and writes its scale and zero point, as Fit and Store do; or it writes StoreRaw's mark and
// returns false. With groups of 32 it is called for every 32 values: the common setting, a
// binary16 scale and minimum, has a path of its own.
func (q *Quantizer) FitStore(d kv.DType, lo, hi int32, scale, zero []byte, a *Affine) bool {
	ok := false
	if q.Scale == ScaleF16 && q.Zero == ZeroMin {
		ok = q.fitHalf(d, lo, hi, scale, zero, a)
	} else if *a, ok = q.Fit(d, lo, hi); ok {
		q.Store(scale, zero, a)
	}
	if !ok {
		q.StoreRaw(scale, zero[:q.ZeroSize()])
	}
	return ok
}

// overflow is the least magnitude that binary16 rounds to infinity.
const overflow = 65520

func (q *Quantizer) fitHalf(d kv.DType, lo, hi int32, scale, zero []byte, a *Affine) bool {
	least := Bits(lo)
	var low, high float32
	if d == kv.BF16 {
		low, high = widenBF16(least), widenBF16(Bits(hi))
		if low <= -overflow || low >= overflow {
			return false
		}
		least = narrowF16(low)
	} else {
		low, high = widenF16(least), widenF16(Bits(hi))
	}
	steps := int32(1)<<q.Bits - 1
	*a = Affine{Min: widenF16(least), Hi: steps}
	width := (high - low) / float32(steps)
	if width >= overflow || width == 0 && a.Min != low {
		return false
	}
	step := narrowF16(width)
	if width > 0 {
		step = max(step, 1)
		a.Scale = widenF16(step)
		a.Inv = 1 / a.Scale
	}
	binary.LittleEndian.PutUint16(scale, step)
	binary.LittleEndian.PutUint16(zero, least)
	return true
}

// Load sets a to the grid that FitStore wrote. It returns false if those are no scale and zero
// point.
func (q *Quantizer) Load(scale, zero []byte, a *Affine) bool {
	if q.Scale == ScaleF16 && q.Zero == ZeroMin {
		s, z := binary.LittleEndian.Uint16(scale), binary.LittleEndian.Uint16(zero)
		*a = Affine{Min: widenF16(z), Scale: widenF16(s), Hi: 1<<q.Bits - 1}
		return s < 0x7c00 && z&0x7fff < 0x7c00
	}
	*a = q.bare()
	a.Scale = q.Scale.Get(scale)
	ok := finite(a.Scale) && !math.Signbit(float64(a.Scale))
	switch q.Zero {
	case ZeroMin:
		a.Min = q.Scale.Get(zero)
		ok = ok && finite(a.Min)
	case ZeroInt:
		a.Off = int32(zero[0])
		ok = ok && a.Off <= a.Hi
	}
	return ok
}
