package workloads

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

type modelParams struct {
	Name         string `param:"name" doc:"tiny, a pulled model, a GGUF file or Hugging Face folder"`
	Dataset      string `param:"dataset" doc:"passages, a dataset that was pulled, or a text file"`
	Prompts      int    `param:"prompts" doc:"documents that are taken"`
	Prefix       int    `param:"prefix_tokens" doc:"tokens in the cache"`
	Continuation int    `param:"continuation_tokens" doc:"tokens that follow and are judged"`
	DType        string `param:"dtype" doc:"what the cache is held in: bf16 or f16"`
}

func init() {
	Register(registry.Family[Builder, modelParams]{
		Name:   "model",
		Doc:    "the caches that a model computes from documents; it judges what becomes of them",
		Source: "this repository",
		Defaults: modelParams{Name: "tiny", Dataset: Passages, Prompts: 8, Prefix: 512,
			Continuation: 256, DType: "bf16"},
		New: newModel,
	})
}

func newModel(p modelParams) (Builder, error) {
	d, err := kv.ParseDType(p.DType)
	if err != nil {
		return nil, err
	}
	if p.Prompts < 1 || p.Prompts > maxSamples || p.Prefix < 1 || p.Continuation < 2 ||
		p.Prefix > maxSequence || p.Continuation > maxSequence {
		return nil, fmt.Errorf("want at least 1 prompt, 1 token of prefix and 2 of continuation, "+
			"and at most %d of each, got %d, %d and %d", maxSequence, p.Prompts, p.Prefix, p.Continuation)
	}
	if p.Name == "" || p.Dataset == "" {
		return nil, fmt.Errorf("want a model's name and a dataset")
	}
	return func(o Options) (Source, error) {
		p := p
		p.Prompts = o.cut(p.Prompts, 1)
		p.Prefix, p.Continuation = o.cut(p.Prefix, SmokeTokens), o.cut(p.Continuation, SmokeTokens)
		path := p.Name
		if named := o.Models[p.Name]; named != "" {
			path = named
		}
		return &modelSource{params: p, dtype: d, path: path}, nil
	}, nil
}

// maxSequence bounds prompts and tokens: beyond any model's context.
const maxSequence = 1 << 24

// A modelSource prefills documents and lets the model judge changed caches. The model is shared
// with every source of the same name, and loaded when a sample first wants it.
type modelSource struct {
	params modelParams
	dtype  kv.DType
	path   string // what to open: the name, or the path that the run gives for it

	mu   sync.Mutex
	docs []TokenDocument
}

// Label names model and dataset without folders: records travel.
func (s *modelSource) Label() Label {
	return Label{Kind: "model", Model: shortName(s.params.Name), Dataset: shortName(s.params.Dataset),
		Tokens: s.params.Prefix, DType: s.dtype}
}

// shortName is the last part of a path, without the extension of a weight file.
func shortName(name string) string {
	return strings.TrimSuffix(filepath.Base(filepath.Clean(name)), ".gguf")
}

func (s *modelSource) Len() int { return s.params.Prompts }

// Shape reads the model's header, not its weights, and looks whether the dataset is there.
func (s *modelSource) Shape(context.Context) (kv.Shape, error) {
	c, err := modelConfig(s.path)
	if err != nil {
		return kv.Shape{}, err
	}
	total := s.params.Prefix + s.params.Continuation
	if c.Context > 0 && total > c.Context {
		return kv.Shape{}, fmt.Errorf("model %s takes %d tokens, prefix and continuation are %d",
			s.Label().Model, c.Context, total)
	}
	if err := datasetReady(s.params.Dataset); err != nil {
		return kv.Shape{}, err
	}
	return kv.Shape{Layers: c.Layers, Heads: c.KVHeads, Tokens: s.params.Prefix,
		KeyDim: c.HeadDim, ValueDim: c.HeadDim}, nil
}

func (s *modelSource) Sample(ctx context.Context, i int) (Sample, error) {
	if i < 0 || i >= s.params.Prompts {
		return Sample{}, fmt.Errorf("sample %d of %d", i, s.params.Prompts)
	}
	if _, err := s.Shape(ctx); err != nil {
		return Sample{}, err
	}
	m, err := loadModel(s.path)
	if err != nil {
		return Sample{}, err
	}
	docs, err := s.documents(m)
	if err != nil {
		return Sample{}, err
	}
	doc, prefix := docs[i], s.params.Prefix
	cache, last, stats, err := m.prefill(ctx, doc.Tokens[:prefix])
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %w", doc.Name, err)
	}
	t := m.Tensor(cache, s.dtype)
	t.Meta.Model, t.Meta.Stats = s.Label().Model, stats
	if err := checkFinite(t); err != nil {
		return Sample{}, fmt.Errorf("%s: %w", doc.Name, err)
	}
	j := &judge{m: m.Model, base: t, continuation: doc.Tokens[prefix:], last: last}
	return Sample{Name: doc.Name, Cache: t, Judge: j}, nil
}

// documents tokenizes the dataset once, as far as needed.
func (s *modelSource) documents(m *loadedModel) ([]TokenDocument, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.docs != nil {
		return s.docs, nil
	}
	var err error
	s.docs, err = takeDocuments(s.params.Dataset, s.params.Prompts,
		s.params.Prefix+s.params.Continuation, m.tokens)
	return s.docs, err
}

// checkFinite returns an error where a model's cache does not fit its type.
func checkFinite(t kv.Tensor) error {
	if side, l, h, token, found := t.NonFinite(); found {
		return fmt.Errorf("the model's %vs do not fit %v: layer %d, head %d, token %d",
			side, t.DType, l, h, token)
	}
	return nil
}
