package weights

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// maxDim bounds every dimension, so that no product of two overflows.
const maxDim = 1 << 28

// check returns an error for a configuration that no model has.
func (c *Config) check() error {
	for _, d := range []struct {
		name string
		n    int
	}{
		{"layers", c.Layers}, {"hidden size", c.Hidden}, {"feed-forward size", c.FFN},
		{"heads", c.Heads}, {"KV heads", c.KVHeads}, {"head dimension", c.HeadDim},
		{"vocabulary", c.Vocab},
	} {
		if d.n < 1 || d.n > maxDim {
			return fmt.Errorf("%s is %d, want 1 to %d", d.name, d.n, maxDim)
		}
	}
	switch {
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%d heads are no multiple of %d KV heads", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("head dimension %d is odd", c.HeadDim)
	case !(c.RopeTheta > 1) || math.IsInf(c.RopeTheta, 0):
		return fmt.Errorf("RoPE base is %g, want more than 1", c.RopeTheta)
	case !(c.NormEps > 0 && c.NormEps < 1):
		return fmt.Errorf("RMSNorm epsilon is %g, want between 0 and 1", c.NormEps)
	}
	return nil
}

// want returns the shape of every tensor that a model of this configuration has.
func (c *Config) want() map[string][]int {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	out := map[string][]int{Embedding: {c.Vocab, c.Hidden}, FinalNorm: {c.Hidden}}
	if !c.TiedHead {
		out[Head] = []int{c.Vocab, c.Hidden}
	}
	for l := range c.Layers {
		for name, shape := range map[string][]int{
			AttnNorm: {c.Hidden}, FFNNorm: {c.Hidden},
			Q: {q, c.Hidden}, K: {kv, c.Hidden}, V: {kv, c.Hidden}, O: {c.Hidden, q},
			Gate: {c.FFN, c.Hidden}, Up: {c.FFN, c.Hidden}, Down: {c.Hidden, c.FFN},
		} {
			out[Layer(l, name)] = shape
		}
	}
	return out
}

// checkTensors holds the tensors against the configuration: all that are needed, in their shapes,
// and none besides, since one that is not used would change what the model says.
func (m *Model) checkTensors() error {
	// Every layer has tensors, so a count of layers beyond theirs is a lie; it is found before
	// anything is made per layer.
	if m.Config.Layers > len(m.infos) {
		return fmt.Errorf("%d layers, but only %d tensors", m.Config.Layers, len(m.infos))
	}
	want := m.Config.want()
	for _, info := range m.infos {
		shape, ok := want[info.Name]
		if !ok {
			return fmt.Errorf("tensor %q: %s", info.Name, refusal(info.Name))
		}
		if !slices.Equal(shape, info.Shape) {
			return fmt.Errorf("tensor %q: shape %v, want %v", info.Name, info.Shape, shape)
		}
		delete(want, info.Name)
	}
	if len(want) > 0 {
		names := make([]string, 0, len(want))
		for name := range want {
			names = append(names, name)
		}
		return fmt.Errorf("tensor %q is absent", slices.Min(names))
	}
	return nil
}

// refusal says what a tensor that a plain llama does not have is there for.
func refusal(name string) string {
	for _, r := range []struct{ part, what string }{
		{"rope_freqs", "RoPE scaling by frequency factors is not supported"},
		{"q_norm", "q/k norm is not supported"}, {"k_norm", "q/k norm is not supported"},
		{"attn_post_norm", "post-norm is not supported"},
		{"post_attention_norm", "post-norm is not supported"},
		{"post_ffw_norm", "post-norm is not supported"},
		{"post_feedforward", "post-norm is not supported"},
		{"sinks", "attention sinks are not supported"},
		{"exps", "mixture of experts is not supported"},
		{"expert", "mixture of experts is not supported"},
		{"attn_qkv", "a fused q/k/v matrix is not supported"},
		{"qkv_proj", "a fused q/k/v matrix is not supported"},
		{"lora", "adapters are not supported"},
	} {
		if strings.Contains(name, r.part) {
			return r.what
		}
	}
	if strings.HasSuffix(name, "bias") {
		if strings.Contains(name, "attn") {
			return "attention bias is not supported"
		}
		return "bias is not supported"
	}
	return "is not part of a llama model"
}
