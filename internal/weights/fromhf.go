package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"kvgauge/internal/tokenize"
	"kvgauge/internal/weights/budget"
	"kvgauge/internal/weights/safetensors"
)

// hfConfig is the part of config.json that is read; raw holds all of it.
type hfConfig struct {
	ModelType    string  `json:"model_type"`
	Hidden       int     `json:"hidden_size"`
	FFN          int     `json:"intermediate_size"`
	Layers       int     `json:"num_hidden_layers"`
	Heads        int     `json:"num_attention_heads"`
	KVHeads      *int    `json:"num_key_value_heads"`
	HeadDim      *int    `json:"head_dim"`
	Vocab        int     `json:"vocab_size"`
	Context      int     `json:"max_position_embeddings"`
	NormEps      float64 `json:"rms_norm_eps"`
	RopeTheta    float64 `json:"rope_theta"`
	Tied         bool    `json:"tie_word_embeddings"`
	Activation   string  `json:"hidden_act"`
	AttnBias     bool    `json:"attention_bias"`
	MLPBias      bool    `json:"mlp_bias"`
	Window       *int    `json:"sliding_window"`
	Partial      float64 `json:"partial_rotary_factor"`
	RopeScaling  *hfRope `json:"rope_scaling"`
	RopeParams   *hfRope `json:"rope_parameters"`
	Quantisation any     `json:"quantization_config"`
}

type hfRope struct {
	Type    string  `json:"rope_type"`
	OldType string  `json:"type"`
	Theta   float64 `json:"rope_theta"`
	Partial float64 `json:"partial_rotary_factor"`
}

// jsonMargin bounds what decoding JSON allocates, as a multiple of its length.
const jsonMargin = 40

func (m *Model) readDir(fsys fs.FS, o Options) error {
	var total int64
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := fs.Stat(fsys, e.Name()); err == nil && !info.IsDir() {
			total += info.Size()
		}
	}
	m.budget = budget.New(total, o.MaxBytes)
	raw, err := m.readJSON(fsys, "config.json")
	if err != nil {
		return err
	}
	if err := m.Config.fromHF(raw); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	m.rows = map[string]rowReader{}
	files, err := m.shards(fsys)
	if err != nil {
		return err
	}
	for _, name := range files {
		if err := m.readShard(fsys, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	m.tokenizer = func() (*tokenize.Tokenizer, error) { return m.hfTokenizer(fsys) }
	return m.checkTensors()
}

func (m *Model) readJSON(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cause(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := m.budget.Take(info.Size(), jsonMargin); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return io.ReadAll(io.LimitReader(f, info.Size()))
}

func (c *Config) fromHF(raw []byte) error {
	h := hfConfig{RopeTheta: 10000, Activation: "silu", Partial: 1}
	if err := json.Unmarshal(raw, &h); err != nil {
		return err
	}
	if err := h.refuse(); err != nil {
		return err
	}
	*c = Config{
		Layers: h.Layers, Hidden: h.Hidden, FFN: h.FFN, Heads: h.Heads, KVHeads: h.Heads,
		Vocab: h.Vocab, Context: h.Context, RopeTheta: h.RopeTheta, NormEps: h.NormEps,
		TiedHead: h.Tied, HeadDim: h.Hidden / max(1, h.Heads),
	}
	if h.KVHeads != nil {
		c.KVHeads = *h.KVHeads
	}
	if h.HeadDim != nil {
		c.HeadDim = *h.HeadDim
	}
	if h.RopeParams != nil && h.RopeParams.Theta != 0 {
		c.RopeTheta = h.RopeParams.Theta
	}
	return c.check()
}

// refuse names what a configuration asks for that is not supported.
func (h *hfConfig) refuse() error {
	for _, r := range []*hfRope{h.RopeScaling, h.RopeParams} {
		if r == nil {
			continue
		}
		kind := r.Type
		if kind == "" {
			kind = r.OldType
		}
		if kind != "" && kind != "default" || kind == "" && r == h.RopeScaling {
			return fmt.Errorf("RoPE scaling %q is not supported", kind)
		}
		if r.Partial != 0 && r.Partial != 1 {
			return errors.New("partial rotary is not supported")
		}
	}
	switch {
	case h.AttnBias:
		return errors.New("attention bias is not supported")
	case h.MLPBias:
		return errors.New("bias in the feed-forward network is not supported")
	case h.Window != nil && *h.Window > 0:
		return fmt.Errorf("sliding window (%d) is not supported", *h.Window)
	case h.Partial != 1:
		return errors.New("partial rotary is not supported")
	case h.Activation != "silu":
		return fmt.Errorf("activation %q is not supported, want \"silu\"", h.Activation)
	case h.Quantisation != nil:
		return errors.New("quantization_config: quantised safetensors are not supported")
	case h.ModelType == "qwen3":
		return errors.New("model_type \"qwen3\": q/k norm is not supported")
	case h.ModelType == "qwen2":
		return errors.New("model_type \"qwen2\": attention bias is not supported")
	case h.ModelType != "llama" && h.ModelType != "mistral":
		return fmt.Errorf("model_type %q is not supported, want \"llama\" or \"mistral\"", h.ModelType)
	}
	return nil
}

// shards lists the files that hold the tensors: those of the index, else model.safetensors.
func (m *Model) shards(fsys fs.FS) ([]string, error) {
	const index = "model.safetensors.index.json"
	if _, err := fs.Stat(fsys, index); err != nil {
		return []string{"model.safetensors"}, nil
	}
	raw, err := m.readJSON(fsys, index)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", index, err)
	}
	var files []string
	for tensor, file := range doc.Map {
		if path.Base(file) != file || !fs.ValidPath(file) {
			return nil, fmt.Errorf("%s: tensor %q: %q is not a file of this directory", index, tensor, file)
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: weight_map is empty", index)
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

func (m *Model) readShard(fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return cause(err)
	}
	m.closers = append(m.closers, f)
	r, ok := f.(io.ReaderAt)
	info, err := f.Stat()
	if err != nil || !ok {
		return errors.New("cannot be read at an offset")
	}
	st, err := safetensors.Read(r, info.Size())
	if err != nil {
		return err
	}
	if err := m.budget.Take(int64(len(st.Tensors)), 1024); err != nil {
		return err
	}
	for _, t := range st.Tensors {
		if strings.HasSuffix(t.Name, "rotary_emb.inv_freq") {
			continue // old files carry the frequencies, which follow from the base
		}
		if t.Name == Head && m.Config.TiedHead {
			continue // the embedding is used, as the configuration says, whatever lies here
		}
		if _, twice := m.rows[t.Name]; twice {
			return fmt.Errorf("tensor %q is in two files", t.Name)
		}
		if !t.DType.IsFloat() {
			return fmt.Errorf("tensor %q: dtype %s is not supported, want F32, F16 or BF16", t.Name, t.DType)
		}
		m.infos = append(m.infos, Info{Name: t.Name, Type: string(t.DType), Shape: t.Shape, Bytes: t.Bytes})
		m.rows[t.Name] = func(dst []float32, from int) error {
			columns := t.Shape[len(t.Shape)-1]
			return st.Floats(t, dst, int64(from)*int64(columns))
		}
	}
	return nil
}

func (m *Model) hfTokenizer(fsys fs.FS) (*tokenize.Tokenizer, error) {
	raw, err := m.readJSON(fsys, "tokenizer.json")
	if err != nil {
		return nil, err
	}
	return tokenize.ParseJSON(raw)
}
