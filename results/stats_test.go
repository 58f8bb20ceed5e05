package results

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestSummariesResamplePromptsAndTakeMediansOfRepeats(t *testing.T) {
	prompts := &Metric{Name: "kld", Over: "prompt", Values: Numbers(1, 2, 3, 4, 5, 9)}
	s := Summarise("a", prompts)
	if s.N != 6 || s.Center != 4 || s.Interval.Kind != "samples" || s.Interval.Low >= 4 || s.Interval.High <= 4 {
		t.Errorf("%+v", s)
	}
	if again := Summarise("a", prompts); again.Interval != s.Interval {
		t.Error("equal metrics have unequal intervals")
	}
	repeats := Summarise("a", &Metric{Over: "repeat", Values: Numbers(1, 2, 3, 4, 5, 90)})
	if repeats.Center != 3.5 || repeats.Interval.Low != 1 || repeats.Interval.High != 90 {
		t.Errorf("%+v", repeats)
	}
	few := Summarise("a", &Metric{Over: "repeat", Values: Numbers(1, 2, 3)})
	if few.Interval.Kind != "none" || !slices.Contains(few.Flags, FewSamples) ||
		!strings.Contains(few.Note, "need at least 6 samples") {
		t.Errorf("%+v", few)
	}
	flat := Summarise("a", &Metric{Over: "prompt", Values: Numbers(2, 2, 2, 2, 2, 2), Flags: []string{"x"}})
	if !slices.Equal(flat.Flags, []string{"x", ZeroWidth}) {
		t.Errorf("%+v", flat)
	}
	layers := &Metric{Over: "prompt,layer", Dims: []int{2, 3}, Values: Numbers(1, 2, 3, 7, 8, 9)}
	if got := layers.Units(); !slices.Equal(got, []float64{2, 8}) {
		t.Errorf("units %v", got)
	}
	if none := Summarise("a", &Metric{Over: "prompt", Note: "why"}); !math.IsNaN(none.Center) || none.Note != "why" {
		t.Errorf("%+v", none)
	}
}

func TestPairedDifferencesNeedTheSamePrompts(t *testing.T) {
	rec := func(codec string, values ...float64) *Record {
		r := cell(codec)
		r.Labels = []string{"a", "b", "c", "d", "e", "f"}
		r.Metrics = []Metric{{Name: "kld", Kind: Numeric, Over: "prompt", Values: Numbers(values...)}}
		return &r
	}
	a, b := rec("a", 1, 2, 3, 4, 5, 6), rec("b", 1.1, 2.2, 3.1, 4.2, 5.1, 6.3)
	d, err := Paired(a, b, "kld")
	if err != nil || d.N != 6 || math.Abs(d.Mean-1.0/6) > 1e-12 || d.P != 2.0/64 {
		t.Errorf("%+v, %v", d, err)
	}
	if !d.Equivalent(0.5) || d.Equivalent(0.1) {
		t.Errorf("a difference in [%v, %v] is equivalent within 0.5, not 0.1", d.Interval.Low, d.Interval.High)
	}
	same, err := Paired(a, a, "kld")
	if err != nil || same.P != 1 || Holm([]Difference{d, same})[0] != 2*d.P {
		t.Errorf("%+v, %v", same, err)
	}
	b.Labels = []string{"x"}
	if _, err := Paired(a, b, "kld"); err == nil {
		t.Error("other prompts are compared")
	}
	if _, err := Paired(a, a, "ratio"); err == nil {
		t.Error("a metric that is missing is compared")
	}
}
