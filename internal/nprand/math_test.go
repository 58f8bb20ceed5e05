package nprand

import (
	"math"
	"math/big"
	"testing"
)

// ulps is the distance from got to want in units of want's last place.
func ulps(got float64, want *big.Float) float64 {
	w, _ := want.Float64()
	unit := math.Nextafter(math.Abs(w), math.Inf(1)) - math.Abs(w)
	diff := new(big.Float).Sub(want, big.NewFloat(got))
	d, _ := diff.Float64()
	return math.Abs(d) / unit
}

// bigExp sums the series of e^x after halving x until it is small.
func bigExp(x float64) *big.Float {
	const halvings, terms = 12, 20
	y := new(big.Float).SetPrec(200).SetFloat64(math.Ldexp(x, -halvings))
	sum := new(big.Float).SetPrec(200).SetInt64(1)
	term := new(big.Float).SetPrec(200).SetInt64(1)
	for n := int64(1); n <= terms; n++ {
		term.Mul(term, y)
		term.Quo(term, new(big.Float).SetInt64(n))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum
}

// bigLog1p refines the library's logarithm by one Newton step in high precision.
func bigLog1p(x float64) *big.Float {
	y := math.Log1p(x)
	one := new(big.Float).SetPrec(200).SetInt64(1)
	u := new(big.Float).SetPrec(200).Add(one, big.NewFloat(x))
	u.Quo(u, bigExp(y))
	u.Sub(u, one) // ln(1+x) = y + ln(1+d), and d is about 1e-17
	d2 := new(big.Float).SetPrec(200).Mul(u, u)
	u.Sub(u, d2.Quo(d2, big.NewFloat(2)))
	return u.Add(u, new(big.Float).SetPrec(200).SetFloat64(y))
}

func TestExpAndLog1pAreWithinOneUnitInTheLastPlace(t *testing.T) {
	g := New(11)
	worstExp, worstLog := 0.0, 0.0
	for i := range 20000 {
		x := -8 * g.Float64()
		if i%4 == 0 {
			x = -700 * g.Float64()
		}
		worstExp = max(worstExp, ulps(exp(x), bigExp(x)))
		y := -math.Ldexp(g.Float64(), -int(g.Integers(0, 60)))
		worstLog = max(worstLog, ulps(log1p(y), bigLog1p(y)))
	}
	t.Logf("worst: exp %.3f, log1p %.3f units in the last place", worstExp, worstLog)
	if worstExp > 1 || worstLog > 1 {
		t.Errorf("exp is off by %.3f, log1p by %.3f units in the last place", worstExp, worstLog)
	}
	if exp(0) != 1 || log1p(0) != 0 {
		t.Errorf("exp(0) = %v, log1p(0) = %v", exp(0), log1p(0))
	}
}

// The layers of a ziggurat have equal areas and meet the curve at their edges.
func TestTablesFollowTheirConstruction(t *testing.T) {
	normal := func(x float64) float64 { return math.Exp(-x * x / 2) }
	tail := math.Sqrt(math.Pi/2) * math.Erfc(normalR/math.Sqrt2)
	checkTables(t, "normal", normal, normalR, tail, 0x1p52, &ki, &wi, &fi)
	falling := func(x float64) float64 { return math.Exp(-x) }
	checkTables(t, "exponential", falling, expR, math.Exp(-expR), 0x1p53, &ke, &we, &fe)
}

func checkTables(t *testing.T, name string, f func(float64) float64, r, tail, scale float64,
	k *[256]uint64, w, h *[256]float64) {
	near := func(what string, i int, got, want float64) {
		if math.Abs(got-want) > 1e-12*math.Abs(want) {
			t.Errorf("%s, layer %d: %s is %v, want %v", name, i, what, got, want)
		}
	}
	area := r*f(r) + tail
	near("base", 0, w[0]*scale, area/f(r))
	near("base bound", 0, float64(k[0]), r*f(r)/area*scale)
	near("edge", 255, w[255]*scale, r)
	near("top", 0, h[0], 1)
	if k[1] != 0 {
		t.Errorf("%s: the top layer has a rectangle", name)
	}
	for i := 1; i < 256; i++ {
		x := w[i] * scale
		near("height", i, h[i], f(x))
		near("area", i, x*(h[i-1]-h[i]), area)
		if i > 1 {
			near("bound", i, float64(k[i]), w[i-1]/w[i]*scale)
		}
	}
}
