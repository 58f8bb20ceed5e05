package transfermodel

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A BreakEvenResult is the link rate at which compressing and not compressing tie: below it
// compressing pays, above it it costs. 0 means that it never pays, +Inf that it always does.
type BreakEvenResult struct {
	Rate      ByteRate // the closed form where there is one, else the bisection
	Closed    ByteRate // NaN where the model has no closed form for its parameters
	Bisected  ByteRate
	HasClosed bool
}

// bisection searches rates of one byte per second up to 1e18 of them.
const slowest, fastest = 1.0, 1e18

// BreakEven works out where x ties with its raw transfer under m; x.Link is not read. It is an
// error when closed form and bisection disagree by more than one part in 10⁹: then one of them
// is wrong.
func BreakEven(m Model, x Transfer) (BreakEvenResult, error) {
	x.Link = Gbps
	if err := x.Check(); err != nil {
		return BreakEvenResult{}, err
	}
	r := BreakEvenResult{Closed: ByteRate(math.NaN()), Bisected: bisect(m, x)}
	r.Rate = r.Bisected
	if closed, ok := m.BreakEven(x); ok {
		r.Closed, r.HasClosed, r.Rate = closed, true, closed
		if inside(closed) && math.Abs(float64(r.Bisected/closed)-1) > 1e-9 {
			return r, fmt.Errorf("break-even is %v Gbps in closed form and %v by bisection",
				closed.Gbps(), r.Bisected.Gbps())
		}
	}
	return r, nil
}

func inside(r ByteRate) bool { return r > slowest && r < fastest }

// bisect halves the interval of log rates until it is as narrow as float64 allows.
func bisect(m Model, x Transfer) ByteRate {
	pays := func(rate float64) bool {
		x.Link = ByteRate(rate)
		return m.Lay(x).Ready < m.Raw(x)
	}
	if !pays(slowest) {
		return 0
	}
	if pays(fastest) {
		return ByteRate(math.Inf(1))
	}
	lo, hi := slowest, fastest
	for {
		mid := math.Sqrt(lo) * math.Sqrt(hi)
		if mid <= lo || mid >= hi {
			return ByteRate(lo)
		}
		if pays(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
}

// Samples are measured stage times, in seconds, of the whole cache.
type Samples struct{ Compress, Decompress []float64 }

// ErrFewSamples is returned where there are too few timing samples for an interval.
var ErrFewSamples = errors.New("need at least 6 timing samples for an interval")

// Interval returns the central range of the break-even rate at the given level when the medians
// of the timing samples are bootstrapped, draws times, from rng. The rate at the plain medians
// lies inside unless the samples are skewed beyond use.
func (s Samples) Interval(m Model, x Transfer, level float64, draws int, rng *rand.Rand) (
	low, high ByteRate, err error) {
	if len(s.Compress) < 6 || len(s.Decompress) < 6 {
		return 0, 0, ErrFewSamples
	}
	rates := make([]float64, draws)
	scratch := make([]float64, max(len(s.Compress), len(s.Decompress)))
	for i := range rates {
		x.Compress = nanoseconds(resampledMedian(s.Compress, scratch, rng))
		x.Decompress = nanoseconds(resampledMedian(s.Decompress, scratch, rng))
		r, ok := m.BreakEven(x)
		if !ok {
			r = bisect(m, x)
		}
		rates[i] = float64(r)
	}
	slices.Sort(rates)
	cut := (1 - level) / 2 * float64(draws)
	return ByteRate(rates[int(cut)]), ByteRate(rates[min(draws-1, int(float64(draws)-cut))]), nil
}

func resampledMedian(from, scratch []float64, rng *rand.Rand) float64 {
	pick := scratch[:len(from)]
	for i := range pick {
		pick[i] = from[rng.IntN(len(from))]
	}
	slices.Sort(pick)
	n := len(pick)
	return (pick[(n-1)/2] + pick[n/2]) / 2
}

// Seconds converts a stage time in seconds, as samples have it, for a Transfer.
func Seconds(s float64) time.Duration { return nanoseconds(s) }
