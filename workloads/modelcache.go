package workloads

import (
	"context"
	"slices"
	"sync"

	"kvgauge/compressors/kv"
	"kvgauge/internal/llama"
	"kvgauge/internal/models"
	"kvgauge/internal/tokenize"
	"kvgauge/internal/weights"
)

// A loadedModel is a model ready to run, with its tokenizer.
type loadedModel struct {
	*llama.Model
	tokenizer *tokenize.Tokenizer
}

// keptModels is how many models stay loaded: a sweep over several goes from one to the next.
const keptModels = 2

// loaded holds the models that were used last, so that sources of one name share one.
var loaded struct {
	sync.Mutex
	entries []*loading // the one used last comes last
}

type loading struct {
	path string
	get  func() (*loadedModel, error)
}

// loadModel returns the model at a name or path, loading it if no source has lately. Sources
// that ask at the same time wait for one loading. A failure is not kept.
func loadModel(path string) (*loadedModel, error) {
	loaded.Lock()
	i := slices.IndexFunc(loaded.entries, func(e *loading) bool { return e.path == path })
	var e *loading
	if i < 0 {
		e = &loading{path, sync.OnceValues(func() (*loadedModel, error) { return readModel(path) })}
	} else {
		e = loaded.entries[i]
		loaded.entries = slices.Delete(loaded.entries, i, i+1)
	}
	loaded.entries = append(loaded.entries, e)
	if len(loaded.entries) > keptModels {
		loaded.entries = slices.Delete(loaded.entries, 0, 1)
	}
	loaded.Unlock()

	m, err := e.get()
	if err != nil {
		loaded.Lock()
		loaded.entries = slices.DeleteFunc(loaded.entries, func(x *loading) bool { return x == e })
		loaded.Unlock()
	}
	return m, err
}

func readModel(path string) (*loadedModel, error) {
	w, err := models.Open(path, weights.Options{})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	t, err := w.Tokenizer()
	if err != nil {
		return nil, err
	}
	m, err := llama.Load(w)
	if err != nil {
		return nil, err
	}
	return &loadedModel{m, t}, nil
}

// modelConfig reads the shape of the model at a name or path from its header.
func modelConfig(path string) (weights.Config, error) {
	loaded.Lock()
	i := slices.IndexFunc(loaded.entries, func(e *loading) bool { return e.path == path })
	var e *loading
	if i >= 0 {
		e = loaded.entries[i]
	}
	loaded.Unlock()
	if e != nil {
		if m, err := e.get(); err == nil {
			return m.Config, nil
		}
	}
	w, err := models.Open(path, weights.Options{})
	if err != nil {
		return weights.Config{}, err
	}
	defer w.Close()
	return w.Config, nil
}

// tokens encodes a document as the model's sequences begin: with BOS where it wants one. What
// looks like a special token in the text is text.
func (m *loadedModel) tokens(text string) ([]int32, error) {
	ids := m.tokenizer.Encode(text, false)
	if bos, add := m.tokenizer.BOS(); add {
		ids = append([]int32{bos}, ids...)
	}
	return ids, nil
}

// prefill runs tokens from the beginning and returns their cache, the logits after the last,
// and what the queries say of the cache.
func (m *loadedModel) prefill(
	ctx context.Context, tokens []int32,
) (*llama.Cache, []float32, *kv.Stats, error) {
	cache := m.NewCache()
	q := newQueryStats(m.Config, cache, len(tokens))
	last, err := m.Extend(ctx, cache, tokens, llama.Options{Queries: q.add})
	if err != nil {
		return nil, nil, nil, err
	}
	return cache, last, q.done(), nil
}
