package results

import (
	"bytes"
	"strings"
	"testing"
)

func certificate(verdict string, ours float64) *Certificate {
	return &Certificate{Paper: "Somebody", Verdict: verdict, UseWhen: "never",
		Deviations: []string{"it is none"}, Beyond: []Claim{{"it is good", "a GPU"}},
		Anchors: []Anchor{
			{Spec: "c:bits=8", Measure: "bits per value", Source: "noise", Want: 8, Within: .002, Ours: &ours,
				Basis: "rate", From: "the format", Verdict: "rate checked"},
			{Spec: "c", Measure: "NMSE", Source: "noise", Want: .01, Within: .0002, Ours: &ours,
				Basis: "oracle", From: "theory", Verdict: verdict},
			{Spec: "c", Measure: "ratio", Source: "a model", Bound: "≥", Want: 1.3, Basis: "published",
				From: "the paper", Verdict: "not checkable here", Reason: "no model"},
		}}
}

func TestCertificatesArePrintedWhole(t *testing.T) {
	var b bytes.Buffer
	c := certificate(Departs, .5)
	c.Reason = "c: NMSE of noise: too much"
	if err := c.Text(&b, func(s string) string { return "RED" + s }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"certificate: REDdeparts: c: NMSE of noise: too much\n", "paper: Somebody\n",
		"use it when: never\n", "deviation: it is none\n", "RED  0.5  0.01 ± 2 %  NMSE ", "8 ± 0.002 ",
		"–       ≥ 1.3 ", "the paper (no model)", "not checkable here: it is good\n  takes a GPU\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, b.String())
		}
	}
	if held, measured := c.Held(); held != 1 || measured != 2 {
		t.Errorf("%d of %d anchors hold, want 1 of 2", held, measured)
	}
}

func TestTheKeyAnchorGaveTheVerdict(t *testing.T) {
	for verdict, want := range map[string]string{"rate checked": "bits per value", Departs: "NMSE",
		"oracle checked": "NMSE"} {
		if a := certificate(verdict, 1).Key("c"); a == nil || a.Measure != want && verdict != "rate checked" {
			t.Errorf("%s: %+v, want %s", verdict, a, want)
		}
	}
	if a := (&Certificate{Verdict: "not checkable here"}).Key("c"); a != nil {
		t.Errorf("without anchors: %+v", a)
	}
}

func TestCompareSeesCertificatesChange(t *testing.T) {
	run := func(c *Certificate) *File {
		return &File{Records: []Record{{Type: CertificateType, Cell: []Coord{{"codec", "c"}}, Certificate: c}}}
	}
	ok := certificate("oracle checked", .01)
	reworded := certificate("oracle checked", .01)
	reworded.Deviations, reworded.Anchors = nil, reworded.Anchors[:2]
	for name, c := range map[string]struct {
		now  *Certificate
		want string
	}{
		"equal":    {certificate("oracle checked", .01), ""},
		"reworded": {reworded, ""},
		"another":  {certificate("oracle checked", .0101), "certificate c certificate differs"},
		"departs":  {certificate(Departs, .02), "certificate c certificate worse"},
	} {
		got := Compare(run(ok), run(c.now))
		if v := verdicts(got); v != c.want || got.OK() != (c.want == "") {
			t.Errorf("%s: %q, ok %v; want %q", name, v, got.OK(), c.want)
		}
	}
}

// TestCompareKnowsStatedDepartures: data that were not at hand before show what was stated all along,
// and what CPUs compute unlike may differ a little between two of them.
func TestCompareKnowsStatedDepartures(t *testing.T) {
	run := func(cpu string, c *Certificate) *File {
		return &File{Header: Header{CPU: cpu}, Records: []Record{{Type: CertificateType,
			Cell: []Coord{{"codec", "c"}}, Certificate: c}}}
	}
	stated := certificate(Departs, .01)
	stated.AsStated = true
	got := Compare(run("a", certificate("oracle checked", .01)), run("a", stated))
	if v := verdicts(got); v != "certificate c certificate differs" {
		t.Errorf("a departure as stated: %q", v)
	}
	numeric := func(x float64) *Certificate {
		c := certificate("oracle checked", .01)
		c.Anchors[1].Numeric, c.Anchors[1].Ours = true, &x
		return c
	}
	for _, c := range []struct {
		cpu  string
		ours float64
		want string
	}{{"b", .01005, ""}, {"b", .0102, "certificate c certificate differs"},
		{"a", .01005, "certificate c certificate differs"}} {
		if v := verdicts(Compare(run("a", numeric(.01)), run(c.cpu, numeric(c.ours)))); v != c.want {
			t.Errorf("%g on CPU %s: %q, want %q", c.ours, c.cpu, v, c.want)
		}
	}
	var b bytes.Buffer
	if err := stated.Text(&b, nil); err != nil || !strings.Contains(b.String(), "departs, as stated") {
		t.Errorf("%s, %v", b.String(), err)
	}
}

func TestARunHoldsCertificatesWhereTheyBelong(t *testing.T) {
	for line, want := range map[string]string{
		`{"type":"certificate","cell":[{"axis":"codec","value":"c"}]}`:                                "want a certificate",
		`{"type":"codec","cell":[{"axis":"codec","value":"c"}],"certificate":{"verdict":"departs"}}`:  "want a certificate",
		`{"type":"certificate","cell":[{"axis":"codec","value":"c"}],"certificate":{"paper":"Mine"}}`: "without verdict",
		`{"type":"certificate","cell":[{"axis":"codec","value":"c"}],"certificate":{"verdict":"x"}}`:  "",
	} {
		_, err := Read("x", strings.NewReader(`{"schema":1}`+"\n"+line+"\n"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", line, err, want)
		}
	}
}
