package kern

import "math"

// GapSum returns Σ weights[i]·(row[i]−base[i]−m), in float64 and four interleaved partial sums, so
// that its bits do not depend on the machine. The slices have equal length.
func GapSum(weights, base, row []float32, m float64) float64 {
	var lanes [4]float64
	n := 0
	base, row = base[:len(weights)], row[:len(weights)]
	if level >= AVX2 && len(weights) >= 4 {
		n = len(weights) &^ 3
		gapSum4(weights[:n], base, row, m, &lanes)
	}
	for i := n; i < len(weights); i++ {
		x := float64(row[i]) - float64(base[i]) - m
		lanes[i&3] += float64(float64(weights[i]) * x)
	}
	return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

// RestSum returns Σ weights[i]·(e^x − 1 − x) with x = row[i]−base[i]−m, as GapSum does. For weights
// that sum to one and m their mean gap, ln(1 + RestSum) is the divergence of two softmaxes. x is
// clamped to ±700 under the exponential.
func RestSum(weights, base, row []float32, m float64) float64 {
	var lanes [4]float64
	n := 0
	base, row = base[:len(weights)], row[:len(weights)]
	if level >= AVX2 && len(weights) >= 4 {
		n = len(weights) &^ 3
		restSum4(weights[:n], base, row, m, &lanes)
	}
	for i := n; i < len(weights); i++ {
		x := float64(row[i]) - float64(base[i]) - m
		lanes[i&3] += float64(float64(weights[i]) * (exp64(x) - 1 - x))
	}
	return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

// exp64 is e^x by the method of Exp, with the Taylor series to degree 12: beyond it lies less than
// half a unit in the last place.
func exp64(x float64) float64 {
	const (
		magic  = 0x1.8p52
		hi, lo = -6.93147180369123816490e-01, -1.90821492927058770002e-10
	)
	if x < -700 {
		x = -700
	}
	if x > 700 {
		x = 700
	}
	t := float64(x*1.4426950408889634) + magic
	n := t - magic
	x += float64(n * hi)
	x += float64(n * lo)
	p := float64(x * (1. / 479001600))
	for _, c := range [...]float64{1. / 39916800, 1. / 3628800, 1. / 362880, 1. / 40320, 1. / 5040,
		1. / 720, 1. / 120, 1. / 24, 1. / 6, 1. / 2} {
		p = float64((p + c) * x)
	}
	p = float64((p+1)*x) + 1
	const toPower = 1023 - 0x4338000000000000 // 1023 less the bits of magic
	return p * math.Float64frombits(uint64(int64(math.Float64bits(t))+toPower)<<52)
}
