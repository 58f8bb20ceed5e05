package rotate

import (
	"math"
	"testing"
)

func TestAHaarRotationIsOrthogonal(t *testing.T) {
	for _, dim := range []int{1, 3, 64, 80, 128} {
		h := NewHaar(dim, 7)
		v, out, back := ramp(dim), make([]float32, dim), make([]float32, dim)
		h.Forward(out, v)
		h.Inverse(back, out)
		var a, b float64
		for i := range v {
			a += float64(v[i]) * float64(v[i])
			b += float64(out[i]) * float64(out[i])
			if math.Abs(float64(back[i]-v[i])) > 2e-5 {
				t.Fatalf("dim %d: v[%d] = %v came back as %v", dim, i, v[i], back[i])
			}
		}
		if math.Abs(a-b) > 1e-5*a {
			t.Errorf("dim %d: length² %v became %v", dim, a, b)
		}
	}
}

func TestDifferentSeedsGiveDifferentRotations(t *testing.T) {
	a, b := NewHaar(64, 1), NewHaar(64, 2)
	s := 0.0
	unit, x, y := make([]float32, 64*64), make([]float32, 64*64), make([]float32, 64*64)
	for i := range 64 {
		unit[65*i] = 1
	}
	a.Forward(x, unit)
	b.Forward(y, unit)
	for i := range x {
		s += float64(x[i]) * float64(y[i])
	}
	if math.Abs(s) > 40 { // of 64 if they were equal; the spread is about 1
		t.Errorf("inner product %v", s)
	}
}
