package bench

import (
	"context"
	"testing"

	"kvgauge/results"
)

// TestARunEndsWithCertificates: one for every part of the codecs of the plan, in its order, from the
// first shard only, and not twice in a run that is resumed.
func TestARunEndsWithCertificates(t *testing.T) {
	const text = `
caches: [fake]
codecs: ["knorm+q4_0+zstd", "q4_0:rot=true", "bad:how=first"]
timing: {samples: 0}
`
	collect := func(o PlanOptions, have func(string) *results.Record) []results.Record {
		var out []results.Record
		_, err := plan(t, text, o).Run(context.Background(), RunOptions{have: have},
			func(rs ...results.Record) error {
				for _, r := range rs {
					if r.Type == results.CertificateType {
						out = append(out, r)
					}
				}
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	rs := collect(PlanOptions{}, nil)
	want := []string{"knorm", "q4_0", "zstd", "bad"}
	verdicts := []string{"anchor met", "oracle checked", "oracle checked", "not checkable here"}
	if len(rs) != len(want) {
		t.Fatalf("%d certificates, want %d", len(rs), len(want))
	}
	for i, r := range rs {
		if r.Coord("codec") != want[i] || r.Certificate.Verdict != verdicts[i] {
			t.Errorf("certificate %d is of %s: %s; want %s: %s", i, r.Coord("codec"),
				r.Certificate.Verdict, want[i], verdicts[i])
		}
	}
	if bad := rs[3].Certificate; bad.Reason != "no certificate given" {
		t.Errorf("a codec without certificate: %q", bad.Reason)
	}
	if rs := collect(PlanOptions{Shard: Shard{1, 2}}, nil); len(rs) != 0 {
		t.Errorf("the second shard has %d certificates", len(rs))
	}
	had := func(key string) *results.Record {
		if key == "certificate|codec=q4_0" {
			return &results.Record{}
		}
		return nil
	}
	if rs := collect(PlanOptions{}, had); len(rs) != 3 {
		t.Errorf("a resumed run adds %d certificates, want 3", len(rs))
	}
}
