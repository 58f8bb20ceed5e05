package weights

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"kvgauge/internal/tokenize"
	"kvgauge/internal/weights/gguf"
)

// ggufNames maps GGUF's names of a layer's tensors to Hugging Face's.
var ggufNames = map[string]string{
	"attn_norm.weight": AttnNorm, "attn_q.weight": Q, "attn_k.weight": K, "attn_v.weight": V,
	"attn_output.weight": O, "ffn_norm.weight": FFNNorm, "ffn_gate.weight": Gate,
	"ffn_up.weight": Up, "ffn_down.weight": Down,
}

var ggufTop = map[string]string{
	"token_embd.weight": Embedding, "output_norm.weight": FinalNorm, "output.weight": Head,
}

// fromGGUF translates a tensor's name; one that it does not know is left as it is.
func fromGGUF(name string) string {
	if to, ok := ggufTop[name]; ok {
		return to
	}
	var layer int
	rest, ok := strings.CutPrefix(name, "blk.")
	if !ok {
		return name
	}
	number, tail, _ := strings.Cut(rest, ".")
	to, ok := ggufNames[tail]
	if _, err := fmt.Sscanf(number, "%d", &layer); err != nil || !ok || fmt.Sprint(layer) != number {
		return name
	}
	return Layer(layer, to)
}

// refusedKeys are metadata that change what the model computes, with the value that changes
// nothing.
var refusedKeys = map[string]struct {
	what    string
	neutral any
}{
	"rope.scaling.type":        {"RoPE scaling", "none"},
	"rope.scaling.factor":      {"RoPE scaling", 1.0},
	"rope.scale_linear":        {"RoPE scaling", 1.0},
	"attention.sliding_window": {"sliding window", 0.0},
	"attention.clamp_kqv":      {"clamping of q, k and v", 0.0},
	"attention.max_alibi_bias": {"ALiBi", 0.0},
	"attention.scale":          {"attention scale", 0.0},
	"attn_logit_softcapping":   {"logit soft-capping", 0.0},
	"final_logit_softcapping":  {"logit soft-capping", 0.0},
	"expert_count":             {"mixture of experts", 0.0},
	"logit_scale":              {"logit scale", 1.0},
	"residual_scale":           {"residual scale", 1.0},
	"embedding_scale":          {"embedding scale", 1.0},
	"use_parallel_residual":    {"parallel residual", false},
}

func (m *Model) readGGUF(f *gguf.File) error {
	if arch, _ := f.Meta["general.architecture"].Text(); arch != "llama" {
		return fmt.Errorf("general.architecture %q is not supported, want \"llama\"", arch)
	}
	if err := refuseMeta(f); err != nil {
		return err
	}
	if err := m.Config.fromGGUF(f); err != nil {
		return err
	}
	if err := m.budget.Take(int64(len(f.Tensors)), 1024); err != nil {
		return err
	}
	m.rows = make(map[string]rowReader, len(f.Tensors))
	scratch := &sync.Pool{New: func() any { return new([]byte) }}
	for _, t := range f.Tensors {
		if t.Name == "rope_freqs.weight" && neutralFreqs(f, t) {
			continue
		}
		name := fromGGUF(t.Name)
		info := Info{Name: name, Type: t.Type.String(), Bytes: t.Bytes}
		for i := len(t.Shape) - 1; i >= 0; i-- {
			info.Shape = append(info.Shape, int(t.Shape[i]))
		}
		m.infos = append(m.infos, info)
		m.rows[name] = ggufRows(f, t, scratch)
		if strings.HasSuffix(name, Q) || strings.HasSuffix(name, K) {
			m.rows[name] = unpermute(m.rows[name], m.Config.HeadDim, int(t.Columns()))
		}
	}
	_, untied := m.rows[Head]
	m.Config.TiedHead = !untied
	m.tokenizer = func() (*tokenize.Tokenizer, error) { return ggufTokenizer(f) }
	return m.checkTensors()
}

func refuseMeta(f *gguf.File) error {
	for key, v := range f.Meta {
		r, ok := refusedKeys[strings.TrimPrefix(key, "llama.")]
		if !ok || !strings.HasPrefix(key, "llama.") {
			continue
		}
		got := v.Any
		if n, ok := v.Float(); ok {
			got = n
		}
		if got != r.neutral {
			return fmt.Errorf("metadata %q is %v: %s is not supported", key, v, r.what)
		}
	}
	return nil
}

// neutralFreqs says whether a tensor of frequency factors is all ones, as some converters write it.
func neutralFreqs(f *gguf.File, t gguf.Tensor) bool {
	factors := make([]float32, t.Columns())
	if _, err := f.ReadRows(t, factors, 0, nil); err != nil {
		return false
	}
	for _, v := range factors {
		if v != 1 {
			return false
		}
	}
	return t.Rows() == 1
}

func (c *Config) fromGGUF(f *gguf.File) error {
	c.Name, _ = f.Meta["general.name"].Text()
	var errs []error
	integer := func(key string, fallback int) int {
		v, ok := f.Meta["llama."+key]
		if !ok && fallback >= 0 {
			return fallback
		}
		n, ok := v.Int()
		if !ok || n < 0 || n > maxDim {
			errs = append(errs, fmt.Errorf("metadata %q is %v, want a number", "llama."+key, v))
		}
		return int(n)
	}
	float := func(key string, fallback float64) float64 {
		v, ok := f.Meta["llama."+key]
		n, isNumber := v.Float()
		if !ok && fallback > 0 {
			return fallback
		}
		if !isNumber {
			errs = append(errs, fmt.Errorf("metadata %q is %v, want a number", "llama."+key, v))
		}
		return n
	}
	c.Layers = integer("block_count", -1)
	c.Hidden = integer("embedding_length", -1)
	c.FFN = integer("feed_forward_length", -1)
	c.Heads = integer("attention.head_count", -1)
	c.KVHeads = integer("attention.head_count_kv", c.Heads)
	c.HeadDim = integer("attention.key_length", c.Hidden/max(1, c.Heads))
	c.Context = integer("context_length", 0)
	c.RopeTheta = float("rope.freq_base", 10000)
	// A float32 such as 1e-5 is written as one; its shortest decimal is what was meant.
	c.NormEps = shortest(float("attention.layer_norm_rms_epsilon", 0))
	if dim := integer("attention.value_length", c.HeadDim); dim != c.HeadDim {
		errs = append(errs, fmt.Errorf("values of %d channels beside keys of %d are not supported",
			dim, c.HeadDim))
	}
	if dim := integer("rope.dimension_count", c.HeadDim); dim != c.HeadDim {
		errs = append(errs, fmt.Errorf("partial rotary (%d of %d channels) is not supported",
			dim, c.HeadDim))
	}
	if t, ok := f.Tensor("token_embd.weight"); ok {
		c.Vocab = int(t.Rows())
	} else {
		errs = append(errs, errors.New("tensor \"token_embd.weight\" is absent"))
	}
	if len(errs) > 0 {
		return errs[0]
	}
	return c.check()
}

// shortest returns the decimal that a float32 stands for.
func shortest(f float64) float64 {
	var out float64
	if _, err := fmt.Sscan(fmt.Sprint(float32(f)), &out); err != nil || math.IsNaN(f) {
		return f
	}
	return out
}

func ggufRows(f *gguf.File, t gguf.Tensor, pool *sync.Pool) rowReader {
	return func(dst []float32, from int) error {
		scratch := pool.Get().(*[]byte)
		defer pool.Put(scratch)
		var err error
		*scratch, err = f.ReadRows(t, dst, int64(from), *scratch)
		return err
	}
}

// unpermute undoes what the converter of llama.cpp does to query and key matrices: there channel
// 2j of a head is rotated with 2j+1, here j with j + dim/2.
func unpermute(read rowReader, dim, columns int) rowReader {
	return func(dst []float32, from int) error {
		for i := 0; i < len(dst)/columns; i++ {
			row := from + i
			head, j := row/dim*dim, row%dim
			at := head + 2*j
			if j >= dim/2 {
				at = head + 2*(j-dim/2) + 1
			}
			if err := read(dst[i*columns:(i+1)*columns], at); err != nil {
				return err
			}
		}
		return nil
	}
}

func ggufTokenizer(f *gguf.File) (*tokenize.Tokenizer, error) {
	if model, _ := f.Meta["tokenizer.ggml.model"].Text(); model != "gpt2" {
		return nil, fmt.Errorf("tokenizer %q is not supported, want \"gpt2\" (byte-level BPE)", model)
	}
	s := tokenize.Spec{BOS: -1, EOS: -1, Unknown: -1}
	s.Tokens, _ = f.Meta["tokenizer.ggml.tokens"].Texts()
	s.Pre, _ = f.Meta["tokenizer.ggml.pre"].Text()
	s.IgnoreMerges = s.Pre == "llama-bpe" || s.Pre == "llama3" || s.Pre == "llama-v3"
	kinds, _ := f.Meta["tokenizer.ggml.token_type"].Ints()
	for _, k := range kinds {
		s.Kinds = append(s.Kinds, tokenize.Kind(k))
	}
	lines, _ := f.Meta["tokenizer.ggml.merges"].Texts()
	for i, line := range lines {
		m, err := tokenize.ParseMerge(line)
		if err != nil {
			return nil, fmt.Errorf("tokenizer.ggml.merges: merge %d: %w", i, err)
		}
		s.Merges = append(s.Merges, m)
	}
	// llama.cpp leaves out bytes that have no token, even where the file names an unknown token.
	for key, to := range map[string]*int32{"bos_token_id": &s.BOS, "eos_token_id": &s.EOS} {
		if id, ok := f.Meta["tokenizer.ggml."+key].Int(); ok && id >= 0 && id < int64(len(s.Tokens)) {
			*to = int32(id)
		}
	}
	s.AddBOS, _ = f.Meta["tokenizer.ggml.add_bos_token"].Bool()
	s.AddPrefixSpace, _ = f.Meta["tokenizer.ggml.add_space_prefix"].Bool()
	return tokenize.New(s)
}
