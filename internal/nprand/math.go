package nprand

import "math"

// math.Exp and math.Log1p are assembly on some platforms and may fuse a multiplication into an
// addition on others. These two leave nothing to the compiler, so they return the same bits
// everywhere. Both follow the method of Sun's fdlibm. The tail of the normal shows the last bit
// of log1p, so that one also fuses where the C library does that numpy calls on Linux and x86-64
// (glibc on a processor with FMA); elsewhere numpy's own tail differs from it in that bit.

const (
	ln2Hi = 6.93147180369123816490e-01
	ln2Lo = 1.90821492927058770002e-10
)

// exp returns e^x for x in [-700, 0], to within one unit in the last place.
func exp(x float64) float64 {
	k := math.Trunc(float64(x*math.Log2E) - 0.5)
	hi := x - float64(k*ln2Hi)
	lo := float64(k * ln2Lo)
	r := hi - lo
	t := float64(r * r)
	p := 4.13813679705723846039e-08
	for _, c := range [...]float64{
		-1.65339022054652515390e-06, 6.61375632143793436117e-05,
		-2.77777777770155933842e-03, 1.66666666666666019037e-01,
	} {
		p = c + float64(t*p)
	}
	c := r - float64(t*p)
	y := 1 - ((lo - float64(r*c)/(2-c)) - hi)
	return math.Ldexp(y, int(k))
}

// The coefficients of log(1+f) - f in s² where s = f/(2+f).
const (
	lp1 = 6.666666666666735130e-01
	lp2 = 3.999999999940941908e-01
	lp3 = 2.857142874366239149e-01
	lp4 = 2.222219843214978396e-01
	lp5 = 1.818357216161805012e-01
	lp6 = 1.531383769920937332e-01
	lp7 = 1.479819860511658591e-01
)

// log1p returns ln(1+x) for x in (-1, 0], to within one unit in the last place.
func log1p(x float64) float64 {
	const (
		tiny    = -0x1p-29
		tiniest = -0x1p-54
		rootTwo = 0x6a09e // upper word of the fraction of √2
	)
	switch {
	case x > tiniest:
		return x
	case x > tiny:
		return x - float64(float64(x*x)*0.5)
	case math.Float64bits(x)>>32 <= 0xbfd2bec3: // 1+x above 1/√2 needs no scaling
		f := x
		half, s, r := series(f)
		return f - (half - float64(s*(half+r)))
	}
	// 1+x = 2^k (1+f) with 1+f between 1/√2 and √2, and c makes up for rounding 1+x to u.
	u := 1 + x
	c := (x - (u - 1)) / u
	b := math.Float64bits(u)
	k := float64(int(b>>52) - 1023)
	exponent := uint64(1023)
	if b>>32&(1<<20-1) >= rootTwo {
		k++
		exponent--
	}
	f := math.Float64frombits(exponent<<52|b&(1<<52-1)) - 1
	half, s, r := series(f)
	rest := (half - (float64(s*(half+r)) + math.FMA(k, ln2Lo, c))) - f
	return math.FMA(k, ln2Hi, -rest)
}

// series returns f²/2, s = f/(2+f) and the remainder of the expansion of ln(1+f) in s².
func series(f float64) (half, s, r float64) {
	half = float64(0.5 * f * f)
	s = f / (2 + f)
	z := s * s
	z2 := z * z
	z4 := z2 * z2
	r = math.FMA(z, lp1, float64(z2*math.FMA(z, lp3, lp2)))
	r = math.FMA(z4, math.FMA(z, lp5, lp4), r)
	r = math.FMA(float64(z2*z4), math.FMA(z, lp7, lp6), r)
	return half, s, r
}
