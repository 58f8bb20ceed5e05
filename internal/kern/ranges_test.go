package kern

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

func FuzzGridsOfFloats(f *testing.F) {
	data := floatBytes([]float32{1, -2, 3.5, 0, 7.25, -0.125, 9, 2.5, 1e9})
	f.Add(bytes.Repeat(data, 9), float32(-1), float32(2), float32(15), uint8(17))
	f.Add(bytes.Repeat(data, 20), float32(0), float32(.5), float32(3), uint8(40))
	f.Fuzz(func(t *testing.T, data []byte, low, inv, limit float32, cols uint8) {
		v := anyFloats(data)
		for i, x := range v {
			if x-x != 0 {
				v[i] = float32(i)
			}
		}
		if !(low*low < 1e30) || !(inv*inv < 1e30) || !(limit >= 0) {
			return
		}
		fast, slow := atBothLevels(func() []byte {
			cut, codes, back := slices.Clone(v), make([]byte, len(v)), make([]float32, len(v))
			Clamp(cut, limit)
			RoundCodes(codes, v, low, inv, min(limit, 255))
			AffineValues(back, codes, inv, low)
			width := max(int(cols%48), 1)
			rows := len(v) / width
			turned := make([]float32, rows*width)
			Transpose(turned, v, rows, width)
			for i := range rows {
				for c := range width {
					if floatKey(turned[c*rows+i]) != floatKey(v[i*width+c]) {
						t.Fatalf("%d rows of %d: row %d, column %d", rows, width, i, c)
					}
				}
			}
			for k := 1; k <= len(v); k += 1 + k/2 {
				back = append(back, Largest(v, k), Largest(v[:len(v)-k%8], min(k, len(v)-k%8)))
			}
			return slices.Concat(floatBytes(cut), codes, floatBytes(back))
		})
		if !bytes.Equal(fast, slow) {
			t.Errorf("low %v, inv %v, limit %v: kernels differ", low, inv, limit)
		}
	})
}

func TestLargestIsThatOfSortedMagnitudes(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for n := 1; n < 140; n++ {
		v, magnitudes := make([]float32, n), make([]float32, n)
		for i := range v {
			v[i] = float32(rng.IntN(40)-20) * float32(rng.IntN(3)+1)
			magnitudes[i] = max(v[i], -v[i])
		}
		slices.Sort(magnitudes)
		for k := 1; k <= n; k++ {
			if got := Largest(v, k); got != magnitudes[n-k] {
				t.Fatalf("of %d numbers the %dth is %v, want %v", n, k, got, magnitudes[n-k])
			}
		}
	}
}

func BenchmarkTranspose(b *testing.B) {
	const rows, cols = 4096, 128
	rng := rand.New(rand.NewPCG(1, 2))
	src, dst := make([]float32, rows*cols), make([]float32, rows*cols)
	for i := range src {
		src[i] = rng.Float32()
	}
	b.SetBytes(4 * rows * cols)
	for b.Loop() {
		Transpose(dst, src, rows, cols)
	}
}
