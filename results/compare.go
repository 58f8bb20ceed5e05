package results

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	"kvgauge/internal/stats"
)

// A Verdict says what became of a value or a cell between two runs.
type Verdict string

// Verdicts. Those that Fails names make the comparison's answer "no".
const (
	Worse     Verdict = "worse"     // an exact value differs, to the bad
	Better    Verdict = "better"    // an exact value differs, to the good: still a difference
	Differs   Verdict = "differs"   // an exact value differs and neither side is better
	Missing   Verdict = "missing"   // the new run lacks it
	Lost      Verdict = "lost"      // done before, now skipped or failed
	Added     Verdict = "added"     // the old run lacks it
	Gained    Verdict = "gained"    // skipped or failed before, now done
	Reworded  Verdict = "reworded"  // skipped or failed in both, for another reason
	Faster    Verdict = "faster"    // timed, significant
	Slower    Verdict = "slower"    // timed, significant
	NoClaim   Verdict = "~"         // timed, may be noise
	Unlike    Verdict = "unlike"    // timed on unlike processors: not comparable
	Tolerated Verdict = "tolerated" // numeric, differs within the tolerance between unlike processors
)

// Fails says whether a verdict makes the new run not as good as the old.
func (v Verdict) Fails() bool {
	return v == Worse || v == Better || v == Differs || v == Missing || v == Lost
}

// A Change is one difference between two runs, or one timed comparison.
type Change struct {
	Cell    string  `json:"cell"`
	Metric  string  `json:"metric,omitempty"` // "" if it is about the whole cell
	Kind    Kind    `json:"kind,omitempty"`
	Verdict Verdict `json:"verdict"`
	Old     Number  `json:"old"` // centres: means over prompts, medians over repeats
	New     Number  `json:"new"`
	Count   int     `json:"count,omitempty"`  // how many of the metric's values differ
	P       Number  `json:"p,omitempty"`      // timed: Mann-Whitney's, adjusted by Holm
	Effect  Number  `json:"effect,omitempty"` // timed: Cliff's delta, 1 if all new ones are longer
	Note    string  `json:"note,omitempty"`
}

// A Comparison is what Compare finds.
type Comparison struct {
	Notes    []string `json:"notes,omitempty"` // what to know of the two runs
	SameCPU  bool     `json:"same_cpu"`
	Cells    int      `json:"cells"` // cells that both have
	Equal    int      `json:"equal"` // exact, simulated and numeric metrics that are equal
	Changes  []Change `json:"changes"`
	Timed    []Change `json:"timed"`
	All      bool     `json:"-"` // text and Markdown also show what is tolerated or may be noise
	old, new *File
}

// OK says whether nothing fails: no difference in what must be equal, and no cell lost.
func (c *Comparison) OK() bool {
	return !slices.ContainsFunc(c.Changes, func(x Change) bool { return x.Verdict.Fails() })
}

// Compare compares two runs cell by cell. Exact and Simulated metrics must be equal; Numeric ones
// too between equal processors, and otherwise within the tolerance that they declare; Timed ones
// are tested by ranks and never fail.
func Compare(old, new *File) *Comparison {
	c := &Comparison{old: old, new: new, Changes: []Change{}, Timed: []Change{}}
	c.headers()
	later := map[string]*Record{}
	for i := range new.Records {
		later[new.Records[i].Key()] = &new.Records[i]
	}
	for i := range old.Records {
		a := &old.Records[i]
		key := a.Key()
		b := later[key]
		delete(later, key)
		if b == nil {
			c.add(Change{Cell: key, Verdict: Missing, Note: "the new run lacks the cell"})
			continue
		}
		c.Cells++
		c.cell(key, a, b)
	}
	for i := range new.Records {
		if key := new.Records[i].Key(); later[key] != nil {
			c.add(Change{Cell: key, Verdict: Added, Note: "the old run lacks the cell"})
		}
	}
	c.adjust()
	return c
}

func (c *Comparison) add(x Change) { c.Changes = append(c.Changes, x) }

func (c *Comparison) headers() {
	a, b := c.old.Header, c.new.Header
	c.SameCPU = a.CPU == b.CPU && a.GOARCH == b.GOARCH && a.GOAMD64 == b.GOAMD64
	if !c.SameCPU {
		c.Notes = append(c.Notes, fmt.Sprintf("processors differ: %s %s%s, then %s %s%s",
			a.CPU, a.GOARCH, a.GOAMD64, b.CPU, b.GOARCH, b.GOAMD64))
	}
	if !bytes.Equal(a.Config, b.Config) {
		c.Notes = append(c.Notes, "configs differ")
	}
	if a.Seed != b.Seed {
		c.Notes = append(c.Notes, fmt.Sprintf("seeds differ: %d, then %d", a.Seed, b.Seed))
	}
	for _, f := range []*File{c.old, c.new} {
		if f.Torn {
			c.Notes = append(c.Notes, f.Path+" ends in a torn line: its run was interrupted")
		}
	}
}

// reason is why a record has no numbers, or "".
func (r *Record) reason() string {
	switch {
	case r.Failed != "":
		return "failed: " + r.Failed
	case r.Skipped != "":
		return "skipped: " + r.Skipped
	}
	return ""
}

func (c *Comparison) cell(key string, a, b *Record) {
	switch was, is := a.reason(), b.reason(); {
	case was == "" && is != "":
		c.add(Change{Cell: key, Verdict: Lost, Note: is})
		return
	case was != "" && is == "":
		c.add(Change{Cell: key, Verdict: Gained, Note: "before, " + was})
		return
	case was != is:
		c.add(Change{Cell: key, Verdict: Reworded, Note: was + "; now " + is})
		return
	case was != "":
		return
	}
	if !slices.Equal(a.Labels, b.Labels) {
		c.add(Change{Cell: key, Verdict: Differs, Note: "other prompts, or in another order"})
		return
	}
	if a.Certificate != nil && b.Certificate != nil {
		if note := a.Certificate.changed(b.Certificate, c.SameCPU); note != "" {
			v := Differs
			if b.Certificate.Verdict == Departs && !b.Certificate.AsStated {
				v = Worse
			}
			c.add(Change{Cell: key, Metric: CertificateType, Verdict: v, Note: note})
		}
	}
	const digest = "payload_sha256"
	exact := a.Coord("source") != "model" || c.SameCPU
	if x, y := a.Attrs[digest], b.Attrs[digest]; exact && x != y {
		c.add(Change{Cell: key, Metric: digest, Verdict: Differs, Note: clip(x) + ", then " + clip(y)})
	}
	for i := range a.Metrics {
		m := &a.Metrics[i]
		n := b.Metric(m.Name)
		switch {
		case n == nil && m.Kind != Timed:
			c.add(Change{Cell: key, Metric: m.Name, Kind: m.Kind, Verdict: Missing})
		case n != nil && m.Kind == Timed && n.Kind == Timed:
			c.timed(key, m, n)
		case n != nil:
			c.metric(key, m, n)
		}
	}
	for i := range b.Metrics {
		if n := &b.Metrics[i]; a.Metric(n.Name) == nil {
			c.add(Change{Cell: key, Metric: n.Name, Kind: n.Kind, Verdict: Added})
		}
	}
}

func clip(digest string) string { return digest[:min(12, len(digest))] }

func (c *Comparison) metric(key string, m, n *Metric) {
	x := Change{Cell: key, Metric: m.Name, Kind: m.Kind,
		Old: Number(plainCentre(m)), New: Number(plainCentre(n))}
	if m.Kind != n.Kind || len(m.Values) != len(n.Values) {
		x.Verdict = Differs
		x.Note = fmt.Sprintf("%d %s values, then %d %s", len(m.Values), m.Kind, len(n.Values), n.Kind)
		c.add(x)
		return
	}
	for i := range m.Values {
		if math.Float64bits(float64(m.Values[i])) != math.Float64bits(float64(n.Values[i])) {
			x.Count++
		}
	}
	if x.Count == 0 {
		c.Equal++
		return
	}
	switch worse := float64(x.New-x.Old) * float64(m.Better); {
	case m.Kind == Numeric && !c.SameCPU && within(m, float64(x.Old), float64(x.New)):
		x.Verdict = Tolerated
	case worse < 0:
		x.Verdict = Worse
	case worse > 0:
		x.Verdict = Better
	default:
		x.Verdict = Differs
	}
	c.add(x)
}

// plainCentre is the mean of all values, or the median over repeats.
func plainCentre(m *Metric) float64 {
	if m.Over == "repeat" {
		return stats.Median(m.Floats())
	}
	return stats.Mean(m.Floats())
}

// within says whether two centres are as near as the metric allows between unlike processors.
func within(m *Metric, a, b float64) bool {
	return math.Abs(a-b) <= max(m.AbsTolerance, m.Tolerance*max(math.Abs(a), math.Abs(b)))
}

// timed compares two samples of times by ranks. Times that follow from a codec's own, and those of
// a plain copy, would only widen the family of tests.
func (c *Comparison) timed(key string, m, n *Metric) {
	if len(m.Values) == 0 || len(n.Values) == 0 || m.Over != "repeat" || m.Better == 0 ||
		!strings.HasPrefix(key, "codec|") {
		return
	}
	t := stats.MannWhitney(n.Floats(), m.Floats())
	c.Timed = append(c.Timed, Change{Cell: key, Metric: m.Name, Kind: Timed,
		Old: Number(plainCentre(m)), New: Number(plainCentre(n)),
		P: Number(t.P), Effect: Number(t.Effect)})
}

// significance is the level of Faster and Slower after Holm's adjustment over all timed metrics.
const significance = 0.05

func (c *Comparison) adjust() {
	ps := make([]float64, len(c.Timed))
	for i, x := range c.Timed {
		ps[i] = float64(x.P)
	}
	for i, p := range stats.Holm(ps) {
		x := &c.Timed[i]
		x.P = Number(p)
		switch {
		case !c.SameCPU:
			x.Verdict = Unlike
		case !(p < significance):
			x.Verdict = NoClaim
		case x.New > x.Old:
			x.Verdict = Slower
		default:
			x.Verdict = Faster
		}
	}
}
