package stats

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Draws is how often intervals resample.
const Draws = 10000

// MinSamples is the fewest values from which an interval is made.
const MinSamples = 6

// MeanInterval returns the bias-corrected and accelerated bootstrap interval (Efron, 1987) of the
// mean at the given level, from Draws resamples of xs. It needs MinSamples values; ok is false
// with fewer, or where a value is not finite.
func MeanInterval(xs []float64, level float64, rng *rand.Rand) (low, high float64, ok bool) {
	n := len(xs)
	if n < MinSamples || !finite(xs) {
		return 0, 0, false
	}
	center := Mean(xs)
	draws := make([]float64, Draws)
	below := 0.0
	for i := range draws {
		sum := 0.0
		for range n {
			sum += xs[rng.IntN(n)]
		}
		draws[i] = sum / float64(n)
		switch {
		case draws[i] < center:
			below++
		case draws[i] == center:
			below += 0.5
		}
	}
	slices.Sort(draws)
	if draws[0] == draws[Draws-1] {
		return draws[0], draws[0], true
	}
	below = min(max(below, 1), Draws-1) / Draws
	bias, accel := distuv.UnitNormal.Quantile(below), acceleration(xs, center)
	at := func(p float64) float64 {
		z := bias + distuv.UnitNormal.Quantile(p)
		return SortedQuantile(draws, distuv.UnitNormal.CDF(bias+z/(1-accel*z)))
	}
	tail := (1 - level) / 2
	return at(tail), at(1 - tail), true
}

// acceleration is Efron's, by the jackknife; of a mean it is a sixth of the skewness over √n.
func acceleration(xs []float64, mean float64) float64 {
	var squares, cubes float64
	for _, x := range xs {
		d := x - mean
		squares += d * d
		cubes += d * d * d
	}
	if squares == 0 {
		return 0
	}
	return cubes / (6 * math.Pow(squares, 1.5))
}

// MedianInterval returns the distribution-free interval of the median between two order
// statistics, whose coverage is at least level; ok is false where there are too few values for
// one. With level 0.95 it takes MinSamples.
func MedianInterval(xs []float64, level float64) (low, high float64, ok bool) {
	s := slices.Clone(xs)
	slices.Sort(s)
	n := len(s)
	b := distuv.Binomial{N: float64(n), P: 0.5}
	k := -1 // the largest k for which both tails, of k values and fewer, fit
	for k+1 < n/2 && 2*b.CDF(float64(k+1)) <= 1-level {
		k++
	}
	if k < 0 {
		return 0, 0, false
	}
	return s[k], s[n-1-k], true
}

func finite(xs []float64) bool {
	for _, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// SignFlip returns the two-sided p-value of paired differences under the hypothesis that each is
// as likely to have the other sign: exact up to 16 of them, from Draws flips beyond.
func SignFlip(diffs []float64, rng *rand.Rand) float64 {
	n := len(diffs)
	if n == 0 || !finite(diffs) {
		return math.NaN()
	}
	total := math.Abs(flipped(diffs, 0))
	limit := total - 1e-12*total
	if n <= 16 {
		extreme := 0
		for signs := range uint64(1) << n {
			if math.Abs(flipped(diffs, signs)) >= limit {
				extreme++
			}
		}
		return float64(extreme) / float64(uint64(1)<<n)
	}
	extreme := 1 // the observed one
	signs := make([]uint64, (n+63)/64)
	for range Draws {
		for i := range signs {
			signs[i] = rng.Uint64()
		}
		sum := 0.0
		for i := 0; i < n; i += 64 {
			sum += flipped(diffs[i:min(n, i+64)], signs[i/64])
		}
		if math.Abs(sum) >= limit {
			extreme++
		}
	}
	return float64(extreme) / (Draws + 1)
}

// flipped sums up to 64 differences, negating those whose bit is set.
func flipped(diffs []float64, signs uint64) float64 {
	sum := 0.0
	for i, d := range diffs {
		if signs>>i&1 != 0 {
			d = -d
		}
		sum += d
	}
	return sum
}

// Holm returns p-values adjusted for a family of tests by Holm's step-down method (1979), in the
// order given. NaN stays NaN and does not count.
func Holm(ps []float64) []float64 {
	var order []int
	for i, p := range ps {
		if !math.IsNaN(p) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ps[a], ps[b]) })
	out := slices.Clone(ps)
	most := 0.0
	for rank, i := range order {
		most = max(most, min(1, ps[i]*float64(len(order)-rank)))
		out[i] = most
	}
	return out
}
