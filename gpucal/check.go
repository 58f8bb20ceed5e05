package gpucal

import (
	"fmt"
	"math"
)

// CheckFits returns a line for each fit that is not what the rows give, one for each that is
// missing, and none if all is well. Numbers may differ in the seventh digit.
func (c *Calibration) CheckFits() []string {
	var wrong []string
	fits, _ := c.MakeFits()
	for i := range fits {
		want := &fits[i]
		got := c.fitOf(want.Codec, want.Op)
		switch {
		case got == nil:
			wrong = append(wrong, fmt.Sprintf("no fit of %s %s, which has %d rows for one",
				want.Codec, want.Op, want.Rows))
		case !got.near(want):
			wrong = append(wrong, fmt.Sprintf(
				"fit of %s %s says %.7g s + %.7g s/byte over %d rows, they give %.7g + %.7g over %d",
				want.Codec, want.Op, got.Alpha, got.Beta, got.Rows, want.Alpha, want.Beta, want.Rows))
		}
	}
	if len(c.Fits) > len(fits) {
		wrong = append(wrong, fmt.Sprintf("%d fits, the rows give %d", len(c.Fits), len(fits)))
	}
	return wrong
}

func (f *Fit) near(g *Fit) bool {
	return f.MinBytes == g.MinBytes && f.MaxBytes == g.MaxBytes && f.Rows == g.Rows &&
		near(f.Alpha, g.Alpha) && near(f.Beta, g.Beta) && near(f.MaxResidual, g.MaxResidual) &&
		near(f.MedianResidual, g.MedianResidual) && near(f.Roofline, g.Roofline)
}

func near(a, b float64) bool { return math.Abs(a-b) <= 2e-6*max(math.Abs(a), math.Abs(b), 1e-12) }

// Differences returns a line for each row in which c is not what source holds: another time,
// other bytes, missing on one side.
func (c *Calibration) Differences(source *Calibration) []string {
	var out []string
	have := map[string]*Row{}
	for i := range c.Rows {
		have[c.Rows[i].key()] = &c.Rows[i]
	}
	for i := range source.Rows {
		want := &source.Rows[i]
		key := want.key()
		got := have[key]
		delete(have, key)
		switch {
		case got == nil:
			out = append(out, "no row for "+key)
		case !near(got.Median, want.Median) || !near(got.Std, want.Std):
			out = append(out, fmt.Sprintf("%s: %v s ± %v, the source gives %v ± %v", key,
				got.Median, got.Std, want.Median, want.Std))
		case got.BytesIn != want.BytesIn || got.BytesOut != want.BytesOut:
			out = append(out, fmt.Sprintf("%s: %d bytes to %d, the source gives %d to %d", key,
				got.BytesIn, got.BytesOut, want.BytesIn, want.BytesOut))
		}
	}
	for i := range c.Rows {
		if key := c.Rows[i].key(); have[key] != nil {
			out = append(out, "the source has no row for "+key)
		}
	}
	if c.Origin.SHA256 != source.Origin.SHA256 {
		out = append(out, fmt.Sprintf("made from a file with SHA-256 %s, the source has %s",
			c.Origin.SHA256, source.Origin.SHA256))
	}
	return out
}
