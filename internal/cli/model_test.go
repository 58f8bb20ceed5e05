package cli

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/testenv"
	"kvgauge/workloads/kvfile"
)

// reference is what a forward in numpy found for SmolLM2.
type reference struct {
	Tokens struct {
		N      int    `json:"tokens"`
		SHA256 string `json:"ids_sha256_u32le"`
	} `json:"wiki_test_raw"`
	Chunks []struct {
		NLL     float64 `json:"mean_nll_second_half"`
		Samples []struct {
			Layer, Head, Token int
			K                  []float64 `json:"k_first8"`
			V                  []float64 `json:"v_first8"`
		} `json:"kv_samples"`
	} `json:"chunks"`
}

// TestAKnownModelThroughTheCommandLine goes the way of somebody who checks tokenizer and forward
// with files alone.
func TestAKnownModelThroughTheCommandLine(t *testing.T) {
	model := testenv.SmolLM2(t)
	raw, err := os.ReadFile(testenv.Shared(t, "conformance/smollm2/reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want reference
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	text := gunzipTo(t, testenv.Shared(t, "data/prompts/wikitext2/wiki.test.raw.gz"))

	var tokens struct {
		Tokens int
		IDs    []uint32
	}
	fromJSON(t, kvgauge(t, "model", "tokens", model, "--in", text, "--json"), &tokens)
	h := sha256.New()
	binary.Write(h, binary.LittleEndian, tokens.IDs)
	if tokens.Tokens != want.Tokens.N || hex.EncodeToString(h.Sum(nil)) != want.Tokens.SHA256 {
		t.Errorf("%d tokens, want %d with the digest", tokens.Tokens, want.Tokens.N)
	}

	var got struct {
		Perplexity float64
		NLL        float64 `json:"mean_nll"`
		Chunks     int
	}
	fromJSON(t, kvgauge(t, "model", "perplexity", model, "--in", text, "--chunks", "1", "--json"), &got)
	if math.Abs(got.NLL-want.Chunks[0].NLL) > 1e-5 || got.Chunks != 1 ||
		math.Abs(got.Perplexity-math.Exp(got.NLL)) > 1e-9 {
		t.Errorf("perplexity %+v, want mean_nll %v", got, want.Chunks[0].NLL)
	}
	checkExtract(t, model, text, want)
}

// checkExtract compares an extracted cache with the reference's samples.
func checkExtract(t *testing.T, model, text string, want reference) {
	out := filepath.Join(t.TempDir(), "cache.safetensors")
	kvgauge(t, "cache", "extract", "--model", model, "--prompt", text, "--tokens", "512",
		"--dtype", "f16", "--out", out)
	x, err := kvfile.Read(out, kvfile.Defaults)
	if err != nil || x.DType != kv.F16 {
		t.Fatalf("cache in %v, %v", x.DType, err)
	}
	if r := x.Meta.Rope; r == nil || *r != (kv.Rope{Theta: 1e5, Dim: 64, Applied: true}) {
		t.Errorf("rope %+v", r)
	}
	for _, s := range want.Chunks[0].Samples {
		for side, values := range [][]float64{s.K, s.V} {
			row := x.Row(kv.Side(side), s.Layer, s.Head, s.Token)
			for c, v := range values {
				if d := math.Abs(float64(x.DType.Float(row[c])) - v); d > 1e-4+5e-4*math.Abs(v) {
					t.Errorf("%v, layer %d, head %d, token %d, channel %d is off by %g",
						kv.Side(side), s.Layer, s.Head, s.Token, c, d)
				}
			}
		}
	}
}

func fromJSON(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
}

// gunzipTo unpacks a file into the test's folder.
func gunzipTo(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(out, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return out
}
