package models

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/llama"
	"kvgauge/internal/testenv"
	"kvgauge/internal/weights"
)

// tinyReference is what PyTorch said of the model in the binary; workloads/data/tiny/evaluate.py
// wrote it.
type tinyReference struct {
	Strings []struct {
		Text    string  `json:"text"`
		IDs     []int32 `json:"ids"`
		Special bool    `json:"special"`
	} `json:"strings"`
	Passage struct {
		Text    string  `json:"text"`
		IDs     []int32 `json:"ids"`
		MeanNLL float64 `json:"mean_nll_nats"`
		Top5    []struct {
			Position int       `json:"position"`
			IDs      []int32   `json:"ids"`
			LogProbs []float64 `json:"logprobs"`
		} `json:"top5"`
	} `json:"passage"`
	Cache []struct {
		Layer    int   `json:"layer"`
		Head     int   `json:"kv_head"`
		Token    int   `json:"token"`
		Channels []int `json:"channels"`
		K, V     []float64
	} `json:"cache"`
	Greedy struct {
		Prompt string  `json:"prompt"`
		IDs    []int32 `json:"ids"`
	} `json:"greedy"`
}

func openTiny(t *testing.T) (*weights.Model, tinyReference) {
	t.Helper()
	var ref tinyReference
	b, err := os.ReadFile(filepath.Join(testenv.Root(t), "workloads/data/tiny/reference.json"))
	if err == nil {
		err = json.Unmarshal(b, &ref)
	}
	if err != nil || len(ref.Strings) < 10 || len(ref.Passage.Top5) == 0 || len(ref.Cache) == 0 {
		t.Fatalf("reference.json: %v, %d strings", err, len(ref.Strings))
	}
	w, err := Open("tiny", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w, ref
}

func TestTinyAgreesWithTheFrameworkThatTrainedIt(t *testing.T) {
	w, ref := openTiny(t)
	tok, err := w.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range ref.Strings {
		if got := tok.Encode(s.Text, s.Special); !slices.Equal(got, s.IDs) {
			t.Errorf("%q has ids %v, want %v", s.Text, got, s.IDs)
		}
	}
	m, err := llama.Load(w)
	if err != nil {
		t.Fatal(err)
	}
	ids := tok.Encode(ref.Passage.Text, false)
	if !slices.Equal(ids, ref.Passage.IDs) {
		t.Fatal("the passage has other ids")
	}
	rows := make([][]float32, len(ids))
	cache, _, err := m.Prefill(context.Background(), ids, llama.Options{
		Logits: func(position int, logits [][]float32) { rows[position] = slices.Clone(logits[0]) },
	})
	if err != nil {
		t.Fatal(err)
	}
	checkLogits(t, ref, ids, rows)
	x := m.Tensor(cache, kv.F16)
	for _, c := range ref.Cache {
		for side, want := range [][]float64{c.K, c.V} {
			row := x.Row(kv.Side(side), c.Layer, c.Head, c.Token)
			for i, ch := range c.Channels {
				if got := float64(kern.F16ToF32(row[ch])); math.Abs(got-want[i]) > 2e-3*(1+math.Abs(want[i])) {
					t.Errorf("layer %d, head %d, token %d, channel %d: %v, want %v", c.Layer, c.Head, c.Token,
						ch, got, want[i])
				}
			}
		}
	}
}

func checkLogits(t *testing.T, ref tinyReference, ids []int32, rows [][]float32) {
	t.Helper()
	logprob := func(position int, id int32) float64 {
		row := rows[position]
		lse, _, _ := kern.LogSumExp(row, make([]float32, len(row)))
		return float64(row[id]) - lse
	}
	sum := 0.0
	for i, id := range ids[1:] {
		sum -= logprob(i, id)
	}
	if nll := sum / float64(len(ids)-1); math.Abs(nll-ref.Passage.MeanNLL) > 1e-4*ref.Passage.MeanNLL {
		t.Errorf("mean NLL %v, PyTorch says %v", nll, ref.Passage.MeanNLL)
	}
	for _, top := range ref.Passage.Top5 {
		for i, id := range top.IDs {
			if got := logprob(top.Position, id); math.Abs(got-top.LogProbs[i]) > 1e-3 {
				t.Errorf("position %d, token %d: log-probability %v, want %v", top.Position, id, got, top.LogProbs[i])
			}
		}
	}
}

func TestTinyDecodesWhatPyTorchDecodes(t *testing.T) {
	w, ref := openTiny(t)
	tok, err := w.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	m, err := llama.Load(w)
	if err != nil {
		t.Fatal(err)
	}
	prompt := tok.Encode(ref.Greedy.Prompt, false)
	if !slices.Equal(prompt, ref.Greedy.IDs[:len(prompt)]) {
		t.Fatalf("the prompt has ids %v, want %v", prompt, ref.Greedy.IDs[:len(prompt)])
	}
	want := ref.Greedy.IDs[len(prompt):]
	cache, logits, err := m.Prefill(context.Background(), prompt, llama.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := int32(llama.Argmax(logits))
	rest, err := m.Greedy(context.Background(), cache, first, len(want)-1)
	if got := append([]int32{first}, rest...); err != nil || !slices.Equal(got, want) {
		t.Errorf("decodes %v, want %v (%v)", got, want, err)
	}
}
