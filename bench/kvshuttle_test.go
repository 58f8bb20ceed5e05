package bench

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"kvgauge/configs"
	"kvgauge/internal/testenv"
	"kvgauge/results"
)

// KVShuttle published 350 rows as Llama-3.1-8B on WikiText that are Gaussian noise from
// default_rng(42): its fallback, without a word. This is the experiment that makes them.
const fallbackExperiment = `
experiment: {name: fallback}
models: [llama-3.1-8b]
compressors: [identity, uniform_int8, uniform_int4, kivi_2bit, cachegen, palu_lr, cascade_prune50_int4]
bandwidths_gbps: [10]
prompts: {source: synthetic, count: 50, min_tokens: 128, max_tokens: 512}
evaluation: {attention_error: true}
output: {dir: x}
`

// theirPublished returns the published rows by prompt and codec: column name to number.
func theirPublished(t *testing.T) map[string]map[string]float64 {
	t.Helper()
	f, err := os.Open(testenv.Shared(t,
		"data/calibration/kvshuttle/generation_quality_fp16_llama_rows.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]map[string]float64{}
	for _, line := range lines[1:] {
		row := map[string]float64{}
		for i, name := range lines[0][1:] {
			row[name], _ = strconv.ParseFloat(line[i+1], 64)
		}
		rows[fmt.Sprintf("%s %v", line[0], row["prompt_idx"])] = row
	}
	if len(rows) != 350 {
		t.Fatalf("%d published rows, want 350", len(rows))
	}
	return rows
}

// The published rows come out of ours: bytes and ratio exactly, errors to 1e-5. By default for the
// shortest prompt; KVGAUGE_LONG=1 takes all fifty, which is minutes of singular values.
func TestThePublishedFallbackRowsComeOutOfOurs(t *testing.T) {
	published := theirPublished(t)
	s, err := configs.Read("fallback.yaml", []byte(fallbackExperiment), "timing.samples=0")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("KVGAUGE_LONG") == "" {
		s.Caches = s.Caches[:1]
	}
	p, err := NewPlan(context.Background(), s, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := &results.File{Path: "test"}
	f.Header, err = p.Header("test")
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Run(context.Background(), RunOptions{Jobs: 1}, func(r ...results.Record) error {
		f.Records = append(f.Records, r...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text, left, err := results.KVShuttle(f)
	if err != nil || len(left) != 0 {
		t.Fatal(err, left)
	}
	var ours struct {
		Results []map[string]any `json:"results"`
	}
	if err := json.Unmarshal(text, &ours); err != nil {
		t.Fatal(err)
	}
	if len(ours.Results) < 7 || os.Getenv("KVGAUGE_LONG") != "" && len(ours.Results) != 350 {
		t.Fatalf("%d rows of ours", len(ours.Results))
	}
	worst := map[string]float64{}
	for _, row := range ours.Results {
		key := fmt.Sprintf("%v %v", row["compressor"], row["prompt_idx"])
		compareTheirs(t, key, row, published[key], worst)
	}
	t.Logf("%d rows; largest relative differences %v", len(ours.Results), worst)
}

func compareTheirs(t *testing.T, key string, row map[string]any, want map[string]float64,
	worst map[string]float64) {
	if row["prompt_source"] != "synthetic" {
		t.Errorf("%s: prompt_source is %v", key, row["prompt_source"])
	}
	exact := []string{"seq_len", "original_bytes", "compressed_bytes", "compression_ratio"}
	for name, w := range want {
		got, ok := row[name].(float64)
		if !ok {
			t.Errorf("%s has no %s", key, name)
			continue
		}
		miss := math.Abs(got - w)
		if w != 0 {
			miss /= math.Abs(w)
		}
		tolerance := 1e-5
		if slices.Contains(exact, name) {
			tolerance = 0
		}
		worst[name] = max(worst[name], miss)
		if miss > tolerance {
			t.Errorf("%s: %s is %v, published %v", key, name, got, w)
		}
	}
}
