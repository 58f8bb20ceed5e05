package kern

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

func FuzzEntropyLevels(f *testing.F) {
	f.Add(bytes.Repeat([]byte{1, 2, 0x80, 0x3f, 9, 0, 0x12, 0xc1, 0, 0, 7, 0x40, 0, 0, 0, 0x7f}, 9), 1.7, uint8(0))
	f.Add(bytes.Repeat([]byte{1, 2, 0x80, 0x3f, 9, 0, 0x12, 0xc1, 0, 0, 0x20, 0x40}, 9), 2.0, uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, inv float64, low uint8) {
		v := anyFloats(data)
		for i, x := range v {
			if x-x != 0 {
				v[i] = 1
			}
		}
		if !(inv > 0) || math.IsInf(inv, 0) {
			inv = 1
		}
		fast, slow := atBothLevels(func() []byte {
			syms, levels, rests := make([]byte, len(v)), make([]int32, len(v)), make([]float64, len(v))
			EntropyLevels(syms, levels, rests, v, inv, uint(low%12))
			out := bytes.Clone(syms)
			for i, s := range syms {
				if s < 255 {
					out = binary.LittleEndian.AppendUint32(out, uint32(levels[i]))
					out = binary.LittleEndian.AppendUint64(out, math.Float64bits(rests[i]))
				}
			}
			var sums [8]float64
			Squares(&sums, v)
			for _, s := range sums {
				out = binary.LittleEndian.AppendUint64(out, math.Float64bits(s))
			}
			return out
		})
		if !bytes.Equal(fast, slow) {
			t.Errorf("inv %v, low %d: kernels differ", inv, low%12)
		}
	})
}
