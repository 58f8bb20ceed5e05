package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"kvgauge/internal/stats"
	"kvgauge/results"
)

// A value is one quantity as a report shows it: a central number, an interval about it where
// there is one, or the reason why there is no number.
type value struct {
	OK        bool
	X         float64
	Low, High float64
	Interval  string // kind of interval: samples, parametric, none
	N         int    // samples it was made from
	Over      string // what the samples run over
	Flags     []string
	Bare      string // why there is no interval
	Note      string // what to know of the number
	Reason    string // why OK is false
}

// has says whether the value has an interval that means something.
func (v value) has() bool {
	return v.OK && (v.Interval == "samples" || v.Interval == "parametric")
}

// flat says whether an interval has no width: every sample was alike.
func (v value) flat() bool { return v.has() && v.Low == v.High }

// A centre makes one number of samples.
type centre func([]float64) float64

var mean, median centre = stats.Mean, stats.Median

// lookup finds a metric of a record that may be nil, and its samples or the reason why there
// are none.
func lookup(rec *results.Record, name string) (*results.Metric, []float64, string) {
	if rec == nil {
		return nil, nil, "not measured in this run"
	}
	m := rec.Metric(name)
	if _, reason := absence(rec); reason != "" {
		return nil, nil, anonymous(rec, reason)
	}
	switch {
	case m == nil:
		return nil, nil, "not among the metrics of this run"
	case len(m.Values) == 0 && m.Note != "":
		return m, nil, m.Note
	case len(m.Values) == 0:
		return m, nil, "the record holds no samples and gives no reason"
	}
	xs := m.Floats()
	for _, x := range xs {
		if math.IsNaN(x) {
			return m, nil, "a sample is not a number"
		}
	}
	return m, xs, ""
}

// anonymous takes the codec's name out of a reason, so that codecs that lack a number alike share
// a footnote.
func anonymous(rec *results.Record, reason string) string {
	return strings.ReplaceAll(" "+reason, " "+rec.Coord("codec")+" ", " this codec ")[1:]
}

// measure summarises a metric as results.Summarise does: the mean over prompts or the median over
// repeats, with an interval where there are samples enough.
func measure(rec *results.Record, name string) value {
	m, _, reason := lookup(rec, name)
	if reason != "" {
		return value{Reason: reason}
	}
	return summarised(rec.Key(), m)
}

// summarised is measure for a metric that has samples.
func summarised(key string, m *results.Metric) value {
	s := results.Summarise(key, m)
	v := value{OK: true, X: s.Center, N: s.N, Over: m.Over, Flags: m.Flags, Interval: s.Interval.Kind,
		Low: float64(s.Interval.Low), High: float64(s.Interval.High)}
	if !v.has() {
		v.Bare = "no interval: one sample, or none was published"
		if slices.Contains(s.Flags, results.FewSamples) {
			v.Bare = fmt.Sprintf("no interval from %d %s%s: it takes %d", s.N, unit(m.Over), plural(s.N),
				stats.MinSamples)
		}
	}
	return v
}

// unit is what one sample of a metric is.
func unit(over string) string {
	word, _, _ := strings.Cut(over, ",")
	if word == "" {
		return "sample"
	}
	return word
}

// point summarises a metric's samples without an interval.
func point(rec *results.Record, name string, at centre) value {
	m, xs, reason := lookup(rec, name)
	if reason != "" {
		return value{Reason: reason}
	}
	return value{OK: true, X: at(xs), N: len(xs), Over: m.Over, Flags: m.Flags, Interval: "none",
		Note: m.Note}
}

// ratioOf is raw over frame bytes of all prompts together; the mean of ratios would weigh a
// short prompt like a long one.
func ratioOf(rec *results.Record) value { return quotient(rec, "raw_bytes", "ratio") }

// quotient is a metric of bytes over frame bytes, or the mean of a metric that has it by prompt.
func quotient(rec *results.Record, bytes, ratio string) value {
	raw, frame := point(rec, bytes, sum), point(rec, "frame_bytes", sum)
	if !raw.OK || !frame.OK || frame.X <= 0 {
		return point(rec, ratio, mean)
	}
	frame.X = raw.X / frame.X
	return frame
}

func sum(xs []float64) float64 {
	total := 0.0
	for _, x := range xs {
		total += x
	}
	return total
}

// A rate is raw bytes per second of an operation, and that as a multiple of a plain copy of the
// same bytes in the same run.
func rateOf(rec *results.Record, op string) (gbs, times value) {
	t := point(rec, op+"_seconds", median)
	if !t.OK {
		return t, t
	}
	raw := point(rec, "raw_bytes", mean)
	gbs, times = t, t
	switch {
	case !raw.OK:
		gbs = raw
	case t.X <= 0:
		gbs = value{Reason: "the clock was too coarse: a median of 0 s"}
	default:
		gbs.X = raw.X / t.X / 1e9
	}
	fence := point(rec, "copy_seconds", median)
	switch {
	case !fence.OK:
		times = fence
	case t.X <= 0:
		times = gbs
	default:
		times.X = fence.X / t.X
	}
	return gbs, times
}

func lossless(w *row) bool { return w.Rec != nil && w.Rec.Attrs["lossless"] == "true" }

// nameList joins names as a sentence does.
func nameList(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return fmt.Sprintf("%s and %s", strings.Join(names[:last], ", "), names[last])
}
