package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"

	"kvgauge/internal/kern"
)

// Floats fills dst with elements [from, from+len(dst)) of t as float32, widening F16 and BF16. It is an
// error to ask it of another type than these and F32.
func (f *File) Floats(t Tensor, dst []float32, from int64) error {
	each := t.DType.Size()
	if !t.DType.IsFloat() {
		return fmt.Errorf("tensor %q: dtype is %s, want F32, F16 or BF16", t.Name, t.DType)
	}
	if from < 0 || from > t.Bytes/each {
		return fmt.Errorf("tensor %q: element %d of %d", t.Name, from, t.Bytes/each)
	}
	buf := make([]byte, int64(min(len(dst), 1<<15))*each)
	for done := 0; done < len(dst); {
		n := min(len(dst)-done, 1<<15)
		b := buf[:int64(n)*each]
		if err := f.ReadAt(t, b, (from+int64(done))*each); err != nil {
			return err
		}
		Widen(t.DType, dst[done:done+n], b)
		done += n
	}
	return nil
}

// IsFloat says whether Floats and Widen read the type.
func (d DType) IsFloat() bool { return d == F32 || d == F16 || d == BF16 }

// Widen sets dst to the values of src, whose type is F32, F16 or BF16. It panics on another.
func Widen(d DType, dst []float32, src []byte) {
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = kern.F16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = kern.BF16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	default:
		panic("safetensors: widen " + string(d))
	}
}
