package kern

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func noise64(rng *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = rng.NormFloat64() * math.Ldexp(1, rng.IntN(20)-10)
	}
	return out
}

// FuzzDoubles holds the float64 kernels against what they do without vectors.
func FuzzDoubles(f *testing.F) {
	f.Add(uint64(1), 13, 24, 31)
	f.Add(uint64(2), 4, 8, 1)
	f.Add(uint64(3), 1, 17, 5)
	f.Fuzz(func(t *testing.T, seed uint64, rows, cols, k int) {
		rows, cols, k = rows&31+1, cols&31+1, k&31
		fast := doubles(seed, rows, cols, k)
		restore := SetLevel(Generic)
		slow := doubles(seed, rows, cols, k)
		restore()
		if !slices.Equal(fast, slow) {
			t.Errorf("seed %d, %d rows, %d columns, %d terms: kernels give other bits", seed, rows, cols, k)
		}
	})
}

// doubles returns everything that the kernels make of random matrices.
func doubles(seed uint64, rows, cols, k int) []float64 {
	rng := rand.New(rand.NewPCG(seed, 5))
	lda := cols + 3
	out := noise64(rng, rows*lda)
	a, b := noise64(rng, rows*k+k*k+1), noise64(rng, k*lda+1)
	Mul64(out, lda, a, k, 1, b, lda, rows, cols, k)
	turned := make([]float64, rows*lda)
	Mul64(turned, lda, a, 1, rows, b, lda, rows, cols, k)
	out = append(out, turned...)
	m, acc := noise64(rng, rows*lda), noise64(rng, 2*cols)
	r, c := noise64(rng, 3*rows), noise64(rng, 2*cols)
	wide := cols &^ 7
	Reflect64(m, lda, r[:rows], r[rows:2*rows], r[2*rows:], c[:wide], c[cols:], acc)
	Apply64(m, lda, r[:rows], r[rows:], c[:wide], acc[cols:])
	x := make([]float32, rows*lda)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	sums := noise64(rng, 2*cols)
	ScaledSums(sums[:cols], sums[cols:], x, r[:rows], 1+k%3, lda)
	Turn64(acc[:cols], acc[cols:], r[0], r[rows])
	return slices.Concat(out, m, acc, sums)
}

func TestMul64MultipliesMatrices(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 5))
	const rows, cols, k = 7, 19, 6
	a, b := noise64(rng, rows*k), noise64(rng, k*cols)
	got := make([]float64, rows*cols)
	Mul64(got, cols, a, k, 1, b, cols, rows, cols, k)
	for i := range rows {
		for j := range cols {
			want := 0.0
			for l := range k {
				want += float64(a[i*k+l] * b[l*cols+j])
			}
			if got[i*cols+j] != want {
				t.Errorf("row %d, column %d: %v, want %v", i, j, got[i*cols+j], want)
			}
		}
	}
}
