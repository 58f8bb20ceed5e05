package kv

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"kvgauge/internal/kern"
)

func FuzzNarrowSaturated(f *testing.F) {
	f.Add([]byte{0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0xff, 0xff, 0xff, 0x7f, 0x7f, 1, 0x80, 0x3f, 0x40}, uint8(9))
	f.Add([]byte{0, 0x80, 0x7f, 0x7f, 0xff, 0x7f, 0x7f, 0x7f, 0, 0xe0, 0x7f, 0x47, 0, 0xf0, 0x7f, 0x47}, uint8(30))
	f.Fuzz(func(t *testing.T, data []byte, times uint8) {
		var src []float32
		for range times {
			for i := 0; i+4 <= len(data); i += 4 {
				src = append(src, math.Float32frombits(binary.LittleEndian.Uint32(data[i:])))
			}
		}
		for _, d := range []DType{F16, BF16} {
			fast, slow := make([]uint16, len(src)), make([]uint16, len(src))
			d.NarrowSaturated(fast, slices.Clone(src))
			restore := kern.SetLevel(kern.Generic)
			d.NarrowSaturated(slow, slices.Clone(src))
			restore()
			if !slices.Equal(fast, slow) {
				t.Fatalf("%v: %x with vectors, %x without", d, fast, slow)
			}
		}
	})
}
