package codectest

import (
	"strings"
	"testing"

	"kvgauge/compressors"
)

// Certificate checks the certificate of the codec, token dropper or byte coder called name: that
// there is one, and that every anchor holds, or departs as it says that it does. outside returns the
// data of a source that comes from outside, or skips the test that it is given; it may be nil. Anchors
// that take seconds are left out with -short.
func Certificate(t *testing.T, name string,
	outside func(t *testing.T, source string) compressors.Data) {
	c, ok := compressors.CertificateOf(name)
	if !ok {
		t.Fatalf("%s has no certificate: call Certify beside Register", name)
	}
	for _, d := range c.Deviations {
		if strings.HasSuffix(d, ".") {
			t.Errorf("the deviation %q ends in a full stop", d)
		}
	}
	for _, a := range c.Anchors {
		if a.Spec == "" {
			continue
		}
		if spec, _, err := compressors.Open(a.Spec); err != nil || string(spec) != a.Spec {
			t.Errorf("the anchor of %s is of %q in canonical form (%v)", a.Spec, spec, err)
		} else if !strings.Contains(a.Spec, name) {
			t.Errorf("the anchor of %s is another codec's", a.Spec)
		}
	}
	k := compressors.Checker{Slow: !testing.Short()}
	got, err := k.Check(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range got.Anchors {
		switch s := c.Anchors[i].Source; {
		case a.Verdict == compressors.Departs && !a.AsStated:
			t.Errorf("%s: %s on %s: %s", a.Spec, a.Measure, a.Source, a.Reason)
		case s.Name != "" && s.Make == nil && outside != nil:
			t.Run(string(a.Spec)+" on "+a.Source, func(t *testing.T) {
				anchorOutside(t, name, i, outside(t, a.Source))
			})
		}
	}
}

// anchorOutside checks one anchor on data.
func anchorOutside(t *testing.T, name string, i int, data compressors.Data) {
	c, _ := compressors.CertificateOf(name)
	a := c.Anchors[i]
	if a.Spec == "" {
		a.Spec = name
	}
	k := compressors.Checker{Slow: true,
		Outside: func(string) (compressors.Data, error) { return data, nil }}
	got := k.Measure(a)
	if got.Verdict == compressors.Departs && !got.AsStated {
		t.Errorf("%s: %s", a.Measure.Name, got.Reason)
		return
	}
	t.Logf("%s %.4g, want %s%g: %s %s", a.Measure.Name, *got.Ours, a.Bound, a.Want, got.Verdict, got.Reason)
}
