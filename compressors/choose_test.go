package compressors_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/internal/golden"
)

// kinds are the groups of the table by which one chooses, in its order.
var kinds = []string{"Without loss", "8 bits and more", "4 to 7 bits", "Under 4 bits",
	"Fitted to a model", "Latent caches of MLA", "Yardsticks and wrappers"}

// A choice is a row of it.
type choice struct {
	name    string
	kind    string
	bits    float64
	ratio   float64
	snr     string
	traits  []string
	verdict string
	when    string
	note    string // where it was measured, unless on the source that the table names
}

// chosenSource is what the table measures on.
var chosenSource = compressors.WhiteLong

// TestREADMEHelpsToChoose keeps a table with a row for every codec; -update writes it.
func TestREADMEHelpsToChoose(t *testing.T) {
	groups := map[string][]choice{}
	k := compressors.Checker{Slow: true}
	for _, name := range compressors.Names() {
		c := choose(t, &k, name)
		groups[c.kind] = append(groups[c.kind], c)
	}
	var out strings.Builder
	notes := []string{}
	for _, kind := range kinds {
		rows := groups[kind]
		delete(groups, kind)
		if len(rows) == 0 {
			continue
		}
		slices.SortStableFunc(rows, func(a, b choice) int { return int(math.Copysign(1, b.bits-a.bits)) })
		fmt.Fprintf(&out, "\n**%s**\n\n| codec | bits | ratio | SNR, dB | | verdict | use it when |\n"+
			"|---|--:|--:|--:|---|---|---|\n", kind)
		for _, c := range rows {
			mark := ""
			if c.note != "" {
				if !slices.Contains(notes, c.note) {
					notes = append(notes, c.note)
				}
				mark = fmt.Sprintf(" <sup>%c</sup>", 'a'+slices.Index(notes, c.note))
			}
			fmt.Fprintf(&out, "| `%s`%s | %.2f | %.2f | %s | %s | %s | %s |\n", c.name, mark, c.bits,
				c.ratio, c.snr, strings.Join(c.traits, ", "), c.verdict, c.when)
		}
	}
	for i, note := range notes {
		notes[i] = fmt.Sprintf("<sup>%c</sup> on %s", 'a'+i, note)
	}
	out.WriteString("\n" + strings.Join(notes, "; ") + "\n")
	if len(groups) > 0 {
		t.Errorf("kinds without a place in the table: %v", groups)
	}
	golden.Block(t, "README.md", "choose", out.String())
}

// choose measures a codec at its defaults.
func choose(t *testing.T, k *compressors.Checker, name string) choice {
	t.Helper()
	_, codec, err := compressors.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	checked, err := k.Check(name)
	if err != nil {
		t.Fatal(err)
	}
	if checked.UseWhen == "" {
		t.Errorf("%s: its certificate says not when to use it", name)
	}
	info, _ := compressors.Describe(name)
	c := choice{name: name, verdict: string(checked.Verdict), when: checked.UseWhen}
	if checked.Verdict == compressors.Departs && !checked.AsStated {
		t.Errorf("%s departs: %s", name, checked.Reason)
	}
	if strings.Contains(checked.Reason, "departs on ") || checked.AsStated {
		c.verdict += ", departs on a model's caches"
	}
	caps := codec.Capabilities()
	c.traits = traits(caps)
	source := sourceFor(t, name)
	if source.Name != chosenSource.Name {
		c.note = source.Name
	}
	e := number(t, k, c.name, source, compressors.NMSE)
	if e == 0 && !caps.Lossless { // it keeps the first and last layers raw, and there is one
		certificate, _ := compressors.CertificateOf(name)
		c.name = certificate.Anchors[0].Spec
		e = number(t, k, c.name, source, compressors.NMSE)
	}
	c.bits = number(t, k, c.name, source, compressors.BitsPerValue)
	c.ratio = number(t, k, c.name, source, compressors.FrameRatio)
	c.snr = "exact"
	if !caps.Lossless {
		c.snr = fmt.Sprintf("%.1f", -10*math.Log10(e))
	}
	c.kind = kindOf(info.Tags, caps, c.bits)
	return c
}

func number(t *testing.T, k *compressors.Checker, name string, s compressors.Source,
	m compressors.Measure) float64 {
	t.Helper()
	got := k.Measure(compressors.Anchor{Spec: name, Source: s, Measure: m, Bound: compressors.AtLeast,
		Basis: compressors.Oracle})
	if got.Ours == nil {
		t.Fatalf("%s on %s: %s", name, s.Name, got.Reason)
	}
	return *got.Ours
}

// sourceFor is chosenSource, or if the codec does not take that, the first on which its certificate
// is put to the test.
func sourceFor(t *testing.T, name string) compressors.Source {
	t.Helper()
	_, codec, err := compressors.Open(name)
	if err == nil && !codec.Capabilities().NeedsFit {
		if _, err = codec.AppendCompress(nil, compressors.WhiteNoise(2, kv.F16)); err == nil {
			return chosenSource
		}
	}
	certificate, _ := compressors.CertificateOf(name)
	for _, a := range certificate.Anchors {
		if a.Source.Make != nil {
			return a.Source
		}
	}
	t.Fatalf("%s takes no noise, and its certificate has no source", name)
	return chosenSource
}

// traits are what one must know of a codec before choosing it.
func traits(c compressors.Capabilities) []string {
	var out []string
	for _, x := range []struct {
		is   bool
		word string
	}{{c.FixedRate, "fixed rate"}, {c.NeedsFit, "needs fit"}, {c.RecentWindow, "window"},
		{c.PreRope, "pre-RoPE"}, {c.NeedsStats, "statistics"}, {c.DropsTokens, "drops tokens"}} {
		if x.is {
			out = append(out, x.word)
		}
	}
	return out
}

func kindOf(tags []string, c compressors.Capabilities, bits float64) string {
	has := func(tag string) bool { return slices.Contains(tags, tag) }
	switch {
	case has("wrapper"), has("yardstick"):
		return "Yardsticks and wrappers"
	case c.Lossless:
		return "Without loss"
	case has("mla"):
		return "Latent caches of MLA"
	case c.NeedsFit:
		return "Fitted to a model"
	case bits >= 7:
		return "8 bits and more"
	case bits >= 4:
		return "4 to 7 bits"
	}
	return "Under 4 bits"
}
