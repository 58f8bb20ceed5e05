package kern

import (
	"fmt"
	"math"
	mathbits "math/bits"
	"testing"
)

// One code of 1, at every place of every row, gives a column of the matrix.
func TestRotateCodesBackIsAHadamardMatrix(t *testing.T) {
	for level := CurrentLevel(); level > Generic; level-- {
		restore := SetLevel(level)
		for _, block := range []int{64, 128} {
			for _, bits := range []int{2, 4, 8} {
				for _, blocks := range []int{1, 3} {
					for at := range block * blocks {
						columnOfHadamard(t, bits, block, blocks, at)
					}
				}
			}
		}
		restore()
	}
}

// columnOfHadamard has a code of 1 at channel at, a scale of 2 in odd rows, and a minimum of 4.
func columnOfHadamard(t *testing.T, bits, block, blocks, at int) {
	dim := block * blocks
	codes, scales := make([]byte, dim*bits), make([]byte, 4*RowsAtOnce)
	back, dst := make([]float32, dim), make([]uint16, RowsAtOnce*dim)
	for i := range back {
		back[i] = 0.5 - float32(i&1)
	}
	for r := range RowsAtOnce {
		copy(scales[4*r:], []byte{0, 0x3c + byte(r&1)<<2, 0, 0x44})
		codes[(r*dim+at)*bits/8] |= 1 << (at * bits % 8)
	}
	if !RotateCodesBack(false, bits, block, dst, codes, scales, back, 1e4) {
		t.Fatalf("%v has no kernel for %d bits in blocks of %d", CurrentLevel(), bits, block)
	}
	for i, got := range dst {
		row, c := i/dim, i%dim
		want := float32(0)
		if c/block == at/block {
			want = float32(1+row&1) * float32(1-2*(mathbits.OnesCount(uint(c%block&(at%block)))&1))
		}
		if c%block == 0 {
			want += float32(4 * block)
		}
		if want *= back[c]; F16ToF32(got) != want {
			t.Fatalf("%v, %d bits, %d blocks of %d, code %d: channel %d of row %d is %v, want %v",
				CurrentLevel(), bits, blocks, block, at, c, row, F16ToF32(got), want)
		}
	}
}

// BenchmarkHadamard works in the first-level cache.
func BenchmarkHadamard(b *testing.B) {
	if level < AVX2 {
		b.Skip("no vectors")
	}
	for _, dim := range []int{64, 128} {
		src, vals := make([]uint16, RowsAtOnce*dim), make([]float32, RowsAtOnce*dim)
		signs, back := make([]uint16, dim), make([]float32, dim)
		codes, scales := make([]byte, RowsAtOnce*dim), make([]byte, 4*RowsAtOnce)
		var ends Ends
		grid := RowGrid{4, 1, 0.95}
		for _, bf16 := range []bool{false, true} {
			for i := range src {
				x := float32(i*i%31) - 15
				if src[i] = F32ToF16(x); bf16 {
					src[i] = uint16(math.Float32bits(x) >> 16)
				}
			}
			run := func(what string, f func() bool) {
				b.Run(fmt.Sprintf("%s/bf16=%v/%d", what, bf16, dim), func(b *testing.B) {
					b.SetBytes(int64(2 * len(src)))
					for b.Loop() {
						if !f() {
							b.Fatal("no kernel")
						}
					}
				})
			}
			run("widen", func() bool { return WidenHadamard(bf16, dim, vals, src, signs, &ends) })
			run("fit", func() bool {
				grids := ends
				return grid.Fit(scales, &grids)
			})
			grids := ends
			grid.Fit(scales, &grids)
			run("quantize", func() bool {
				grid.QuantizeRows(bf16, codes, vals, &grids)
				return true
			})
			other, others := make([]float32, len(vals)), ends
			run("both", func() bool {
				return grid.WidenAndQuantize(bf16, dim, other, src, signs, &others, codes, vals, &grids)
			})
			run("rotateBack", func() bool { return RotateCodesBack(bf16, 4, dim, src, codes, scales, back, 1e4) })
		}
	}
}
