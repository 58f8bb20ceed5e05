package compressors

import (
	"fmt"
	"slices"
	"strings"
)

// A Certificate says how far a codec is what its paper describes: where it departs, and anchors
// that can be put to the test. It is given beside the registration, by Certify, so that a codec
// stays one file.
type Certificate struct {
	// Paper is what the codec is held to; "" is the Source of its registration.
	Paper string

	// Deviations are departures from the paper that are known and meant, a sentence each, without
	// a full stop.
	Deviations []string

	// Anchors are numbers that the codec must reach. Checker works them out anew.
	Anchors []Anchor

	// Beyond are published numbers that cannot be checked here, and what checking them would take.
	Beyond []Claim

	// UseWhen says in a few words when to choose the codec: it ends "use it when …". It may be "".
	UseWhen string
}

// A Claim is a published number that needs what is not at hand.
type Claim struct {
	Says  string `json:"says"`  // the number, its setting, and who published it
	Takes string `json:"takes"` // what checking it would take
}

// A Basis says where an anchor's expected number comes from.
type Basis string

// The bases, the strongest first.
const (
	Published Basis = "published" // printed by the paper or the project whose codec it is
	Oracle    Basis = "oracle"    // computed apart from this repository, or by theory
	Rate      Basis = "rate"      // the size that the format fixes
)

// A Verdict says what came of a certificate or of one of its anchors.
type Verdict string

// The verdicts. A certificate's is Departs if one of its anchors is, and otherwise that of the
// strongest basis among them.
const (
	AnchorMet     Verdict = "anchor met"         // a published number was reached
	OracleChecked Verdict = "oracle checked"     // a number of theory or independent computation
	RateChecked   Verdict = "rate checked"       // the size, and nothing of the error
	NotCheckable  Verdict = "not checkable here" // there is no anchor, or its data are not at hand
	Departs       Verdict = "departs"            // an anchor was missed, as its Departure says or not
)

var basisVerdicts = map[Basis]Verdict{Published: AnchorMet, Oracle: OracleChecked, Rate: RateChecked}

// An Anchor is a number that a codec must reach on a source.
type Anchor struct {
	Spec    string  // the codec with the parameters that the number is for; "" is the bare name
	Source  Source  // the zero value is White
	Measure Measure // what is measured
	Want    float64
	Within  float64 // the most by which the measured number may miss Want, in its unit
	Bound   Bound   // the zero value is Equal
	Basis   Basis
	From    string // where Want comes from: paper and section, or how it was computed
	Slow    bool   // it takes more than a second, so that Check measures it only where Slow is wanted

	// Departs says that the codec is known to miss Want here, and how. It is nil for what has to be
	// reached. Tests fail when it departs in another way, and when it suddenly does not.
	Departs *Departure
}

// A Departure is how a codec is known to miss an anchor. It is no deviation, which is meant.
type Departure struct {
	Got    float64 // what it reaches instead
	Within float64 // the most by which the measured number may differ from Got
	Reason string  // why, without a full stop
}

// A Bound says on which side of an anchor a number may lie.
type Bound string

// The bounds.
const (
	Equal   Bound = ""  // within the tolerance, on either side
	AtMost  Bound = "≤" // a ceiling
	AtLeast Bound = "≥" // a floor
)

// Holds says whether x is what the anchor wants.
func (a Anchor) Holds(x float64) bool {
	switch a.Bound {
	case AtMost:
		return x <= a.Want+a.Within
	case AtLeast:
		return x >= a.Want-a.Within
	}
	return x >= a.Want-a.Within && x <= a.Want+a.Within
}

// judge returns what x makes of the anchor, why where it departs, and whether it departs as the
// anchor says.
func (a Anchor) judge(x float64) (v Verdict, asStated bool, reason string) {
	holds, d := a.Holds(x), a.Departs
	switch {
	case d == nil && holds:
		return basisVerdicts[a.Basis], false, ""
	case d == nil:
		return Departs, false, a.miss(x)
	case holds:
		return Departs, false, fmt.Sprintf("%.4g is what it wants, but the certificate says %s", x, d)
	case x >= d.Got-d.Within && x <= d.Got+d.Within:
		return Departs, true, a.miss(x) + ": " + d.Reason
	}
	return Departs, false, a.miss(x) + "; the certificate says " + d.String()
}

// String is what the departure says.
func (d *Departure) String() string {
	return fmt.Sprintf("that it departs to %.4g ± %.2g: %s", d.Got, d.Within, d.Reason)
}

// check returns an error for an anchor that says nothing that can be put to the test.
func (a Anchor) check() error {
	d := a.Departs
	switch {
	case a.Measure.Of == nil || basisVerdicts[a.Basis] == "" || a.From == "":
		return fmt.Errorf("lacks measure, basis or origin")
	case d == nil:
		return nil
	case d.Reason == "" || strings.HasSuffix(d.Reason, "."):
		return fmt.Errorf("departs without a reason, or with one that ends in a full stop")
	case a.Holds(d.Got-d.Within) || a.Holds(d.Got+d.Within) || a.Holds(d.Got):
		return fmt.Errorf("departs to %g ± %g, which is what it wants", d.Got, d.Within)
	}
	return nil
}

var certificates = map[string]Certificate{}

// Certify gives the certificate of the codec, token dropper or byte coder called name. It panics
// on a second one, and on an anchor that lacks its measure or basis or departs to what it wants.
func Certify(name string, c Certificate) {
	if _, taken := certificates[name]; taken || name == "" {
		panic(fmt.Sprintf("compressors: %q is certified twice or has no name", name))
	}
	for i, a := range c.Anchors {
		if err := a.check(); err != nil {
			panic(fmt.Sprintf("compressors: anchor %d of %s %v", i, name, err))
		}
	}
	certificates[name] = c
}

// CertificateOf returns what Certify was given under a name, and whether it was.
func CertificateOf(name string) (Certificate, bool) {
	c, ok := certificates[name]
	return c, ok
}

// Uncertified returns the names of the codecs without a certificate, in order.
func Uncertified() []string {
	return slices.DeleteFunc(Names(), func(name string) bool {
		_, ok := certificates[name]
		return ok
	})
}
