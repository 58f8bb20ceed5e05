package kern

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestCodesByDivisionAreEqualByVectorAndOneByOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	odd := []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)),
		float32(math.Inf(-1)), 0.5, 1.5, 2.5, -0.5, 1e30, -1e30, 1e-40, 65504}
	for range 2000 {
		src := make([]float32, rng.IntN(70))
		for i := range src {
			if src[i] = float32(rng.NormFloat64()); rng.IntN(6) == 0 {
				src[i] = odd[rng.IntN(len(odd))]
			}
		}
		sub, div, add := float32(0), float32(math.Abs(rng.NormFloat64()))/16, float32(math.Copysign(0, -1))
		lo, hi := float32(-127), float32(127)
		if rng.IntN(2) == 0 {
			sub, add, lo, hi = float32(rng.NormFloat64()), 128, 0, 255
		}
		if rng.IntN(10) == 0 {
			div = odd[rng.IntN(len(odd))]
		}
		got, want := make([]byte, len(src)), make([]byte, len(src))
		DivideCodes(got, src, sub, div, add, lo, hi)
		back, one := make([]float32, len(src)), make([]float32, len(src))
		RestoreCodes(back, got, 0x80, 128, div, add)
		restore := SetLevel(Generic)
		DivideCodes(want, src, sub, div, add, lo, hi)
		RestoreCodes(one, got, 0x80, 128, div, add)
		restore()
		for i := range src {
			if got[i] != want[i] {
				t.Fatalf("(%v-%v)/%v+%v in %v…%v: %d, one by one %d", src[i], sub, div, add, lo, hi, got[i], want[i])
			}
			a, b := math.Float32bits(back[i]), math.Float32bits(one[i])
			if a != b && (back[i] == back[i] || one[i] == one[i]) {
				t.Fatalf("code %d of %v: %x, one by one %x", got[i], div, a, b)
			}
		}
	}
}

func TestCutCodeRoundsToEven(t *testing.T) {
	for x, want := range map[float32]int8{0.5: 0, 1.5: 2, 2.5: 2, -0.5: 0, -1.5: -2, 126.6: 127, 1e9: 127,
		-1e9: -127, -127.4: -127} {
		if got := int8(CutCode(x, -127, 127)); got != want {
			t.Errorf("%v is %d, want %d", x, got, want)
		}
	}
}

func BenchmarkDivideCodes(b *testing.B) {
	src, dst := make([]float32, 1<<16), make([]byte, 1<<16)
	for i := range src {
		src[i] = float32(i%255) - 127
	}
	b.SetBytes(4 << 16)
	for b.Loop() {
		DivideCodes(dst, src, 0, 1.5, 0, -127, 127)
	}
}
