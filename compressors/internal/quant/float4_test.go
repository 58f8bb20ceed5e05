package quant

import (
	"math"
	"testing"
)

func TestE2M1IsTheNearestOfSixteenNumbers(t *testing.T) {
	for i := range 16 * 1000 {
		x := float32(i-8000) / 1000
		if i%7 == 0 {
			x = float32(math.Round(float64(x)*4) / 4) // hits every tie
		}
		best, dist := byte(0), math.Inf(1)
		for c := range byte(8) {
			d := math.Abs(math.Abs(float64(x)) - float64(ValueE2M1(c)))
			if d < dist || d == dist && c%2 == 0 {
				best, dist = c, d
			}
		}
		if math.Signbit(float64(x)) {
			best |= 8
		}
		if got := EncodeE2M1(x); got != best {
			t.Fatalf("%v has code %d, want %d", x, got, best)
		}
		up := EncodeE2M1Up(x)
		if d := math.Abs(float64(x - ValueE2M1(up))); d != dist {
			t.Fatalf("%v has code %d at distance %v, want %v", x, up, d, dist)
		}
	}
	if EncodeE2M1(1e30) != 7 || EncodeE2M1Up(0.25) != 1 || EncodeE2M1(0.25) != 0 {
		t.Error("saturation or ties are wrong")
	}
}

func TestExponentsAreFloorsOfLogarithms(t *testing.T) {
	for e := -149; e <= 127; e++ {
		x := PowerOfTwo(e)
		if float64(x) != math.Ldexp(1, e) || Exponent(x) != e {
			t.Errorf("2^%d is %v with exponent %d", e, x, Exponent(x))
		}
		if below := math.Nextafter32(x, 0); below > 0 && Exponent(below) != e-1 && e > -126 {
			t.Errorf("below 2^%d the exponent is %d", e, Exponent(below))
		}
	}
}
