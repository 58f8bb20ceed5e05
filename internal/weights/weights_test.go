package weights_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kvgauge/internal/weights"
	"kvgauge/internal/weights/weightstest"
)

func open(raw []byte) (*weights.Model, error) {
	return weights.OpenGGUF(bytes.NewReader(raw), int64(len(raw)), "x.gguf", weights.Options{})
}

// equal compares every tensor that a model serves with what it was made from.
func equal(t *testing.T, w *weights.Model, m *weightstest.Model) {
	t.Helper()
	if w.Config.TiedHead != m.Config.TiedHead {
		t.Errorf("TiedHead is %v, want %v", w.Config.TiedHead, m.Config.TiedHead)
	}
	for name, want := range m.Tensors {
		got := make([]float32, len(want))
		if err := w.Rows(name, got, 0); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s differs: %v", name, err)
		}
		if shape := m.Shape(name); len(shape) == 2 {
			row := make([]float32, shape[1])
			at := shape[0] - 1
			if err := w.Rows(name, row, at); err != nil || !slices.Equal(row, want[at*shape[1]:]) {
				t.Errorf("%s: last row differs: %v", name, err)
			}
			if err := w.Rows(name, row, shape[0]); err == nil {
				t.Errorf("%s: a row beyond the last must fail", name)
			}
		}
	}
	if err := w.Rows("nonsense", nil, 0); err == nil {
		t.Error("an absent tensor must fail")
	}
}

func TestGGUFAndDirectoriesServeTheSameWeights(t *testing.T) {
	for _, tied := range []bool{false, true} {
		c := weightstest.Config()
		c.TiedHead = tied
		m := weightstest.New(c, 1)
		equal(t, m.Open(t), m)
		for _, shards := range []int{1, 3} {
			dir := t.TempDir()
			m.WriteDir(t, dir, shards)
			w, err := weights.Open(dir, weights.Options{})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, w, m)
			want := m.Config
			want.Name = ""
			if w.Config != want {
				t.Errorf("config %+v, want %+v", w.Config, want)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestOpenReadsAFile(t *testing.T) {
	m := weightstest.New(weightstest.Config(), 2)
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, m.GGUF(nil), 0o644); err != nil {
		t.Fatal(err)
	}
	w, err := weights.Open(path, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	equal(t, w, m)
	if w.Config != m.Config {
		t.Errorf("config %+v, want %+v", w.Config, m.Config)
	}
}

func TestGGUFRefusesByName(t *testing.T) {
	m := weightstest.New(weightstest.Config(), 3)
	for want, extra := range map[string]map[string]any{
		"RoPE scaling":                {"llama.rope.scaling.type": "linear"},
		"sliding window":              {"llama.attention.sliding_window": uint32(128)},
		"mixture of experts":          {"llama.expert_count": uint32(8)},
		"partial rotary":              {"llama.rope.dimension_count": uint32(8)},
		"values of 8 channels":        {"llama.attention.value_length": uint32(8)},
		"logit scale":                 {"llama.logit_scale": float32(2)},
		`"gemma" is not supported`:    {"general.architecture": "gemma"},
		"layers is 0":                 {"llama.block_count": uint32(0)},
		"only 30 tensors":             {"llama.block_count": uint32(1 << 27)},
		"no multiple of 3 KV heads":   {"llama.attention.head_count_kv": uint32(3)},
		"llama.embedding_length\" is": {"llama.embedding_length": "wide"},
		"epsilon":                     {"llama.attention.layer_norm_rms_epsilon": float32(0)},
		"RoPE base":                   {"llama.rope.freq_base": float32(-1)},
		"shape [300 48], want":        {"llama.embedding_length": uint32(64)},
	} {
		if _, err := open(m.GGUF(extra)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want an error with %q", extra, err, want)
		}
	}
	for tensor, want := range map[string]string{
		"blk.0.attn_q.bias":        "attention bias",
		"blk.0.attn_q_norm.weight": "q/k norm",
		"rope_freqs.weight":        "RoPE scaling by frequency factors",
		"blk.0.ffn_gate_exps":      "mixture of experts",
		"blk.1.attn_qkv.weight":    "fused q/k/v",
		"blk.00.attn_q.weight":     "is not part of a llama model",
		"v.patch_embd":             "is not part of a llama model",
	} {
		if _, err := open(m.GGUF(nil, tensor)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("tensor %s: got %v, want an error with %q", tensor, err, want)
		}
	}
}

func TestGGUFAcceptsWhatChangesNothing(t *testing.T) {
	m := weightstest.New(weightstest.Config(), 4)
	if _, err := open(m.GGUF(map[string]any{
		"llama.rope.scaling.type": "none", "llama.expert_count": uint32(0), "llama.logit_scale": float32(1),
	})); err != nil {
		t.Error(err)
	}
}

func TestDirectoryRefusesByName(t *testing.T) {
	m := weightstest.New(weightstest.Config(), 5)
	dir := t.TempDir()
	m.WriteDir(t, dir, 1)
	config := filepath.Join(dir, "config.json")
	for want, extra := range map[string]map[string]any{
		`RoPE scaling "llama3"`:    {"rope_scaling": map[string]any{"rope_type": "llama3", "factor": 8}},
		`RoPE scaling "linear"`:    {"rope_scaling": map[string]any{"type": "linear", "factor": 8}},
		`RoPE scaling "yarn"`:      {"rope_parameters": map[string]any{"rope_type": "yarn", "rope_theta": 1e4}},
		"attention bias":           {"attention_bias": true},
		"feed-forward":             {"mlp_bias": true},
		"sliding window (4096)":    {"sliding_window": 4096},
		"partial rotary":           {"partial_rotary_factor": 0.5},
		`activation "gelu"`:        {"hidden_act": "gelu"},
		"quantization_config":      {"quantization_config": map[string]any{"bits": 4}},
		"q/k norm":                 {"model_type": "qwen3"},
		`model_type "gpt2"`:        {"model_type": "gpt2"},
		"vocabulary is 0":          {"vocab_size": 0},
		"head dimension 15 is odd": {"head_dim": 15},
	} {
		if err := os.WriteFile(config, m.ConfigJSON(extra), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := weights.Open(dir, weights.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want an error with %q", extra, err, want)
		}
	}
	if err := os.WriteFile(config, m.ConfigJSON(map[string]any{"tie_word_embeddings": true,
		"rope_parameters": map[string]any{"rope_type": "default", "rope_theta": 5e5}}), 0o644); err != nil {
		t.Fatal(err)
	}
	w, err := weights.Open(dir, weights.Options{})
	if err != nil || !w.Config.TiedHead || w.Config.RopeTheta != 5e5 {
		t.Errorf("a tied head beside lm_head.weight: %v", err)
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "absent.gguf")} {
		_, err := weights.Open(path, weights.Options{})
		if err == nil || !strings.HasPrefix(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line that begins with the path", err)
		}
	}
}

func mustRead(t testing.TB, dir, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
