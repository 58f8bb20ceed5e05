package results

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"kvgauge/internal/stats"
)

// Level is the confidence level of intervals.
const Level = 0.95

// A Summary is what a report prints of a metric's samples.
type Summary struct {
	N        int     // independent samples: prompts or repeats
	Center   float64 // mean over prompts, median over repeats; NaN without samples
	Interval Interval
	Flags    []string // zero-width, few-samples, and those of the metric
	Note     string   // why there is no number, or no interval
}

// Flags that a summary adds.
const (
	ZeroWidth  = "zero-width"  // all samples are equal: the interval says nothing of noise
	FewSamples = "few-samples" // fewer than 6: no interval is drawn
)

// Summarise works out the centre and the 95 % interval of metric m of a record with the given
// key. The unit of resampling is the prompt: over prompts the interval is a bootstrap of the mean
// (BCa, 10,000 draws from a stream named by key and metric, so that equal runs give equal
// intervals), over repeats the order-statistic interval of the median. Values over prompt and
// layer are first averaged over layers.
func Summarise(key string, m *Metric) Summary {
	s := Summary{Flags: slices.Clone(m.Flags), Note: m.Note, Interval: Interval{Kind: "none"}}
	xs := m.Units()
	s.N = len(xs)
	over, _, _ := strings.Cut(m.Over, ",")
	if s.Center = stats.Mean(xs); over == "repeat" {
		s.Center = stats.Median(xs)
	}
	if m.Interval != nil {
		s.Interval = *m.Interval
		return s
	}
	if over == "" || len(xs) == 0 {
		return s
	}
	if len(xs) < stats.MinSamples {
		s.Flags = append(s.Flags, FewSamples)
		why := fmt.Sprintf("; need at least %d samples for an interval, have %d",
			stats.MinSamples, len(xs))
		s.Note = strings.TrimPrefix(s.Note+why, "; ")
		return s
	}
	low, high, ok := 0.0, 0.0, false
	if over == "repeat" {
		low, high, ok = stats.MedianInterval(xs, Level)
	} else {
		low, high, ok = stats.MeanInterval(xs, Level, stats.Stream(0, key+"|"+m.Name))
	}
	if !ok {
		return s
	}
	s.Interval = Interval{Kind: "samples", Level: Level, Low: Number(low), High: Number(high)}
	if low == high {
		s.Flags = append(s.Flags, ZeroWidth)
	}
	return s
}

// Units returns one value for each independent unit, prompt or repeat: of values over
// "prompt,layer" the mean over layers.
func (m *Metric) Units() []float64 {
	xs := m.Floats()
	if len(m.Dims) < 2 || m.Dims[0] == 0 {
		return xs
	}
	inner := len(xs) / m.Dims[0]
	if inner == 0 {
		return nil
	}
	out := make([]float64, 0, m.Dims[0])
	for part := range slices.Chunk(xs, inner) {
		out = append(out, stats.Mean(part))
	}
	return out
}

// A Difference compares one metric between two cells of a run, paired by prompt.
type Difference struct {
	N        int     // prompts that both have
	Mean     float64 // of b - a
	Interval Interval
	P        float64 // two-sided, by flipping signs; NaN with fewer than 6 pairs
	Note     string  // why there is no number
}

// Paired compares metric name of record b with that of a, prompt by prompt. It refuses records
// of different prompts.
func Paired(a, b *Record, name string) (Difference, error) {
	d := Difference{Mean: math.NaN(), P: math.NaN(), Interval: Interval{Kind: "none"}}
	ma, mb := a.Metric(name), b.Metric(name)
	if ma == nil || mb == nil || len(ma.Values) == 0 || len(mb.Values) == 0 {
		return d, fmt.Errorf("metric %s is not in both %s and %s", name, a.Key(), b.Key())
	}
	x, y := ma.Units(), mb.Units()
	if len(x) != len(y) || !slices.Equal(a.Labels, b.Labels) {
		return d, fmt.Errorf("%s and %s were not measured on the same prompts", a.Key(), b.Key())
	}
	diffs := make([]float64, len(x))
	for i := range x {
		diffs[i] = y[i] - x[i]
	}
	d.N, d.Mean = len(diffs), stats.Mean(diffs)
	if d.N < stats.MinSamples {
		d.Note = fmt.Sprintf("need at least %d prompts for an interval, have %d", stats.MinSamples, d.N)
		return d, nil
	}
	stream := stats.Stream(0, a.Key()+"|"+b.Key()+"|"+name)
	d.P = stats.SignFlip(diffs, stream)
	if low, high, ok := stats.MeanInterval(diffs, Level, stream); ok {
		d.Interval = Interval{Kind: "samples", Level: Level, Low: Number(low), High: Number(high)}
	}
	return d, nil
}

// Holm adjusts the p-values of a family of differences.
func Holm(ds []Difference) []float64 {
	ps := make([]float64, len(ds))
	for i := range ds {
		ps[i] = ds[i].P
	}
	return stats.Holm(ps)
}

// Equivalent says whether the difference lies within ±margin: its 95 % interval is inside. That is
// stricter than two one-sided tests at 5 % (Schuirmann, 1987), which look at the 90 % interval. It
// is false without an interval: no evidence is not equivalence.
func (d Difference) Equivalent(margin float64) bool {
	return d.Interval.Kind == "samples" &&
		float64(d.Interval.Low) > -margin && float64(d.Interval.High) < margin
}
