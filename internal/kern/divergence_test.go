package kern

import (
	"math"
	"testing"
)

func TestExp64IsAccurate(t *testing.T) {
	for i := -69900; i <= 69900; i++ {
		x := float64(i) / 100.01
		if want := math.Exp(x); math.Abs(exp64(x)-want) > 5e-16*want {
			t.Fatalf("e^%g is %.17g, want %.17g", x, exp64(x), want)
		}
	}
	if exp64(0) != 1 || exp64(math.NaN()) == exp64(math.NaN()) {
		t.Error("e^0 must be 1, e^NaN NaN")
	}
}

func TestDivergenceSumsAreTheReferences(t *testing.T) {
	for _, n := range []int{0, 3, 4, 9, 1000} {
		w, a, b := floats(30, n), floats(31, n), floats(32, n)
		for i := range b {
			b[i] *= 3
		}
		if n == 1000 {
			b[7], b[9] = 5000, -5000
		}
		var got [2][2]float64
		for i, l := range []Level{Generic, detect()} {
			restore := SetLevel(l)
			got[i] = [2]float64{GapSum(w, a, b, 0.25), RestSum(w, a, b, 0.25)}
			restore()
		}
		if got[0] != got[1] {
			t.Errorf("%d values: vector %v, reference %v", n, got[1], got[0])
		}
		gap, rest := 0.0, 0.0
		for i := range w {
			x := float64(b[i]) - float64(a[i]) - 0.25
			gap += float64(w[i]) * x
			rest += float64(w[i]) * (math.Exp(max(-700, min(700, x))) - 1 - x)
		}
		if math.Abs(got[0][0]-gap) > 1e-9*(1+math.Abs(gap)) || math.Abs(got[0][1]-rest) > 1e-9*(1+math.Abs(rest)) {
			t.Errorf("%d values: sums %v, want %g and %g", n, got[0], gap, rest)
		}
	}
}
