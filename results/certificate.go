package results

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// CertificateType is the type of the records that hold a Certificate: one for each codec, token
// dropper and byte coder of a run.
const CertificateType = "certificate"

// Departs is the verdict of a certificate whose codec missed an anchor.
const Departs = "departs"

// A Certificate says how far something is what its paper describes. Verdict is "anchor met", "oracle
// checked", "rate checked", "not checkable here" or Departs. The last two have a reason, and so have
// codecs that depart on data that were not at hand.
type Certificate struct {
	Paper      string   `json:"paper"`
	Verdict    string   `json:"verdict"`
	AsStated   bool     `json:"as_stated,omitempty"` // departs only as the certificate says
	Reason     string   `json:"reason,omitempty"`
	Deviations []string `json:"deviations,omitempty"`
	Anchors    []Anchor `json:"anchors,omitempty"`
	Beyond     []Claim  `json:"beyond,omitempty"`
	UseWhen    string   `json:"use_when,omitempty"`
}

// An Anchor is a number that was to be reached, and Ours, which was measured; nil if it could not be.
type Anchor struct {
	Spec     string   `json:"spec"`
	Measure  string   `json:"measure"`
	Source   string   `json:"source"`
	Bound    string   `json:"bound,omitempty"` // "" is equal, else ≤ or ≥
	Want     float64  `json:"want"`
	Within   float64  `json:"within"` // the most by which Ours may miss Want
	Ours     *float64 `json:"ours"`
	Numeric  bool     `json:"numeric,omitempty"` // Ours is of a model's cache, which CPUs compute unlike
	Basis    string   `json:"basis"`             // published, oracle or rate
	From     string   `json:"from"`
	Verdict  string   `json:"verdict"`
	AsStated bool     `json:"as_stated,omitempty"` // departs as the certificate says that it does
	Reason   string   `json:"reason,omitempty"`
}

// A Claim is a published number that a run cannot check, and what checking it would take.
type Claim struct {
	Says  string `json:"says"`
	Takes string `json:"takes"`
}

// Wanted is the number that an anchor wants and its tolerance, for people.
func (a *Anchor) Wanted() string {
	text := Digits(a.Want)
	if a.Bound != "" {
		text = a.Bound + " " + text
	}
	if a.Within == 0 {
		return text
	}
	if share := 100 * a.Within / math.Abs(a.Want); a.Basis != "rate" && a.Want != 0 && share < 99 {
		return text + " ± " + strconv.FormatFloat(share, 'g', 2, 64) + " %"
	}
	return text + " ± " + Digits(a.Within)
}

// OursText is the number that was measured, or a dash.
func (a *Anchor) OursText() string {
	if a.Ours == nil {
		return "–"
	}
	return Digits(*a.Ours)
}

// What names an anchor: the measure, the codec and the source.
func (a *Anchor) What() string { return a.Measure + ", " + a.Spec + ", " + a.Source }

// Digits prints a number with at most four digits.
func Digits(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }

// Held counts the anchors that hold and those that could be measured.
func (c *Certificate) Held() (held, measured int) {
	for i := range c.Anchors {
		if c.Anchors[i].Ours != nil {
			measured++
			if c.Anchors[i].Verdict != Departs {
				held++
			}
		}
	}
	return held, measured
}

// Key is the anchor that speaks for the certificate: the first that was missed, or else the first of
// those that gave the verdict, of the codec's defaults where there is one. It is nil without anchors.
func (c *Certificate) Key(codec string) *Anchor {
	var key *Anchor
	for i := range c.Anchors {
		a := &c.Anchors[i]
		if a.Verdict != c.Verdict {
			continue
		}
		if key == nil || key.Spec != codec && a.Spec == codec {
			key = a
		}
		if c.Verdict == Departs {
			break
		}
	}
	return key
}

// Text prints the certificate for people. paint wraps what has to stand out; nil leaves it.
func (c *Certificate) Text(w io.Writer, paint func(string) string) error {
	if paint == nil {
		paint = func(s string) string { return s }
	}
	verdict := c.Verdict
	if c.AsStated {
		verdict += ", as stated"
	}
	if c.Reason != "" {
		verdict += ": " + c.Reason
	}
	if c.Verdict == Departs {
		verdict = paint(verdict)
	}
	fmt.Fprintf(w, "certificate: %s\npaper: %s\n", verdict, c.Paper)
	if c.UseWhen != "" {
		fmt.Fprintf(w, "use it when: %s\n", c.UseWhen)
	}
	for _, d := range c.Deviations {
		fmt.Fprintf(w, "deviation: %s\n", d)
	}
	if err := c.anchorText(w, paint); err != nil {
		return err
	}
	for _, b := range c.Beyond {
		fmt.Fprintf(w, "not checkable here: %s\n  takes %s\n", b.Says, b.Takes)
	}
	return nil
}

func (c *Certificate) anchorText(w io.Writer, paint func(string) string) error {
	if len(c.Anchors) == 0 {
		return nil
	}
	fmt.Fprintln(w, "anchors:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  ours\twant\tmeasure\tcodec\tsource\tverdict\tfrom")
	for i := range c.Anchors {
		a := &c.Anchors[i]
		from := a.From
		if a.Reason != "" {
			from += " (" + a.Reason + ")"
		}
		line := strings.Join([]string{"  " + a.OursText(), a.Wanted(), a.Measure, a.Spec, a.Source,
			a.Verdict, from}, "\t")
		if a.Verdict == Departs {
			line = paint(line)
		}
		fmt.Fprintln(t, line)
	}
	return t.Flush()
}

// changed says how certificates of two runs differ in what was found, not in their wording; "" if
// they do not. What CPUs compute unlike may differ by a hundredth unless they are the same.
func (c *Certificate) changed(now *Certificate, sameCPU bool) string {
	if c.Verdict != now.Verdict {
		return c.Verdict + ", then " + now.Verdict
	}
	old := map[string]*Anchor{}
	for i := range c.Anchors {
		old[c.Anchors[i].What()] = &c.Anchors[i]
	}
	for i := range now.Anchors {
		a := &now.Anchors[i]
		was := old[a.What()]
		if was == nil || was.OursText() == a.OursText() || a.Numeric && !sameCPU && was.near(a) {
			continue
		}
		return a.What() + ": " + was.OursText() + ", then " + a.OursText()
	}
	return ""
}

// near says whether two anchors were measured, with values that differ by a hundredth at most.
func (a *Anchor) near(b *Anchor) bool {
	return a.Ours != nil && b.Ours != nil && math.Abs(*a.Ours-*b.Ours) <= .01*math.Abs(*a.Ours)
}

// check returns an error for a certificate that no run can hold.
func (c *Certificate) check() error {
	const most = 1000
	if len(c.Anchors) > most || len(c.Deviations) > most || len(c.Beyond) > most {
		return fmt.Errorf("a certificate with more than %d anchors, deviations or claims", most)
	}
	if c.Verdict == "" {
		return fmt.Errorf("a certificate without verdict")
	}
	return nil
}

// CertificateOf converts what prints the same JSON.
func CertificateOf(v any) (*Certificate, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	c := new(Certificate)
	return c, json.Unmarshal(text, c)
}
