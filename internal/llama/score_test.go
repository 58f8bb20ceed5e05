package llama

import (
	"math"
	"testing"
)

// softmax returns the log-probabilities of logits, the plain way.
func softmax(x []float32) (out []float64) {
	sum, high := 0.0, math.Inf(-1)
	for _, v := range x {
		high = max(high, float64(v))
	}
	for _, v := range x {
		sum += math.Exp(float64(v) - high)
	}
	for _, v := range x {
		out = append(out, float64(v)-high-math.Log(sum))
	}
	return out
}

func TestCompareIsKullbackLeiblers(t *testing.T) {
	base := []float32{0, 1, -2, 3, 0.5, 0.25}
	for name, row := range map[string][]float32{
		"near":     {0.01, 1, -2, 3, 0.5, 0.2},
		"changed":  {1, 0.5, -2, 2, 0, 5},
		"shifted":  {50, 51, 48, 53, 50.5, 50},
		"far":      {0, 1, 700, 3, 1, 1},
		"very far": {-3e4, 1, 700, -1e4, 1, 3e4},
	} {
		a, b := softmax(base), softmax(row)
		want := 0.0
		for i := range a {
			want += math.Exp(a[i]) * (a[i] - b[i])
		}
		var got [2]Score
		Compare([][]float32{base, row}, 2, got[:])
		if math.Abs(got[1].KLD-want) > 1e-5*want || got[1].Same != (got[1].Top == 3) {
			t.Errorf("%s: %+v, want divergence %g", name, got[1], want)
		}
		if math.Abs(got[0].NLL+a[2]) > 1e-6 || math.Abs(got[1].NLL+b[2]) > 1e-6*(1-b[2]) {
			t.Errorf("%s: NLL %g and %g, want %g and %g", name, got[0].NLL, got[1].NLL, -a[2], -b[2])
		}
	}
}

// A base that all but rules out what the other ranks first: its probability is far below what
// float32 holds.
func TestCompareOfDistributionsFarApart(t *testing.T) {
	base, row := []float32{0, -200, -90, -3}, []float32{-90, 0, -100, -3}
	a, b := softmax(base), softmax(row)
	want := 0.0
	for i := range a {
		want += math.Exp(a[i]) * (a[i] - b[i])
	}
	var got [2]Score
	Compare([][]float32{base, row}, 1, got[:])
	if math.Abs(got[1].KLD-want) > 1e-6*want || math.Abs(got[1].NLL+b[1]) > 1e-6 {
		t.Errorf("%+v, want divergence %g and NLL %g", got[1], want, -b[1])
	}
}

// Small divergences keep their digits: here the plain formula in float64 still has most of its own.
func TestCompareOfNearlyEqualDistributions(t *testing.T) {
	n := 5000
	base, row := make([]float32, n), make([]float32, n)
	for i := range base {
		base[i] = float32(3 * math.Sin(float64(i)))
		row[i] = base[i] + float32(1e-4*math.Cos(float64(i*i)))
	}
	a, b := softmax(base), softmax(row)
	want := 0.0
	for i := range a {
		want += math.Exp(a[i]) * (a[i] - b[i])
	}
	var got [3]Score
	Compare([][]float32{base, row, base}, 0, got[:])
	if math.Abs(got[1].KLD-want) > 1e-4*want {
		t.Errorf("divergence %g, want %g", got[1].KLD, want)
	}
	if got[2].KLD != 0 || got[2].NLL != got[0].NLL {
		t.Errorf("an equal row has divergence %g and NLL %g, want 0 and %g", got[2].KLD, got[2].NLL, got[0].NLL)
	}
}
