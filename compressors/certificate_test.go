package compressors_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// allParts are the names of all codecs, token droppers and byte coders.
func allParts() []string {
	var names []string
	for _, specs := range [][]compressors.Spec{compressors.Specs(), compressors.DropperSpecs(),
		compressors.CoderSpecs()} {
		for _, spec := range specs {
			if n := len(names); n == 0 || names[n-1] != spec.Name() {
				names = append(names, spec.Name())
			}
		}
	}
	return names
}

// TestEveryCodecHasACertificateThatHolds measures every anchor of every file.
func TestEveryCodecHasACertificateThatHolds(t *testing.T) {
	for _, name := range allParts() {
		t.Run(name, func(t *testing.T) { codectest.Certificate(t, name, smolData) })
	}
	if names := compressors.Uncertified(); len(names) > 0 {
		t.Errorf("without certificates: %v", names)
	}
}

// TestVerdictsFollowFromTheAnchors looks at anchors that hold, lack their data, and miss.
func TestVerdictsFollowFromTheAnchors(t *testing.T) {
	var k compressors.Checker
	if _, err := k.Check("nope"); err == nil {
		t.Error("an unknown name is checked")
	}
	got, err := k.Check("splitzip")
	if err != nil || got.Verdict != compressors.AnchorMet || got.Reason != "" {
		t.Fatalf("splitzip: %v (%s), %v", got.Verdict, got.Reason, err)
	}
	k.Outside = func(string) (compressors.Data, error) { return compressors.Data{}, errors.New("gone") }
	got, _ = k.Check("splitzip")
	if a := got.Anchors[2]; a.Verdict != compressors.NotCheckable || a.Reason != "gone" || a.Ours != nil {
		t.Errorf("an anchor without data: %+v", a)
	}
	k.Outside = func(string) (compressors.Data, error) {
		return compressors.Data{Cache: compressors.WhiteNoise(2, kv.F16)}, nil
	}
	got, _ = k.Check("splitzip")
	if got.Verdict != compressors.Departs || !strings.Contains(got.Reason, "splitzip") {
		t.Errorf("an anchor on data that the codec refuses: %v, %s", got.Verdict, got.Reason)
	}
	text, err := json.Marshal(got)
	if err != nil || !strings.Contains(string(text), `"verdict":"departs"`) {
		t.Errorf("%s, %v", text, err)
	}
	wrong := compressors.Anchor{Spec: "q4_0", Source: compressors.White, Measure: compressors.BitsPerValue,
		Want: 4, Basis: compressors.Rate, From: "a slip"}
	if got := k.Measure(wrong); got.Verdict != compressors.Departs || got.Reason != "4.5, want 4 (+12.5 %)" {
		t.Errorf("an anchor that is missed: %v: %s", got.Verdict, got.Reason)
	}
}

// TestADepartureHasToBeTheOneThatIsStated: an anchor that departs as it says is told apart from one
// that departs otherwise, and from one that is suddenly met.
func TestADepartureHasToBeTheOneThatIsStated(t *testing.T) {
	var k compressors.Checker
	for got, want := range map[float64]struct {
		asStated bool
		reason   string
	}{
		4.5: {true, "4.5, want 4 (+12.5 %): it has scales"},
		4.6: {false, "4.5, want 4 (+12.5 %); the certificate says that it departs to 4.6 ± 0.01: it has scales"},
	} {
		a := compressors.Anchor{Spec: "q4_0", Source: compressors.White, Measure: compressors.BitsPerValue,
			Want: 4, Basis: compressors.Published, From: "a slip",
			Departs: &compressors.Departure{Got: got, Within: .01, Reason: "it has scales"}}
		c := k.Measure(a)
		if c.Verdict != compressors.Departs || c.AsStated != want.asStated || c.Reason != want.reason {
			t.Errorf("departs to %g: %v, as stated %v: %s", got, c.Verdict, c.AsStated, c.Reason)
		}
		a.Want = 4.5
		c = k.Measure(a)
		if c.Verdict != compressors.Departs || c.AsStated || !strings.Contains(c.Reason, "4.5 is what it wants") {
			t.Errorf("suddenly met: %v, as stated %v: %s", c.Verdict, c.AsStated, c.Reason)
		}
		a.Source = compressors.SmolLM2F16
		c = k.Measure(a)
		if c.Verdict != compressors.NotCheckable || !strings.Contains(c.Reason, "it has scales") {
			t.Errorf("without data: %v: %s", c.Verdict, c.Reason)
		}
	}
	for name, d := range map[string]compressors.Departure{"no reason": {Got: 5}, "met": {4, .1, "so"},
		"met within": {4.5, .5, "so"}} {
		func() {
			defer func() { _ = recover() }()
			compressors.Certify("q4_0 "+name, compressors.Certificate{Anchors: []compressors.Anchor{{
				Measure: compressors.BitsPerValue, Want: 4, Basis: compressors.Rate, From: "a slip", Departs: &d}}})
			t.Errorf("%s: it is certified", name)
		}()
	}
}

// TestOneUnstatedDepartureMakesACertificateRed: those of other anchors that are stated do not hide it,
// and where data are lacking the certificate says what they would show.
func TestOneUnstatedDepartureMakesACertificateRed(t *testing.T) {
	var k compressors.Checker
	got, err := k.Check("cachegen")
	if err != nil || got.Verdict != compressors.OracleChecked ||
		!strings.Contains(got.Reason, "departs on SmolLM2-135M, bf16, 512 tokens: times smaller than 8 bits") {
		t.Errorf("without data: %v (%s), %v", got.Verdict, got.Reason, err)
	}
	k.Outside = func(string) (compressors.Data, error) {
		d := compressors.Data{Cache: compressors.WhiteNoise(256, kv.F16)}
		d.Fit = func() ([]kv.Tensor, error) { return []kv.Tensor{d.Cache}, nil }
		return d, nil
	}
	got, err = k.Check("cachegen")
	if err != nil || got.Verdict != compressors.Departs || got.AsStated {
		t.Errorf("on noise: %v, as stated %v (%s), %v", got.Verdict, got.AsStated, got.Reason, err)
	}
	k.Outside = func(string) (compressors.Data, error) {
		return compressors.Data{Cache: compressors.WhiteNoise(256, kv.F16)}, nil
	}
	if got, _ = k.Check("cachegen"); !strings.Contains(got.Reason, "the source has none") {
		t.Errorf("without caches to fit on: %s", got.Reason)
	}
}

// TestSourcesOfOneNameAreOne: a Checker keeps what it made under the name, for all codecs.
func TestSourcesOfOneNameAreOne(t *testing.T) {
	made := map[string]kv.Tensor{}
	for _, name := range allParts() {
		c, _ := compressors.CertificateOf(name)
		for _, a := range c.Anchors {
			if a.Source.Make == nil {
				continue
			}
			got := a.Source.Make()
			want, ok := made[a.Source.Name]
			if made[a.Source.Name] = got; ok && (got.Shape != want.Shape || !got.Equal(want)) {
				t.Errorf("%s: %q is another source than a codec before it has", name, a.Source.Name)
			}
		}
	}
}

func TestBoundsHoldOnTheirSide(t *testing.T) {
	for _, c := range []struct {
		bound compressors.Bound
		x     float64
		want  bool
	}{
		{compressors.Equal, 1.1, true}, {compressors.Equal, 1.11, false}, {compressors.Equal, .89, false},
		{compressors.AtMost, .1, true}, {compressors.AtMost, 1.2, false},
		{compressors.AtLeast, 3, true}, {compressors.AtLeast, .8, false},
	} {
		a := compressors.Anchor{Want: 1, Within: .1, Bound: c.bound}
		if got := a.Holds(c.x); got != c.want {
			t.Errorf("1 %s ± .1 holds for %g: %v", c.bound, c.x, got)
		}
	}
}
