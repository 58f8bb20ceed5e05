package kern

import (
	"fmt"
	"testing"
)

// BenchmarkGrids works in the second-level cache.
func BenchmarkGrids(b *testing.B) {
	const n = 1 << 17
	src := make([]uint16, n)
	for i := range src {
		src[i] = F32ToF16(float32((i*7919)%1009)/100 - 5)
	}
	codes, scales, minima := make([]byte, n), make([]byte, n/8), make([]byte, n/8)
	for _, bf16 := range []bool{false, true} {
		for _, bits := range []int{2, 4, 8} {
			name := fmt.Sprintf("bf16=%v/bits=%d/", bf16, bits)
			run := func(what string, f func() int) {
				b.Run(name+what, func(b *testing.B) {
					b.SetBytes(2 * n)
					for b.Loop() {
						if f() == 0 {
							b.Fatal("nothing done")
						}
					}
				})
			}
			run("groups128", func() int { return QuantizeGroups(bf16, false, bits, 128, codes, scales, minima, src) })
			run("groups128back", func() int { return DequantizeGroups(bf16, false, bits, 128, src, codes, scales, minima) })
			run("groups32", func() int { return QuantizeGroups(bf16, false, bits, 32, codes, scales, minima, src) })
			run("groups32back", func() int { return DequantizeGroups(bf16, false, bits, 32, src, codes, scales, minima) })
			run("tiles", func() int { return QuantizeTiles(bf16, bits, 128, 32, codes, scales, minima, src) })
			run("tilesback", func() int { return DequantizeTiles(bf16, bits, 128, 32, src, codes, scales, minima) })
		}
	}
}
