package compressors_test

import (
	"fmt"
	"math"
	"testing"

	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// TestTruncRoundsToTheNearestAndThenToEven tries every finite pattern: what comes back ends in
// zeros, no neighbour that does is nearer, and of two as near it is the even one.
func TestTruncRoundsToTheNearestAndThenToEven(t *testing.T) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		src := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: 1 << 10, KeyDim: 64}, d)
		for i := range src.Bits[kv.K] {
			if d.Finite(uint16(i)) {
				src.Bits[kv.K][i] = uint16(i)
			}
		}
		for _, bits := range []int{1, 3, 6} {
			got, _ := pass(t, fmt.Sprintf("trunc:bits=%d", bits), src)
			unit := uint16(1) << bits
			for i, r := range got.Bits[kv.K] {
				b := src.Bits[kv.K][i]
				if r%unit != 0 || r&0x8000 != b&0x8000 || !d.Finite(r) {
					t.Fatalf("%v, %d bits: %#04x becomes %#04x", d, bits, b, r)
				}
				err := math.Abs(float64(d.Float(b)) - float64(d.Float(r)))
				for _, other := range []uint16{r - unit, r + unit} {
					if other&0x8000 != r&0x8000 || !d.Finite(other) {
						continue
					}
					e := math.Abs(float64(d.Float(b)) - float64(d.Float(other)))
					if e < err || e == err && r&unit != 0 {
						t.Fatalf("%v, %d bits: %#04x becomes %#04x, and %#04x is nearer or even",
							d, bits, b, r, other)
					}
				}
			}
		}
	}
}

// TestTruncSavesTheBitsThatItRoundsAway: with lossless_exp exactly these, with byte planes nearly.
func TestTruncSavesTheBitsThatItRoundsAway(t *testing.T) {
	shape := kv.Shape{Layers: 1, Heads: 2, Tokens: 512, KeyDim: 64, ValueDim: 64}
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		src := codectest.Tensor(8, shape, d)
		values := float64(src.RawBytes() / 2)
		for _, c := range []struct{ plain, spec string }{
			{"lossless_split", "trunc:bits=%d"},
			{"lossless_exp", "trunc:bits=%d,coder=exp"},
		} {
			_, before := pass(t, c.plain, src)
			for bits := 1; bits <= 4; bits++ {
				_, n := pass(t, fmt.Sprintf(c.spec, bits), src)
				saved := float64(8*(before-n)) / values
				if saved < float64(bits)-0.2 {
					t.Errorf("%v, "+c.spec+": %.2f bits a value saved", d, bits, saved)
				}
			}
		}
	}
}
