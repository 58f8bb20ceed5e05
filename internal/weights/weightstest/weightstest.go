// Package weightstest makes small random models for tests, as GGUF files and as Hugging Face
// directories of the same weights.
package weightstest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kvgauge/internal/weights"
	"kvgauge/internal/weights/gguf"
	"kvgauge/internal/weights/safetensors"
)

// A Model is a configuration and its tensors, by Hugging Face's names.
type Model struct {
	Config  weights.Config
	Tensors map[string][]float32
}

// Config returns a small configuration with two query heads to a KV head.
func Config() weights.Config {
	return weights.Config{Name: "random", Layers: 3, Hidden: 48, FFN: 80, Heads: 4, KVHeads: 2, HeadDim: 16,
		Vocab: 300, Context: 256, RopeTheta: 10000, NormEps: 1e-5}
}

// New draws the weights of a model: matrices scaled so that activations keep their size, norms
// around 1.
func New(c weights.Config, seed uint64) *Model {
	m := &Model{Config: c, Tensors: map[string][]float32{}}
	for i, name := range m.names() {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		shape := m.Shape(name)
		n, mid, width := shape[0], 1.0, 0.25
		if len(shape) == 2 {
			n, mid, width = n*shape[1], 0, 3/math.Sqrt(float64(shape[1]))
		}
		if name == weights.Embedding || name == weights.Head {
			width = 1
		}
		data := make([]float32, n)
		for j := range data {
			data[j] = float32(mid + width*(2*r.Float64()-1))
		}
		m.Tensors[name] = data
	}
	return m
}

// names lists the tensors in order.
func (m *Model) names() []string {
	names := []string{weights.Embedding, weights.FinalNorm}
	if !m.Config.TiedHead {
		names = append(names, weights.Head)
	}
	for l := range m.Config.Layers {
		for _, n := range []string{weights.AttnNorm, weights.Q, weights.K, weights.V, weights.O,
			weights.FFNNorm, weights.Gate, weights.Up, weights.Down} {
			names = append(names, weights.Layer(l, n))
		}
	}
	return names
}

// Shape returns the shape of a tensor.
func (m *Model) Shape(name string) []int {
	c := m.Config
	if i := strings.Index(name, ".layers."); i >= 0 {
		_, name, _ = strings.Cut(name[i+len(".layers."):], ".")
	}
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	return map[string][]int{
		weights.Embedding: {c.Vocab, c.Hidden}, weights.Head: {c.Vocab, c.Hidden},
		weights.FinalNorm: {c.Hidden}, weights.AttnNorm: {c.Hidden}, weights.FFNNorm: {c.Hidden},
		weights.Q: {q, c.Hidden}, weights.K: {kv, c.Hidden}, weights.V: {kv, c.Hidden},
		weights.O: {c.Hidden, q}, weights.Gate: {c.FFN, c.Hidden}, weights.Up: {c.FFN, c.Hidden},
		weights.Down: {c.Hidden, c.FFN},
	}[name]
}

var ggufNames = strings.NewReplacer(
	weights.Embedding, "token_embd.weight", weights.FinalNorm, "output_norm.weight",
	weights.Head, "output.weight", "model.layers.", "blk.", weights.AttnNorm, "attn_norm.weight",
	weights.Q, "attn_q.weight", weights.K, "attn_k.weight", weights.V, "attn_v.weight",
	weights.O, "attn_output.weight", weights.FFNNorm, "ffn_norm.weight",
	weights.Gate, "ffn_gate.weight", weights.Up, "ffn_up.weight", weights.Down, "ffn_down.weight",
)

// GGUF returns the model as a GGUF file of F32 tensors, queries and keys permuted as llama.cpp's
// converter does, with extra metadata (string, uint32, float32, bool or []string values) and
// extra tensors of one value.
func (m *Model) GGUF(extra map[string]any, extraTensors ...string) []byte {
	c := m.Config
	meta := map[string]any{
		"general.architecture": "llama", "general.name": c.Name,
		"llama.block_count": uint32(c.Layers), "llama.embedding_length": uint32(c.Hidden),
		"llama.feed_forward_length": uint32(c.FFN), "llama.attention.head_count": uint32(c.Heads),
		"llama.attention.head_count_kv": uint32(c.KVHeads), "llama.attention.key_length": uint32(c.HeadDim),
		"llama.attention.value_length": uint32(c.HeadDim), "llama.rope.dimension_count": uint32(c.HeadDim),
		"llama.context_length": uint32(c.Context), "llama.rope.freq_base": float32(c.RopeTheta),
		"llama.attention.layer_norm_rms_epsilon": float32(c.NormEps),
	}
	for k, v := range extra {
		meta[k] = v
	}
	w := &ggufWriter{}
	w.WriteString(gguf.Magic)
	names := m.names()
	w.put(uint32(3), uint64(len(names)+len(extraTensors)), uint64(len(meta)))
	keys := make([]string, 0, len(meta))
	for k := range meta {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		w.text(k)
		w.value(meta[k])
	}
	var data []byte
	tensor := func(name string, shape []int, values []float32) {
		w.text(name)
		w.put(uint32(len(shape)))
		for _, d := range slices.Backward(shape) {
			w.put(uint64(d))
		}
		w.put(uint32(gguf.F32), uint64(len(data)))
		data = safetensors.AppendF32(data, values)
		data = append(data, make([]byte, -len(data)&31)...)
	}
	for _, name := range names {
		values := m.Tensors[name]
		if strings.HasSuffix(name, weights.Q) || strings.HasSuffix(name, weights.K) {
			values = permute(values, c.HeadDim, c.Hidden)
		}
		tensor(ggufNames.Replace(name), m.Shape(name), values)
	}
	for _, name := range extraTensors {
		tensor(name, []int{1}, []float32{2})
	}
	w.Write(make([]byte, -w.Len()&31))
	w.Write(data)
	return w.Bytes()
}

// permute puts row j of a head at 2j and row j + dim/2 at 2j + 1.
func permute(rows []float32, dim, cols int) []float32 {
	out := make([]float32, len(rows))
	for r := range len(rows) / cols {
		head, j := r/dim*dim, r%dim
		to := head + 2*j
		if j >= dim/2 {
			to = head + 2*(j-dim/2) + 1
		}
		copy(out[to*cols:(to+1)*cols], rows[r*cols:(r+1)*cols])
	}
	return out
}

type ggufWriter struct{ bytes.Buffer }

func (w *ggufWriter) put(values ...any) {
	for _, v := range values {
		if err := binary.Write(w, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
}

func (w *ggufWriter) text(s string) { w.put(uint64(len(s))); w.WriteString(s) }

func (w *ggufWriter) value(v any) {
	switch v := v.(type) {
	case uint32:
		w.put(uint32(4), v)
	case float32:
		w.put(uint32(6), v)
	case bool:
		w.put(uint32(7), v)
	case string:
		w.put(uint32(8))
		w.text(v)
	case []string:
		w.put(uint32(9), uint32(8), uint64(len(v)))
		for _, s := range v {
			w.text(s)
		}
	default:
		panic(fmt.Sprintf("weightstest: %T", v))
	}
}

// ConfigJSON returns the model's config.json with extra keys.
func (m *Model) ConfigJSON(extra map[string]any) []byte {
	c := m.Config
	doc := map[string]any{
		"model_type": "llama", "hidden_size": c.Hidden, "intermediate_size": c.FFN,
		"num_hidden_layers": c.Layers, "num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads,
		"head_dim": c.HeadDim, "vocab_size": c.Vocab, "max_position_embeddings": c.Context,
		"rms_norm_eps": c.NormEps, "rope_theta": c.RopeTheta, "tie_word_embeddings": c.TiedHead,
	}
	for k, v := range extra {
		doc[k] = v
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return raw
}

// WriteDir writes the model to dir as a Hugging Face directory of F32 tensors in so many files.
func (m *Model) WriteDir(t testing.TB, dir string, shards int) {
	t.Helper()
	write := func(name string, raw []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("config.json", m.ConfigJSON(nil))
	entries := make([][]safetensors.Entry, shards)
	index := map[string]string{}
	file := func(i int) string {
		if shards == 1 {
			return "model.safetensors"
		}
		return fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, shards)
	}
	for i, name := range m.names() {
		s := i % shards
		index[name] = file(s)
		entries[s] = append(entries[s], safetensors.Entry{Name: name, DType: safetensors.F32,
			Shape: m.Shape(name), Data: safetensors.AppendF32(nil, m.Tensors[name])})
	}
	for s := range entries {
		var b bytes.Buffer
		if err := safetensors.Write(&b, map[string]string{"format": "pt"}, entries[s]); err != nil {
			t.Fatal(err)
		}
		write(file(s), b.Bytes())
	}
	if shards > 1 {
		raw, err := json.Marshal(map[string]any{"weight_map": index})
		if err != nil {
			t.Fatal(err)
		}
		write("model.safetensors.index.json", raw)
	}
}

// Open opens the model from its GGUF form.
func (m *Model) Open(t testing.TB) *weights.Model {
	t.Helper()
	raw := m.GGUF(nil)
	w, err := weights.OpenGGUF(bytes.NewReader(raw), int64(len(raw)), "random.gguf", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}
