package weights_test

import (
	"bytes"
	"testing"
	"testing/fstest"

	"kvgauge/internal/weights"
	"kvgauge/internal/weights/weightstest"
)

func small() *weightstest.Model {
	c := weights.Config{Layers: 1, Hidden: 4, FFN: 4, Heads: 2, KVHeads: 1, HeadDim: 2, Vocab: 3,
		RopeTheta: 10000, NormEps: 1e-5, TiedHead: true}
	return weightstest.New(c, 1)
}

// readAll reads every tensor and the tokenizer: whatever a file says, that is an error or works.
func readAll(t *testing.T, w *weights.Model) {
	t.Helper()
	for _, info := range w.Tensors() {
		row := make([]float32, info.Shape[len(info.Shape)-1])
		if err := w.Rows(info.Name, row, 0); err != nil {
			t.Fatalf("%s: %v", info.Name, err)
		}
	}
	if _, err := w.Tokenizer(); err != nil {
		return
	}
}

func FuzzOpenGGUF(f *testing.F) {
	f.Add(small().GGUF(map[string]any{"tokenizer.ggml.model": "gpt2",
		"tokenizer.ggml.tokens": []string{"a", "b", "ab"}, "tokenizer.ggml.merges": []string{"a b"},
		"tokenizer.ggml.unknown_token_id": uint32(0)}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, err := weights.OpenGGUF(bytes.NewReader(raw), int64(len(raw)), "x", weights.Options{})
		if err == nil {
			readAll(t, w)
		}
	})
}

func FuzzOpenDirectory(f *testing.F) {
	dir := f.TempDir()
	m := small()
	m.WriteDir(f, dir, 1)
	st := mustRead(f, dir, "model.safetensors")
	f.Add(m.ConfigJSON(nil), st, []byte(`{"model":{"type":"BPE","vocab":{"a":0},"unk_token":"a"}}`))
	f.Fuzz(func(t *testing.T, config, tensors, tokenizer []byte) {
		w, err := weights.OpenFS(fstest.MapFS{
			"config.json":       {Data: config},
			"model.safetensors": {Data: tensors},
			"tokenizer.json":    {Data: tokenizer},
		}, "x", weights.Options{})
		if err == nil {
			readAll(t, w)
		}
	})
}
