package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/configs"
	"kvgauge/results"
)

const everything = `
caches:
  - fake: {samples: 3}
  - fake: {kind: synthetic, samples: 2}
codecs: [identity, fp8_e4m3, "uniform:bits=4", q4_0, kivi]
quality: [nmse, cosine, attention_error, kld, perplexity, agreement, k_only, v_only]
timing: {samples: 2, min_seconds: 0}
transfer: {links_gbps: [1, 400]}
`

func TestCalibratedDevicesAnswerOrSayWhyNot(t *testing.T) {
	_, rs := runPlan(t, plan(t, `
caches: [synthetic: {shape: llama-3.1-8b, tokens: 16, kind: gaussian}]
codecs: ["kvshuttle/uniform_int4", "uniform:bits=4", "knorm+identity"]
timing: {samples: 0}
transfer: {links_gbps: [10], models: [sequential], devices: [cpu, t4]}
`, PlanOptions{}), RunOptions{})
	reasons := map[string]string{}
	for i := range rs {
		r := &rs[i]
		if r.Type != "transfer" {
			continue
		}
		what := "skipped: " + r.Skipped
		if m := r.Metric("total_seconds"); m != nil {
			what = string(m.Kind) + " " + strings.Join(m.Flags, ",")
			if m.Values[0] <= 0 || m.Tolerance == 0 {
				t.Errorf("%+v", m)
			}
		}
		reasons[r.Coord("device")+" "+r.Coord("codec")] = what
	}
	for cell, want := range map[string]string{
		"cpu uniform":               "skipped: timing.samples is 0",
		"t4 kvshuttle/uniform_int4": "numeric extrapolated",
		"t4 uniform":                "numeric roofline",
		"t4 knorm+identity":         "skipped: compress of knorm+identity on t4: not measured",
	} {
		if !strings.HasPrefix(reasons[cell], want) {
			t.Errorf("%s: %q, want %q", cell, reasons[cell], want)
		}
	}
}

// untimed drops what is taken from a clock, and what follows from it.
func untimed(rs []results.Record) []results.Record {
	var out []results.Record
	for _, r := range rs {
		var kept []results.Metric
		for _, m := range r.Metrics {
			if m.Kind != results.Timed {
				kept = append(kept, m)
			}
		}
		r.Metrics = kept
		out = append(out, r)
	}
	return out
}

func keys(rs []results.Record) []string {
	var out []string
	for i := range rs {
		out = append(out, rs[i].Key())
	}
	return out
}

func TestEveryCellHasItsRecordsInTheOrderOfThePlan(t *testing.T) {
	p := plan(t, everything, PlanOptions{})
	tally, rs := runPlan(t, p, RunOptions{})
	if tally != (Tally{Done: 10}) {
		t.Errorf("%+v", tally)
	}
	// Per cell: the codec's record, and for two models two links and a break-even rate.
	if len(rs) != 10*(1+2*3) {
		t.Fatalf("%d records", len(rs))
	}
	want := "codec|source=model|model=fake|dataset=none|tokens=32|dtype=bf16|cache=fake|codec=identity"
	if got := rs[0].Key(); got != want {
		t.Errorf("the first is %s, want %s", got, want)
	}
	if got := rs[3].Key(); !strings.HasPrefix(got, "breakeven") || !strings.HasSuffix(got, "device=cpu|transfer=sequential") {
		t.Errorf("the fourth is %s", got)
	}
}

func TestSectionsSumToTheFrameAndRatiosAreOfFrames(t *testing.T) {
	_, rs := runPlan(t, plan(t, everything, PlanOptions{}), RunOptions{})
	for i := range rs {
		r := &rs[i]
		if r.Type != "codec" {
			continue
		}
		for n := range r.Labels {
			value := func(name string) float64 { return float64(r.Metric(name).Values[n]) }
			sum := 0.0
			for _, m := range r.Metrics {
				if strings.HasPrefix(m.Name, "section_") {
					sum += float64(m.Values[n])
				}
			}
			if sum != value("frame_bytes") {
				t.Errorf("%s: sections of %v, frame of %v", r.Key(), sum, value("frame_bytes"))
			}
			if value("ratio") != value("raw_bytes")/value("frame_bytes") ||
				value("bits_per_value") != 16/value("ratio") {
				t.Errorf("%s: ratio %v, bits %v", r.Key(), value("ratio"), value("bits_per_value"))
			}
		}
	}
}

func TestIdentityIsTheAAControl(t *testing.T) {
	_, rs := runPlan(t, plan(t, everything, PlanOptions{}), RunOptions{})
	for _, name := range []string{"nmse_k", "kld_mean_nats", "kld_max_nats", "ln_ppl_ratio", "attention_error",
		"kld_mean_nats_k_only", "kld_mean_nats_v_only"} {
		for i, v := range rs[0].Metric(name).Values {
			if v != 0 {
				t.Errorf("%s of prompt %d is %v after identity", name, i, v)
			}
		}
	}
	if rs[0].Metric("agreement").Values[1] != 1 || !math.IsInf(float64(rs[0].Metric("snr_v_db").Values[0]), 1) {
		t.Error("identity does not agree with itself")
	}
	uniform := rs[2*7]
	if uniform.Coord("codec") != "uniform" {
		t.Fatal(uniform.Key())
	}
	k, v := uniform.Metric("kld_mean_nats_k_only"), uniform.Metric("kld_mean_nats_v_only")
	both := uniform.Metric("kld_mean_nats")
	for i := range both.Values {
		if !(k.Values[i] > 0) || !(v.Values[i] > 0) ||
			math.Abs(float64(k.Values[i]+v.Values[i]-both.Values[i])) > 1e-12 {
			t.Errorf("k %v and v %v apart, %v together", k.Values[i], v.Values[i], both.Values[i])
		}
	}
}

func TestKindsSayWhatIsComparedHow(t *testing.T) {
	_, rs := runPlan(t, plan(t, everything, PlanOptions{}), RunOptions{})
	for i := range rs {
		r := &rs[i]
		for _, m := range r.Metrics {
			want := results.Exact
			switch {
			case strings.HasSuffix(m.Name, "_seconds") || strings.HasSuffix(m.Name, "_gbps") ||
				strings.HasSuffix(m.Name, "_allocs"):
				want = results.Timed
			case strings.Contains(m.Name, "kld") || strings.Contains(m.Name, "top1") || strings.Contains(m.Name, "nll") ||
				strings.Contains(m.Name, "ppl") || strings.Contains(m.Name, "agreement") || strings.Contains(m.Name, "attention"):
				want = results.Numeric
			case r.Coord("source") == "model" && !strings.HasSuffix(m.Name, "_bytes") && m.Name != "ratio" && m.Name != "bits_per_value":
				want = results.Numeric
			}
			if m.Kind != want {
				t.Errorf("%s of %s is %s, want %s", m.Name, r.Key(), m.Kind, want)
			}
			if len(m.Values) == 0 && m.Note == "" {
				t.Errorf("%s of %s has neither values nor a reason", m.Name, r.Key())
			}
			if (m.Kind == results.Numeric) != (m.Tolerance > 0) {
				t.Errorf("%s of %s has tolerance %v", m.Name, r.Key(), m.Tolerance)
			}
		}
	}
}

func TestJobsAndShardsDoNotChangeResults(t *testing.T) {
	_, want := runPlan(t, plan(t, everything, PlanOptions{}), RunOptions{})
	_, jobs := runPlan(t, plan(t, everything, PlanOptions{}), RunOptions{Jobs: 3})
	if d := cmp.Diff(untimed(want), untimed(jobs)); d != "" {
		t.Error(d)
	}
	byKey := map[string]results.Record{}
	for i := range 3 {
		_, part := runPlan(t, plan(t, everything, PlanOptions{Shard: Shard{i, 3}}), RunOptions{})
		for _, r := range part {
			if _, twice := byKey[r.Key()]; twice {
				t.Errorf("%s is in two shards", r.Key())
			}
			byKey[r.Key()] = r
		}
	}
	var sharded []results.Record
	for _, k := range keys(want) {
		sharded = append(sharded, byKey[k])
	}
	if d := cmp.Diff(untimed(want), untimed(sharded)); d != "" || len(byKey) != len(want) {
		t.Errorf("%d of %d records; %s", len(byKey), len(want), d)
	}
}

func TestWhatGoesWrongIsRecordedAndTheRunGoesOn(t *testing.T) {
	p := plan(t, `
caches:
  - fake
  - fake: {kind: absent}
  - fake: {fail: 1}
codecs: [identity, bad, {bad: {how: [unsupported, second, decompress, nan, random, lossy, fit]}}]
timing: {samples: 1, min_seconds: 0}
`, PlanOptions{})
	tally, rs := runPlan(t, p, RunOptions{Jobs: 2})
	got := map[string]string{}
	for _, r := range rs {
		got[r.Coord("cache")+" "+r.Coord("codec")] = "skipped: " + r.Skipped
		if r.Failed != "" {
			got[r.Coord("cache")+" "+r.Coord("codec")] = "failed: " + r.Failed
		}
		if (r.Skipped != "" || r.Failed != "") && len(r.Metrics) > 0 {
			t.Errorf("%s has metrics and a reason to have none", r.Key())
		}
	}
	for cell, want := range map[string]string{
		"fake identity":                   "skipped: ",
		"fake bad":                        "failed: prompt-0: codec bad panics: out of range",
		"fake bad:how=unsupported":        "skipped: unsupported tensor: 32 channels",
		"fake bad:how=second":             "dislikes even numbers",
		"fake bad:how=decompress":         "failed: prompt-0: its own payload does not decompress: cannot read it",
		"fake bad:how=nan":                "failed: prompt-0: value 5 of side v came back as NaN or infinite",
		"fake bad:how=random":             "failed: timing: compressing one cache gives other bytes the second time",
		"fake bad:how=lossy":              "failed: prompt-0: says it is lossless, and what came back differs",
		"fake bad:how=fit":                "skipped: unsupported tensor: source fake has no caches to fit on",
		"fake:kind=absent identity":       "skipped: model fake: not pulled yet",
		"fake:fail=1 identity":            "failed: sample 1: no such luck",
		"fake:fail=1 bad:how=unsupported": "skipped: unsupported tensor: 32 channels",
	} {
		if !strings.Contains(got[cell], want) {
			t.Errorf("%s: %s, want %s", cell, got[cell], want)
		}
	}
	if len(rs) != 27 || tally.Done != 1 || tally.Done+tally.Skipped+tally.Failed != 27 {
		t.Errorf("%d records, %+v", len(rs), tally)
	}
}

func TestAPlanNamesEveryMistakeWithItsLine(t *testing.T) {
	s := sweep(t, `name: x
caches:
  - fake
  - fake: {samples: 3}
  - sintetic
codecs:
  - kivvi
  - kivi: {bits: [2, 2]}
  - uniform: {bits: 1}
  - kivi: {bitz: 4}
transfer: {models: [sequentiel], devices: [cpu, t5]}
`)
	_, err := NewPlan(context.Background(), s, PlanOptions{})
	var es configs.Errors
	if !errors.As(err, &es) {
		t.Fatal(err)
	}
	for _, want := range []string{
		`x.yaml:4: caches[1]: fake:samples=3 is the same as caches[0]: fake`,
		`x.yaml:5: caches[2]: no cache source named "sintetic" (did you mean "synthetic"?)`,
		`x.yaml:7: codecs[0]: no codec named "kivvi" (did you mean "kivi"?)`,
		`x.yaml:8: codecs[1]: kivi:bits=2 is the same as codecs[1]: kivi`,
		`x.yaml:9: codecs[2]: codec "uniform": bits is 1`,
		`x.yaml:10: codecs[3]: codec "kivi": no parameter "bitz" (did you mean "bits"?)`,
		`x.yaml:11: transfer.models[0]: no transfer model named "sequentiel"`,
		`x.yaml:11: transfer.devices[1]: no device named "t5"; did you mean "t4"?`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	if len(es) != 8 {
		t.Errorf("%d mistakes:\n%v", len(es), err)
	}
}

const victimConfig = `
caches:
  - fake: {samples: 12, delay_ms: 30}
  - fake: {samples: 4, delay_ms: 30, kind: synthetic}
codecs: [identity, "uniform:bits=4", kivi]
timing: {samples: 1, min_seconds: 0}
transfer: {links_gbps: [10]}
`

func runVictim(dir string) int {
	s, err := configs.Read("x.yaml", []byte(victimConfig))
	if err != nil {
		return 2
	}
	p, err := NewPlan(context.Background(), s, PlanOptions{})
	if err != nil {
		return 2
	}
	h, err := p.Header("test")
	if err != nil {
		return 2
	}
	if _, err := p.RunInto(context.Background(), dir, h, true, RunOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestAKilledRunResumesToTheSameRecords kills a process again and again and lets each successor
// resume; what is left must equal an unbroken run, and a kill must cost one sample at most.
func TestAKilledRunResumesToTheSameRecords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	kills := 0
	for round := 0; ; round++ {
		if round > 60 {
			t.Fatal("the run never ends")
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "KVGAUGE_TEST_RUN_INTO="+dir)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(time.Duration(120+round*17%90) * time.Millisecond):
			before := journalLines(dir)
			killed := cmd.Process.Kill() // SIGKILL
			if err := <-ended; errors.Is(killed, os.ErrProcessDone) {
				if err != nil { // it ended just now, as above
					t.Fatal(err)
				}
				break
			}
			if killed != nil {
				t.Fatal(killed)
			}
			if after := journalLines(dir); after < before {
				t.Fatalf("a kill lost %d finished samples", before-after)
			}
			kills++
			continue
		}
		break
	}
	if kills < 2 {
		t.Fatalf("killed only %d times", kills)
	}
	f, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, want := runAll(t, plan(t, victimConfig, PlanOptions{}), RunOptions{})
	if d := cmp.Diff(untimed(want), untimed(f.Records), sameNumbers); d != "" {
		t.Errorf("after %d kills: %s", kills, d)
	}
	if _, err := os.Stat(filepath.Join(dir, journalFile)); !errors.Is(err, os.ErrNotExist) {
		t.Error("the journal outlives the run")
	}
}

func journalLines(dir string) int {
	text, _ := os.ReadFile(filepath.Join(dir, journalFile))
	return strings.Count(string(text), "\n")
}

var sameNumbers = cmp.Comparer(func(a, b results.Number) bool {
	return math.Float64bits(float64(a)) == math.Float64bits(float64(b))
})

func TestResumeRefusesAnotherRun(t *testing.T) {
	dir := t.TempDir()
	run := func(text string, o PlanOptions, resume bool, edit func(*results.Header)) error {
		p := plan(t, text, o)
		h, err := p.Header("test")
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			edit(&h)
		}
		_, err = p.RunInto(context.Background(), dir, h, resume, RunOptions{})
		return err
	}
	text := "caches: [fake]\ncodecs: [identity]\ntiming: {samples: 0}\n"
	if err := run(text, PlanOptions{}, true, nil); err != nil {
		t.Fatal(err)
	}
	if err := run(text, PlanOptions{}, true, nil); err != nil {
		t.Errorf("a finished run does not resume: %v", err)
	}
	for want, err := range map[string]error{
		"holds a run already": run(text, PlanOptions{}, false, nil),
		"another config":      run(text+"seed: 1\n", PlanOptions{}, true, nil),
		"smoke":               run(text, PlanOptions{Smoke: true}, true, nil),
		"shard":               run(text, PlanOptions{Shard: Shard{0, 2}}, true, nil),
		"processor":           run(text, PlanOptions{}, true, func(h *results.Header) { h.CPU = "other" }),
		"commit":              run(text, PlanOptions{}, true, func(h *results.Header) { h.Commit = "other" }),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f, err := results.Open(dir)
	if err != nil || len(f.Records) != 2 { // the cell's, and the codec's certificate
		t.Errorf("%v, %+v", err, f)
	}
}

func TestDistortionIsWhatItsDefinitionSays(t *testing.T) {
	a := kv.New(kv.Shape{Layers: 2, Heads: 1, Tokens: 3, KeyDim: 2, ValueDim: 2}, kv.F16)
	b := a.Clone()
	rows := [][2]float32{{3, 4}, {1, 0}, {0, 2}, {1, 1}, {0, 0}, {2, 0}}
	changed := [][2]float32{{3, 4}, {0, 1}, {0, 1}, {1, 1}, {0, 0}, {-2, 0}}
	for i := range rows {
		for c := range 2 {
			a.Bits[kv.K][2*i+c] = kv.F16.Bits(rows[i][c])
			b.Bits[kv.K][2*i+c] = kv.F16.Bits(changed[i][c])
		}
	}
	d := distort(a, b, kv.K, nil)
	// Layer 0: energy 30, error 3; layer 1: energy 6, error 16.
	want := distortion{
		NMSE: results.Number(19.0 / 36), NMSEByLayer: results.Numbers(0.1, 16.0/6),
		CosineByLayer: results.Numbers(27/math.Sqrt(30*27), -2.0/6),
		RowMin:        -1, RowMedian: 1,
	}
	if d.NMSE != want.NMSE || d.RowMin != -1 || d.RowMedian != 1 || math.Abs(float64(d.RowP01)+0.95) > 1e-12 {
		t.Errorf("%+v", d)
	}
	for l := range 2 {
		if math.Abs(float64(d.NMSEByLayer[l]-want.NMSEByLayer[l])) > 1e-15 ||
			math.Abs(float64(d.CosineByLayer[l]-want.CosineByLayer[l])) > 1e-15 {
			t.Errorf("layer %d: %+v", l, d)
		}
	}
	kept := &kv.Kept{Layers: 2, Heads: 1, Lists: [][]int32{{0}, {0, 1}}}
	if d := distort(a, b, kv.K, kept); d.NMSE != 0 || d.RowMin != 1 {
		t.Errorf("over the rows that were kept: %+v", d)
	}
	if d := distort(a, a, kv.V, nil); d.NMSE != 0 || d.Cosine != 1 {
		t.Errorf("of zeros: %+v", d)
	}
}

func TestEverySweepThatComesWithTheToolPlans(t *testing.T) {
	for _, name := range configs.Names() {
		s, err := configs.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, smoke := range []bool{false, true} {
			p, err := NewPlan(context.Background(), s, PlanOptions{Smoke: smoke})
			if err != nil {
				t.Fatal(err)
			}
			if e := p.Estimate(context.Background()); e.Unknown > 0 || len(p.Cells) == 0 ||
				p.Cells[0].Skip == "" && !(e.RawBytes > 0 && e.Seconds > 0 && e.MemoryBytes > 0 && e.DiskBytes > 0) {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
}

func TestAllStandsForTheCodecsThatAreNotNamed(t *testing.T) {
	p := plan(t, "caches: [fake]\ncodecs: [q4_0, all, 'uniform:bits=2', knorm+identity]\n", PlanOptions{})
	count := map[string]int{}
	for _, c := range p.Codecs {
		count[c.Spec.Name()]++
	}
	for _, name := range compressors.Names() {
		if count[name] != 1 {
			t.Errorf("%s is there %d times", name, count[name])
		}
	}
	if first, last := p.Codecs[0].Spec, p.Codecs[len(p.Codecs)-2].Spec; first != "q4_0" ||
		last != "uniform:bits=2" {
		t.Errorf("order: %s first, %s last but one", first, last)
	}
	again, err := NewPlan(context.Background(), p.Sweep, PlanOptions{})
	if err != nil || len(again.Codecs) != len(p.Codecs) {
		t.Errorf("planned again: %v", err)
	}
	s, err := configs.Read("x.yaml", []byte("caches: [fake]\ncodecs: [all, all]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewPlan(context.Background(), s, PlanOptions{}); err == nil ||
		!strings.Contains(err.Error(), `codecs[1]: no codec named "all"`) {
		t.Errorf("all twice: %v", err)
	}
}
