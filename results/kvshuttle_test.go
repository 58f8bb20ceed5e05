package results

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// theirRun is a run of one model, two caches and two codecs, three prompts of which two have the
// same length.
func theirRun() *File {
	f := &File{Path: "x", Header: Header{Schema: Schema, Name: "folder", Started: "2026-01-02T03:04:05Z",
		Config: json.RawMessage(`{"transfer":{"links_gbps":[10,100]},` +
			`"kvshuttle":{"experiment":"their name","lengths":[20,12,20],"per_layer":true}}`)}}
	for _, tokens := range []string{"12", "20"} {
		for i, codec := range []string{"kvshuttle/identity", "uniform"} {
			r := Record{Type: "codec", Cell: []Coord{{"source", "synthetic"}, {"model", "m"},
				{"tokens", tokens}, {"cache", "synthetic:tokens=" + tokens}, {"codec", codec}}}
			add := func(name string, values ...float64) {
				r.Metrics = append(r.Metrics, Metric{Name: name, Values: Numbers(values...)})
			}
			add("raw_bytes", 1000)
			add("frame_bytes", 500)
			add("ratio", 2)
			add("cosine_k", 0.5)
			add("mse_k", 0.25)
			add("compress_seconds", 0.003, 0.001, 0.002)
			add("decompress_seconds", 0.004)
			if i == 0 {
				add("kvshuttle_payload_bytes", 400)
				add("kvshuttle_wire_bytes", 450)
				add("kvshuttle_ratio", 2.25)
				r.Metrics = append(r.Metrics, Metric{Name: "cosine_k_by_layer", Over: "prompt,layer",
					Dims: []int{1, 2}, Values: Numbers(0.25, 0.75)})
			}
			f.Records = append(f.Records, r)
		}
	}
	f.Records = append(f.Records, Record{Type: "codec", Cell: []Coord{{"cache", "model:name=x"},
		{"codec", "c"}}, Skipped: "no model"})
	return f
}

type theirFile struct {
	Metadata map[string]any   `json:"metadata"`
	Results  []map[string]any `json:"results"`
}

func readTheirs(t *testing.T, f *File) (theirFile, []string) {
	t.Helper()
	text, left, err := KVShuttle(f)
	if err != nil {
		t.Fatal(err)
	}
	var out theirFile
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out, left
}

func TestKVShuttlesFormHasARowPerPromptCodecAndLink(t *testing.T) {
	out, left := readTheirs(t, theirRun())
	if len(out.Results) != 3*2*2 {
		t.Fatalf("%d rows, want 3 prompts x 2 codecs x 2 links", len(out.Results))
	}
	var order []string
	for _, row := range out.Results {
		order = append(order, fmt.Sprintf("%v %v %v %v", row["prompt_idx"], row["seq_len"],
			row["compressor"], row["bandwidth_gbps"]))
	}
	want := []string{"0 20 identity 10", "0 20 identity 100", "0 20 uniform 10", "0 20 uniform 100",
		"1 12 identity 10"}
	if !slices.Equal(order[:5], want) {
		t.Errorf("rows %q, want %q first", order, want)
	}
	meta := out.Metadata
	for key, want := range map[string]any{"experiment": "their name", "timestamp": "2026-01-02T03:04:05",
		"num_results": 12.0, "prompt_source": "synthetic", "backend": "kvgauge"} {
		if meta[key] != want {
			t.Errorf("metadata.%s is %v, want %v", key, meta[key], want)
		}
	}
	if len(left) != 1 || left[0] != "model:name=x c: no model" {
		t.Errorf("left out: %q", left)
	}
}

func TestARowOfKVShuttlesFormAddsUp(t *testing.T) {
	out, _ := readTheirs(t, theirRun())
	for key, want := range map[string]any{"model": "m", "compressor": "identity", "prompt_source": "synthetic",
		"compress_ms": 2.0, "serialize_ms": 0.0, "transfer_ms": 8 * 450 / 1e7, "decompress_ms": 4.0,
		"total_ms": 6 + 8*450/1e7, "raw_transfer_ms": 8e3 / 1e7, "speedup": 8e3 / 1e7 / (6 + 8*450/1e7),
		"original_bytes": 1000.0, "compressed_bytes": 400.0, "compression_ratio": 2.25,
		"mean_key_cosine_sim": 0.5, "mean_key_mse": 0.25} {
		got := out.Results[0][key]
		if x, ok := got.(float64); ok && math.Abs(x-want.(float64)) < 1e-12 {
			continue
		}
		if got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	if got := fmt.Sprint(out.Results[0]["key_cosine_sim_per_layer"]); got != "[0.25 0.75]" {
		t.Errorf("by layer: %s", got)
	}
	for _, key := range []string{"perplexity_delta", "token_agreement", "mean_val_mse"} {
		if v, has := out.Results[0][key]; has {
			t.Errorf("%s is %v, though nothing was measured", key, v)
		}
	}
	if other := out.Results[2]; other["compressed_bytes"] != 500.0 || other["compression_ratio"] != 2.0 {
		t.Errorf("a codec that is not KVShuttle's: %v", other)
	}
}

func TestKVShuttlesFormOfAModelsCaches(t *testing.T) {
	f := theirRun()
	r := &f.Records[0]
	f.Records = f.Records[:1]
	r.Cell[0].Value = "model"
	r.Cell = append(r.Cell, Coord{"dataset", "wikitext2"})
	for i := range r.Metrics {
		m := &r.Metrics[i]
		if len(m.Values) == 1 && m.Name != "decompress_seconds" {
			m.Values = append(m.Values, 2*m.Values[0])
		}
	}
	r.Metrics = append(r.Metrics, Metric{Name: "base_nll_nats", Values: Numbers(0, 1)},
		Metric{Name: "ln_ppl_ratio", Values: Numbers(0, 0)}, Metric{Name: "same_top1", Values: Numbers(1, 0.5)})
	out, _ := readTheirs(t, f)
	if len(out.Results) != 4 {
		t.Fatalf("%d rows, want 2 prompts x 2 links", len(out.Results))
	}
	row := out.Results[2]
	if row["prompt_idx"] != 1.0 || row["token_agreement"] != 0.5 || row["perplexity_delta"] != 0.0 ||
		row["prompt_source"] != "wikitext2" || row["compressed_bytes"] != 800.0 {
		t.Errorf("%v", row)
	}
}

func TestRunsThatKVShuttlesFormCannotHoldAreErrors(t *testing.T) {
	f := theirRun()
	f.Header.Config = json.RawMessage(`{}`)
	if _, _, err := KVShuttle(f); err == nil || !strings.Contains(err.Error(), "links_gbps") {
		t.Errorf("no links: %v", err)
	}
	f.Header.Config = json.RawMessage(`[`)
	if _, _, err := KVShuttle(f); err == nil {
		t.Error("a broken config passes")
	}
	lengths := strings.Repeat("20,", 1<<17)
	f.Header.Config = json.RawMessage(`{"transfer":{"links_gbps":[1,2,3,4,5,6,7,8,9]},"kvshuttle":{"lengths":[` +
		lengths + `20]}}`)
	if _, _, err := KVShuttle(f); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("too many rows: %v", err)
	}
}
