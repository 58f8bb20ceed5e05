package kern

import (
	"math"
	"slices"
	"testing"
)

func TestExpIsAccurate(t *testing.T) {
	worst := 0.0
	for i := -870000; i <= 880000; i += 7 {
		x := float32(i) / 10000
		want := math.Exp(float64(x))
		worst = max(worst, math.Abs(float64(Exp(x))-want)/want)
	}
	if worst > 1.5*0x1p-23 {
		t.Errorf("relative error %g", worst)
	}
	if Exp(0) != 1 {
		t.Errorf("e^0 is %g", Exp(0))
	}
	for _, x := range []float64{math.Inf(1), math.Inf(-1), 1e30, -1e30} {
		if y := float64(Exp(float32(x))); math.IsNaN(y) || math.IsInf(y, 0) || y == 0 {
			t.Errorf("e^%g is %g", x, y)
		}
	}
	if y := Exp(float32(math.NaN())); y == y {
		t.Errorf("e^NaN is %g", y)
	}
}

func TestVectorKernelsGiveTheReferencesBits(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 9, 31, 64, 1001} {
		src, up := floats(13, n), floats(14, n)
		for i := range src {
			src[i] *= 90
		}
		if n > 9 {
			src[9] = float32(math.Inf(-1))
		}
		type result struct {
			exp, silu []float32
			sum, top  float32
		}
		var got [2]result
		for i, l := range []Level{Generic, detect()} {
			restore := SetLevel(l)
			got[i].exp = make([]float32, n)
			got[i].sum = ExpSum(got[i].exp, src, 1.5)
			got[i].top = Max(src)
			got[i].silu = slices.Clone(src)
			SiLUMul(got[i].silu, up)
			restore()
		}
		same := func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b }
		if !slices.Equal(got[0].exp, got[1].exp) || got[0].sum != got[1].sum ||
			!slices.EqualFunc(got[0].silu, got[1].silu, same) || got[0].top != got[1].top {
			t.Errorf("%d values: the kernels differ from the reference", n)
		}
	}
}

func TestNaNComesThrough(t *testing.T) {
	src := make([]float32, 16)
	src[3] = float32(math.NaN())
	if s := ExpSum(make([]float32, 16), src, 0); s == s {
		t.Errorf("sum with a NaN is %g", s)
	}
	src[4] = 2
	if top := Max(src); top != 2 {
		t.Errorf("maximum is %g, want NaN passed over", top)
	}
}

func TestLogSumExp(t *testing.T) {
	src := floats(15, 5000)
	want := 0.0
	for _, v := range src {
		want += math.Exp(float64(v))
	}
	if lse, _, _ := LogSumExp(src, make([]float32, len(src))); math.Abs(lse-math.Log(want)) > 1e-7 {
		t.Errorf("got %.9f, want %.9f", lse, math.Log(want))
	}
}

func BenchmarkExpSum(b *testing.B) {
	src, dst := floats(16, 4096), make([]float32, 4096)
	b.SetBytes(4 * 4096)
	for b.Loop() {
		ExpSum(dst, src, 1)
	}
}
