package workloads

import (
	"fmt"
	"sort"

	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// A ModelShape says how much an open model caches per token.
type ModelShape struct {
	Name             string
	Layers, Heads    int
	KeyDim, ValueDim int

	// Window is the length up to which every layer caches every token, for models some of whose
	// layers slide a window; 0 for those without such layers.
	Window int
}

// Shape returns the shape of the cache of a number of tokens. It is an error beyond the model's
// window, where layers cache different numbers of tokens.
func (m ModelShape) Shape(tokens int) (kv.Shape, error) {
	s := kv.Shape{Layers: m.Layers, Heads: m.Heads, Tokens: tokens,
		KeyDim: m.KeyDim, ValueDim: m.ValueDim}
	if m.Window > 0 && tokens > m.Window {
		return s, fmt.Errorf("%s caches only the last %d tokens in some layers, got %d tokens",
			m.Name, m.Window, tokens)
	}
	return s, s.Check()
}

// mha is the shape of a model whose keys and values are alike.
func mha(name string, layers, heads, dim int) ModelShape {
	return ModelShape{Name: name, Layers: layers, Heads: heads, KeyDim: dim, ValueDim: dim}
}

func windowed(m ModelShape, tokens int) ModelShape {
	m.Window = tokens
	return m
}

// latent is the shape of multi-head latent attention (DeepSeek-V2, section 2.1): per token and
// layer one vector of 512 and its 64 rotated channels, and no values.
func latent(name string, layers int) ModelShape {
	return ModelShape{Name: name, Layers: layers, Heads: 1, KeyDim: 512 + 64}
}

// modelShapes holds layers, KV heads and head dimension as the models' published config.json
// states them (num_hidden_layers, num_key_value_heads, head_dim or hidden_size divided by
// num_attention_heads). The first seven carry the names that KVShuttle gives them.
var modelShapes = []ModelShape{
	mha("qwen2.5-3b", 36, 2, 128),
	mha("llama-3.2-3b", 28, 8, 128),
	mha("phi-3.5-mini", 32, 32, 96),
	mha("qwen2.5-7b", 28, 4, 128),
	mha("llama-3.1-8b", 32, 8, 128),
	mha("mistral-7b", 32, 8, 128),
	mha("llama-3.1-70b", 80, 8, 128),

	mha("llama-2-7b", 32, 32, 128),
	mha("llama-2-13b", 40, 40, 128),
	mha("llama-2-70b", 80, 8, 128),
	mha("llama-3-8b", 32, 8, 128),
	mha("llama-3-70b", 80, 8, 128),
	mha("llama-3.1-405b", 126, 8, 128),
	mha("llama-3.2-1b", 16, 8, 64),
	mha("llama-3.3-70b", 80, 8, 128),

	mha("qwen2.5-0.5b", 24, 2, 64),
	mha("qwen2.5-1.5b", 28, 2, 128),
	mha("qwen2.5-14b", 48, 8, 128),
	mha("qwen2.5-32b", 64, 8, 128),
	mha("qwen2.5-72b", 80, 8, 128),
	mha("qwen3-0.6b", 28, 8, 128),
	mha("qwen3-1.7b", 28, 8, 128),
	mha("qwen3-4b", 36, 8, 128),
	mha("qwen3-8b", 36, 8, 128),
	mha("qwen3-14b", 40, 8, 128),
	mha("qwen3-32b", 64, 8, 128),
	mha("qwen3-30b-a3b", 48, 4, 128),
	mha("qwen3-235b-a22b", 94, 4, 128),

	mha("mistral-nemo-12b", 40, 8, 128),
	mha("mistral-small-24b", 40, 8, 128),
	mha("mixtral-8x7b", 32, 8, 128),
	mha("mixtral-8x22b", 56, 8, 128),

	mha("phi-4", 40, 10, 128),
	mha("phi-4-mini", 32, 8, 128),

	windowed(mha("gemma-2-2b", 26, 4, 256), 4096),
	windowed(mha("gemma-2-9b", 42, 8, 256), 4096),
	windowed(mha("gemma-2-27b", 46, 16, 128), 4096),
	windowed(mha("gemma-3-1b", 26, 1, 256), 512),
	windowed(mha("gemma-3-4b", 34, 4, 256), 1024),
	windowed(mha("gemma-3-12b", 48, 8, 256), 1024),
	windowed(mha("gemma-3-27b", 62, 16, 128), 1024),

	mha("smollm2-135m", 30, 3, 64),
	mha("smollm2-360m", 32, 5, 64),
	mha("smollm2-1.7b", 24, 32, 64),
	mha("tinyllama-1.1b", 22, 4, 64),

	latent("deepseek-v2-lite", 27),
	latent("deepseek-v2", 60),
	latent("deepseek-v3", 61),
	latent("deepseek-r1", 61),
	latent("kimi-k2", 61),
}

// ModelShapes returns the shapes of known models, sorted by name. The slice is the caller's.
func ModelShapes() []ModelShape {
	out := append([]ModelShape(nil), modelShapes...)
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// LookupShape returns the shape of the model called name; the error suggests the nearest name.
func LookupShape(name string) (ModelShape, error) {
	var names []string
	for _, m := range modelShapes {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	if near := registry.Nearest(name, names); near != "" {
		return ModelShape{}, fmt.Errorf("no model shape named %q (did you mean %q?)", name, near)
	}
	return ModelShape{}, fmt.Errorf("no model shape named %q; have %d, such as llama-3.1-8b",
		name, len(names))
}
