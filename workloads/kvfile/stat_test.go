package kvfile

import (
	"math"
	"testing"

	"kvgauge/compressors/kv"
)

func near(t *testing.T, what string, got *float64, want, tol float64) {
	t.Helper()
	if got == nil || math.Abs(*got-want) > tol {
		t.Errorf("%s: got %v, want %g ± %g", what, deref(got), want, tol)
	}
}

func deref(x *float64) any {
	if x == nil {
		return nil
	}
	return *x
}

// plane returns a cache of one layer and head whose keys are f(token, channel).
func plane(tokens, dim int, d kv.DType, f func(t, c int) float64) kv.Tensor {
	x := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: tokens, KeyDim: dim}, d)
	for i := range x.Bits[kv.K] {
		x.Bits[kv.K][i] = d.Bits(float32(f(i/dim, i%dim)))
	}
	return x
}

func TestASquareWaveCorrelatesByItsPeriod(t *testing.T) {
	// Eight tokens up, eight down, about a mean of 5: lags 16 and 64 are whole periods.
	s := Stat(plane(128, 4, kv.BF16, func(t, _ int) float64 { return 5 + float64(1-2*(t/8%2)) }), kv.K)
	for i, want := range []float64{1 - 2*15.0/127, 4.0 / 124, 1, 1} {
		near(t, "correlation", s.Correlation[i].R, want, 1e-6)
	}
	// All values are 4 or 6: one exponent.
	near(t, "entropy", s.ExponentEntropy, 0, 0)
	near(t, "first token", s.FirstTokenNorm, 6.0/5, 1e-9)
}

func TestAnOutlierChannelAndASinkAreSeen(t *testing.T) {
	x := plane(64, 8, kv.F16, func(t, c int) float64 {
		v := 1 + 0.5*float64(t%2)
		if c == 3 {
			v *= 12
		}
		return v
	})
	s := Stat(x, kv.K)
	near(t, "outlier channel", s.OutlierChannel, 12, 1e-9)
	near(t, "its maximum", s.OutlierChannelMax, 12, 1e-9)
	for c := range 8 {
		x.Bits[kv.K][c] = 0
	}
	near(t, "first token", Stat(x, kv.K).FirstTokenNorm, 0, 0)
	if r := Stat(x, kv.K).Correlation[3]; r.Tokens != 64 || r.R != nil {
		t.Errorf("a lag of all tokens has correlation %v", deref(r.R))
	}
}

func TestEntropyOfFourEqualExponentsIsTwoBits(t *testing.T) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		s := Stat(plane(8, 4, d, func(_, c int) float64 { return math.Ldexp(1.5, c) }), kv.K)
		near(t, "entropy", s.ExponentEntropy, 2, 1e-12)
		if want := map[kv.DType]int{kv.F16: 5, kv.BF16: 8}[d]; s.ExponentBits != want {
			t.Errorf("%v has %d exponent bits", d, s.ExponentBits)
		}
	}
}

func TestNonFiniteValuesAreCountedAndLeaveTheirPlaneOut(t *testing.T) {
	x := kv.New(kv.Shape{Layers: 2, Heads: 1, Tokens: 2, KeyDim: 2}, kv.F16)
	for i := range x.Bits[kv.K] {
		x.Bits[kv.K][i] = 0x3c00
	}
	x.Bits[kv.K][0], x.Bits[kv.K][1] = 0x7e00, 0xfc00 // NaN, -Inf
	s := Stat(x, kv.K)
	if s.NaNShare != 1.0/8 || s.InfShare != 1.0/8 || s.Planes != 1 {
		t.Errorf("got %+v", s)
	}
	near(t, "first token of the other plane", s.FirstTokenNorm, 1, 0)
	if s.OutlierChannel != nil || s.Correlation[0].R != nil {
		t.Error("constant channels have no outliers and no correlation")
	}
	if Stat(x, kv.V) != nil {
		t.Error("a side without values has statistics")
	}
}

func BenchmarkStat(b *testing.B) {
	x := ramp(kv.Shape{Layers: 4, Heads: 3, Tokens: 512, KeyDim: 64, ValueDim: 64}, kv.BF16)
	b.SetBytes(int64(x.RawBytes() / 2))
	for b.Loop() {
		Stat(x, kv.K)
	}
}
