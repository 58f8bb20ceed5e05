package compressors

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"kvgauge/compressors/kv"
)

// A Checked is a certificate that was put to the test.
type Checked struct {
	Codec      string          `json:"codec"`
	Paper      string          `json:"paper"`
	Verdict    Verdict         `json:"verdict"`
	AsStated   bool            `json:"as_stated,omitempty"` // departs only as the certificate says
	Reason     string          `json:"reason,omitempty"`    // of a verdict that needs one
	Deviations []string        `json:"deviations,omitempty"`
	Anchors    []CheckedAnchor `json:"anchors,omitempty"`
	Beyond     []Claim         `json:"beyond,omitempty"`
	UseWhen    string          `json:"use_when,omitempty"`
}

// A CheckedAnchor is an anchor and the number that was measured. Ours is rounded to four digits,
// so that it is equal on every platform, and nil where it could not be measured: Reason says why.
type CheckedAnchor struct {
	Spec     Spec     `json:"spec"`
	Measure  string   `json:"measure"`
	Source   string   `json:"source"`
	Bound    Bound    `json:"bound,omitempty"`
	Want     float64  `json:"want"`
	Within   float64  `json:"within"`
	Ours     *float64 `json:"ours"`
	Numeric  bool     `json:"numeric,omitempty"` // of a model's cache, whose floating point is the CPU's
	Basis    Basis    `json:"basis"`
	From     string   `json:"from"`
	Verdict  Verdict  `json:"verdict"`
	AsStated bool     `json:"as_stated,omitempty"` // departs as the certificate says
	Reason   string   `json:"reason,omitempty"`

	stated bool // the certificate says that it departs
}

// A Checker puts certificates to the test. The zero value is ready; it keeps the sources that it
// made, and may not be used from several goroutines at once.
type Checker struct {
	// Outside returns the data of a source that has no Make, or an error that says why there are
	// none. It may be nil: then such anchors are not checkable here.
	Outside func(source string) (Data, error)

	// Slow also measures anchors that take seconds. Without it they are not checkable.
	Slow bool

	sources map[string]kv.Tensor
}

var (
	errSlow   = errors.New("takes seconds; tests check it")
	errNoData = errors.New("its data are not at hand; tests with them check it")
)

// Check measures every anchor of a codec's, token dropper's or byte coder's certificate. Its error
// is that of an unknown name. What has no certificate is not checkable here, for that reason.
func (k *Checker) Check(name string) (Checked, error) {
	info, err := Describe(name)
	if err != nil {
		return Checked{}, err
	}
	c, ok := certificates[name]
	out := Checked{Codec: name, Paper: c.Paper, Deviations: c.Deviations, Beyond: c.Beyond,
		UseWhen: c.UseWhen, Verdict: NotCheckable}
	if out.Paper == "" {
		out.Paper = info.Source
	}
	if !ok {
		out.Reason = "no certificate given"
		return out, nil
	}
	passes := map[[2]string]onePass{}
	for _, a := range c.Anchors {
		if a.Spec == "" {
			a.Spec = name
		}
		if a.Source.Name == "" {
			a.Source = White
		}
		out.Anchors = append(out.Anchors, k.check(a, passes))
	}
	out.conclude()
	return out, nil
}

// conclude sets the verdict of the whole from those of the anchors.
func (c *Checked) conclude() {
	rank := []Verdict{AnchorMet, OracleChecked, RateChecked, NotCheckable}
	best := len(rank) - 1
	for _, a := range c.Anchors {
		if a.Verdict == Departs && (c.Verdict != Departs || c.AsStated && !a.AsStated) {
			c.Verdict, c.AsStated = Departs, a.AsStated
			c.Reason = fmt.Sprintf("%s: %s of %s: %s", a.Spec, a.Measure, a.Source, a.Reason)
		}
		for i, v := range rank[:best] {
			if a.Verdict == v {
				best = i
			}
		}
	}
	if c.Verdict == Departs {
		return
	}
	c.Verdict = rank[best]
	switch {
	case c.Verdict != NotCheckable:
		c.Reason = c.elsewhere()
	case len(c.Anchors) > 0:
		c.Reason = c.Anchors[0].Source + ": " + c.Anchors[0].Reason
	case len(c.Beyond) > 0:
		c.Reason = "takes " + c.Beyond[0].Takes
	default:
		c.Reason = "its certificate has no anchor"
	}
}

// elsewhere says on which source the codec is known to depart that was not at hand, or "".
func (c *Checked) elsewhere() string {
	for i := range c.Anchors {
		if a := &c.Anchors[i]; a.Ours == nil && a.stated {
			return fmt.Sprintf("departs on %s: %s: %s", a.Source, a.Measure, a.Reason)
		}
	}
	return ""
}

// Measure measures one anchor, whose Spec is given.
func (k *Checker) Measure(a Anchor) CheckedAnchor { return k.check(a, map[[2]string]onePass{}) }

// onePass is what became of one spec on one source; anchors share it.
type onePass struct {
	Pass
	err error
}

func (k *Checker) check(a Anchor, passes map[[2]string]onePass) CheckedAnchor {
	out := CheckedAnchor{Spec: Spec(a.Spec), Measure: a.Measure.Name, Source: a.Source.Name,
		Bound: a.Bound, Want: a.Want, Within: a.Within, Basis: a.Basis, From: a.From,
		Numeric: a.Source.Make == nil}
	data, err := k.data(a)
	if err != nil {
		out.Verdict, out.Reason = NotCheckable, err.Error()
		if a.Departs != nil {
			out.stated = true
			out.Reason += "; the certificate says " + a.Departs.String()
		}
		return out
	}
	key := [2]string{a.Spec, a.Source.Name}
	p, ok := passes[key]
	if !ok {
		p.Pass, p.err = pass(a.Spec, data)
		passes[key] = p
	}
	x, err := p.measure(a.Measure)
	if err != nil {
		out.Verdict, out.Reason = Departs, err.Error()
		return out
	}
	out.Ours = &x
	out.Verdict, out.AsStated, out.Reason = a.judge(x)
	return out
}

// measure takes a number of a pass, to four digits.
func (p onePass) measure(m Measure) (float64, error) {
	if p.err != nil {
		return 0, p.err
	}
	x, err := m.Of(p.Pass)
	if err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
		err = fmt.Errorf("the measure gives %g", x)
	}
	return fourDigits(x), err
}

// data returns the data of an anchor, or an error that says why they are not at hand.
func (k *Checker) data(a Anchor) (Data, error) {
	if a.Slow && !k.Slow {
		return Data{}, errSlow
	}
	if a.Source.Make == nil && k.Outside == nil {
		return Data{}, errNoData
	}
	if a.Source.Make == nil {
		return k.Outside(a.Source.Name)
	}
	t, ok := k.sources[a.Source.Name]
	if !ok {
		t = a.Source.Make()
		if k.sources == nil {
			k.sources = map[string]kv.Tensor{}
		}
		k.sources[a.Source.Name] = t
	}
	return a.Source.data(t), nil
}

// miss says by how much x misses.
func (a Anchor) miss(x float64) string {
	text := fmt.Sprintf("%.4g, want %s%.4g", x, a.Bound, a.Want)
	if a.Within > 0 {
		text += fmt.Sprintf(" ± %.2g", a.Within)
	}
	if a.Want != 0 {
		text += fmt.Sprintf(" (%+.1f %%)", 100*(x/a.Want-1))
	}
	return text
}

// fourDigits rounds to four significant digits.
func fourDigits(x float64) float64 {
	y, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64) // what it printed itself
	return y
}

// A WhiteRow is what a codec reaches on White: bits per value, and NMSE unless it is 0. Codecs that
// treat keys and values unlike have NMSE of each instead.
type WhiteRow struct {
	Spec               string
	Bits               float64
	NMSE, Keys, Values float64
}

// The tolerances of a WhiteRow: of bits, which a header shared by all values may raise, and of a
// squared error (0.09 dB), which has the noise of a finite sample.
const (
	bitsTolerance = 2e-3
	nmseTolerance = 0.02
)

// OnWhite makes anchors of rows: their bits are of basis Rate and from the format's definition,
// their errors Oracles from where from says, within 2 %.
func OnWhite(from string, rows ...WhiteRow) []Anchor {
	var out []Anchor
	for _, r := range rows {
		out = append(out, Anchor{Spec: r.Spec, Measure: BitsPerValue, Want: r.Bits,
			Within: bitsTolerance, Basis: Rate, From: "the format's definition"})
		for _, e := range []struct {
			m    Measure
			want float64
		}{{NMSE, r.NMSE}, {NMSEKeys, r.Keys}, {NMSEValues, r.Values}} {
			if e.want != 0 {
				out = append(out, Anchor{Spec: r.Spec, Measure: e.m, Want: e.want,
					Within: nmseTolerance * e.want, Basis: Oracle, From: from})
			}
		}
	}
	return out
}

// Independently is where the oracles of OnWhite come from that were simulated outside this
// repository, from 2^21 values.
const Independently = "computed independently, from 2^21 values"

const byDefinition = "lossless, by definition"

// exactOn wants every value of a source back bit for bit.
func exactOn(s Source, from string, basis Basis) Anchor {
	return Anchor{Source: s, Measure: Changed, Basis: basis, From: from}
}

// entropyOn wants a lossless codec within 1.5 % of a rate that theory gives.
func entropyOn(s Source, bits float64) Anchor {
	return Anchor{Source: s, Measure: BitsPerValue, Want: bits, Within: .015 * bits, Basis: Oracle,
		From: "the entropies of the coded fields of a normal variable, and the raw bits"}
}

// smolRatio wants at least a ratio on a cache of SmolLM2.
func smolRatio(spec string, s Source, least float64) Anchor {
	return Anchor{Spec: spec, Source: s, Measure: FrameRatio, Want: least, Bound: AtLeast, Basis: Oracle,
		From: "what the entropies of that cache promise, less 2 %"}
}
