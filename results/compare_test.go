package results

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func timedRun(cpu string, factor float64, edit func([]Record) []Record) *File {
	var rs []Record
	for _, codec := range []string{"identity", "kivi"} {
		r := cell(codec)
		r.Attrs["payload_sha256"] = "0123456789abcdef"
		var xs []float64
		for i := range 12 {
			xs = append(xs, factor*(1+float64(i)/1000))
		}
		r.Metrics = append(r.Metrics, Metric{Name: "compress_seconds", Kind: Timed, Better: -1, Over: "repeat",
			Values: Numbers(xs...)})
		rs = append(rs, r)
	}
	if edit != nil {
		rs = edit(rs)
	}
	return &File{Header: Header{CPU: cpu, GOARCH: "amd64"}, Records: rs}
}

func verdicts(c *Comparison) string {
	var out []string
	for _, x := range c.Changes {
		out = append(out, strings.Join(strings.Fields(ShortCell(x.Cell)+" "+x.Metric+" "+string(x.Verdict)), " "))
	}
	return strings.Join(out, "; ")
}

func TestCompareFindsWhatChanged(t *testing.T) {
	same := timedRun("a", 1, nil)
	for name, c := range map[string]struct {
		cpu  string
		edit func([]Record) []Record
		want string
		ok   bool
	}{
		"nothing":       {"a", nil, "", true},
		"cell missing":  {"a", func(r []Record) []Record { return r[:1] }, "kivi missing", false},
		"cell added":    {"a", func(r []Record) []Record { return append(r, cell("q4_0")) }, "q4_0 added", true},
		"ratio worse":   {"a", func(r []Record) []Record { r[1].Metrics[0].Values[1] = 2; return r }, "kivi ratio worse", false},
		"ratio better":  {"a", func(r []Record) []Record { r[1].Metrics[0].Values[1] = 3; return r }, "kivi ratio better", false},
		"neither":       {"a", func(r []Record) []Record { r[1].Metrics[1].Values[0] = 3; return r }, "kivi nmse_k_by_layer differs", false},
		"last bit":      {"a", func(r []Record) []Record { r[0].Metrics[0].Values[0] = 2.0000000000000004; return r }, "identity ratio differs", false},
		"lost":          {"a", func(r []Record) []Record { return append(r[:1], Record{Type: "codec", Cell: r[1].Cell, Failed: "x"}) }, "kivi lost", false},
		"metric gone":   {"a", func(r []Record) []Record { r[0].Metrics = r[0].Metrics[1:]; return r }, "identity ratio missing", false},
		"time gone":     {"a", func(r []Record) []Record { r[0].Metrics = r[0].Metrics[:2]; return r }, "", true},
		"digest":        {"a", func(r []Record) []Record { r[0].Attrs["payload_sha256"] = "x"; return r }, "identity payload_sha256 differs", false},
		"labels":        {"a", func(r []Record) []Record { r[0].Labels[0] = "x"; return r }, "identity differs", false},
		"tolerated":     {"b", func(r []Record) []Record { r[0].Metrics[1].Values = nearly(); return r }, "identity nmse_k_by_layer tolerated", true},
		"beyond":        {"b", func(r []Record) []Record { r[0].Metrics[1].Values = Numbers(1, 2, 3, 4, 5, 60); return r }, "identity nmse_k_by_layer differs", false},
		"same CPU":      {"a", func(r []Record) []Record { r[0].Metrics[1].Values = nearly(); return r }, "identity nmse_k_by_layer differs", false},
		"exact anyway":  {"b", func(r []Record) []Record { r[0].Metrics[0].Values[0] = 2.0001; return r }, "identity ratio better", false},
		"fewer prompts": {"a", func(r []Record) []Record { r[0].Metrics[0].Values = r[0].Metrics[0].Values[:1]; return r }, "identity ratio differs", false},
	} {
		t.Run(name, func(t *testing.T) {
			old := timedRun("a", 1, func(r []Record) []Record {
				for i := range r {
					r[i].Metrics[1].Values = Numbers(1, 2, 3, 4, 5, 6)
				}
				return r
			})
			got := Compare(old, timedRun(c.cpu, 1, func(r []Record) []Record {
				for i := range r {
					r[i].Metrics[1].Values = Numbers(1, 2, 3, 4, 5, 6)
				}
				if c.edit != nil {
					r = c.edit(r)
				}
				return r
			}))
			if v := verdicts(got); v != c.want || got.OK() != c.ok {
				t.Errorf("%q, ok %v; want %q, %v", v, got.OK(), c.want, c.ok)
			}
		})
	}
	if c := Compare(same, same); c.Equal != 4 || !c.OK() {
		t.Errorf("NaN does not equal itself: %+v", c)
	}
	skipped := timedRun("a", 1, func(r []Record) []Record {
		return append(r[:1], Record{Type: "codec", Cell: r[1].Cell, Skipped: "absent"})
	})
	if c := Compare(skipped, same); verdicts(c) != "kivi gained" || !c.OK() {
		t.Errorf("%+v", c.Changes)
	}
}

func nearly() []Number { return Numbers(1, 2, 3, 4, 5, 6.01) }

func TestTimesAreTestedAndNeverFail(t *testing.T) {
	fast, slow := timedRun("a", 1, nil), timedRun("a", 1.5, nil)
	c := Compare(fast, slow)
	if !c.OK() || len(c.Timed) != 2 || c.Timed[0].Verdict != Slower || c.Timed[0].Effect != 1 {
		t.Errorf("%+v", c.Timed)
	}
	if c := Compare(slow, fast); c.Timed[1].Verdict != Faster {
		t.Errorf("%+v", c.Timed)
	}
	if c := Compare(fast, fast); c.Timed[0].Verdict != NoClaim {
		t.Errorf("%+v", c.Timed)
	}
	if c := Compare(fast, timedRun("b", 1.5, nil)); c.Timed[0].Verdict != Unlike {
		t.Errorf("%+v", c.Timed)
	}
}

func TestComparisonsAreWrittenInEveryFormat(t *testing.T) {
	c := Compare(timedRun("a", 1, nil), timedRun("a", 1.5, func(r []Record) []Record {
		r[1].Metrics[0].Values[1] = 2
		return r
	}))
	for format, want := range map[string][]string{
		"text": {"worse", "kivi", "2.25 → 2 (-11.1 %)", "slower", "2 cells in both, 3 metrics equal, 1 that must be equal"},
		"md":   {"| worse | kivi | ratio | 2.25 → 2 (-11.1 %) | exact, 1 values |"},
		"json": {`"ok": false`, `"verdict": "worse"`},
		"gobench": {"Unit ratio better=higher assume=exact\n", "Unit compress-sec/op better=lower\n",
			"\nrun: new\n", "BenchmarkCodec/codec=kivi 1 2.25 ratio 1 compress-sec/op\n"},
	} {
		var b bytes.Buffer
		if err := c.Write(&b, format); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s lacks %q:\n%s", format, w, b.String())
			}
		}
		if format == "json" && !json.Valid(b.Bytes()) {
			t.Error("not JSON")
		}
	}
	if err := c.Write(&bytes.Buffer{}, "xml"); err == nil {
		t.Error("xml is taken")
	}
}
