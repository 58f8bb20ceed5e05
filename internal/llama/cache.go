package llama

import (
	"fmt"
	"sync"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// A store holds the keys and values of one KV head of one layer: keys packed for products with
// queries, values as rows.
type store struct {
	k   *kern.Matrix // [tokens][dim]
	v   []float32    // [tokens][dim]
	n   int          // tokens
	dim int
}

func newStore(dim int) *store { return &store{k: kern.NewMatrix(0, dim), dim: dim} }

// add appends rows that lie stride apart.
func (s *store) add(k, v []float32, stride, rows int) {
	s.k.Grow(s.n + rows)
	for i := range rows {
		s.k.SetRows(s.n+i, k[i*stride:i*stride+s.dim])
		s.v = append(s.v, v[i*stride:i*stride+s.dim]...)
	}
	s.n += rows
}

func (s *store) truncate(n int) {
	s.k.Truncate(n)
	s.v = s.v[:n*s.dim]
	s.n = n
}

// A Cache holds the keys and values of a sequence in float32, [layer][KV head]. A head may hold fewer
// tokens than the sequence has; the others are absent, and attention does not see them. Its owner
// extends it through a Model; it is not safe for concurrent use.
type Cache struct {
	stores [][]*store
	n      int // positions taken: the next token stands at n
}

// NewCache returns an empty cache.
func (m *Model) NewCache() *Cache {
	c := &Cache{}
	for range m.Config.Layers {
		var heads []*store
		for range m.Config.KVHeads {
			heads = append(heads, newStore(m.Config.HeadDim))
		}
		c.stores = append(c.stores, heads)
	}
	return c
}

// Len returns the positions that the sequence has taken, absent tokens included.
func (c *Cache) Len() int { return c.n }

// Rows returns how many tokens a head holds.
func (c *Cache) Rows(layer, head int) int { return c.stores[layer][head].n }

// Keys copies a head's keys, after the rotation and in half-split order, to dst: [Rows][HeadDim].
func (c *Cache) Keys(layer, head int, dst []float32) {
	s := c.stores[layer][head]
	for i := range s.n {
		s.k.Row(i, dst[i*s.dim:])
	}
}

// Values copies a head's values to dst: [Rows][HeadDim].
func (c *Cache) Values(layer, head int, dst []float32) { copy(dst, c.stores[layer][head].v) }

// Truncate forgets the tokens from position n on. It panics where a head has absent tokens, since
// it is not known which.
func (c *Cache) Truncate(n int) {
	for _, heads := range c.stores {
		for _, s := range heads {
			if s.n != c.n {
				panic("llama: truncate a cache with absent tokens")
			}
			s.truncate(min(n, s.n))
		}
	}
	c.n = min(n, c.n)
}

// Tensor returns the cache rounded to d, as [L][H][S][D], with what is known of it. It panics where
// tokens are absent. What d cannot hold becomes infinite, which codecs refuse.
func (m *Model) Tensor(c *Cache, d kv.DType) kv.Tensor {
	cfg := m.Config
	t := kv.New(kv.Shape{Layers: cfg.Layers, Heads: cfg.KVHeads, Tokens: c.n, KeyDim: cfg.HeadDim,
		ValueDim: cfg.HeadDim}, d)
	t.Meta = &kv.Meta{Model: cfg.Name,
		Rope: &kv.Rope{Theta: cfg.RopeTheta, Dim: cfg.HeadDim, Applied: true}}
	kern.Parallel(cfg.Layers, func(l int) {
		row := make([]float32, c.n*cfg.HeadDim)
		for h := range cfg.KVHeads {
			if c.Rows(l, h) != c.n {
				panic("llama: a tensor of a cache with absent tokens")
			}
			c.Keys(l, h, row)
			d.Narrow(t.Plane(kv.K, l, h), row)
			d.Narrow(t.Plane(kv.V, l, h), c.stores[l][h].v)
		}
	})
	return t
}

// A Prefix is a cache to continue from, read head by head when it is needed, so that many can be
// judged without holding them all in float32.
type Prefix struct {
	// Tokens is how many positions the prefix takes, absent tokens included: the continuation
	// begins at this position.
	Tokens int

	// Fill writes the keys (rotated, half-split) and values of one head of one layer, as
	// [n][HeadDim], and returns n, the tokens that are there; k and v have room for Tokens. It is
	// called from several goroutines, for different heads.
	Fill func(layer, head int, k, v []float32) (n int)
}

// FromTensor returns the prefix that a tensor holds, where kept (nil for all) says which tokens are
// there. It is an error if the tensor is not one of this model.
func (m *Model) FromTensor(t kv.Tensor, kept *kv.Kept) (Prefix, error) {
	cfg := m.Config
	want := kv.Shape{Layers: cfg.Layers, Heads: cfg.KVHeads, Tokens: t.Tokens, KeyDim: cfg.HeadDim,
		ValueDim: cfg.HeadDim}
	if t.Shape != want {
		return Prefix{}, fmt.Errorf("cache of %v, the model wants %v: %w", t.Shape, want, kv.ErrShape)
	}
	if kept != nil {
		if err := checkKept(kept, want); err != nil {
			return Prefix{}, err
		}
	}
	dim := cfg.HeadDim
	return Prefix{Tokens: t.Tokens, Fill: func(l, h int, k, v []float32) int {
		if kept == nil {
			t.DType.Widen(k[:t.Tokens*dim], t.Plane(kv.K, l, h))
			t.DType.Widen(v[:t.Tokens*dim], t.Plane(kv.V, l, h))
			return t.Tokens
		}
		list := kept.At(l, h)
		for i, s := range list {
			t.DType.Widen(k[i*dim:(i+1)*dim], t.Row(kv.K, l, h, int(s)))
			t.DType.Widen(v[i*dim:(i+1)*dim], t.Row(kv.V, l, h, int(s)))
		}
		return len(list)
	}}, nil
}

// checkKept returns an error unless kept names increasing tokens of every head.
func checkKept(kept *kv.Kept, s kv.Shape) error {
	if kept.Layers != s.Layers || kept.Heads != s.Heads || len(kept.Lists) != s.Layers*s.Heads {
		return fmt.Errorf("kept lists of %d × %d heads, want %d × %d: %w", kept.Layers, kept.Heads,
			s.Layers, s.Heads, kv.ErrShape)
	}
	for i, list := range kept.Lists {
		last := int32(-1)
		for _, at := range list {
			if at <= last || int(at) >= s.Tokens {
				return fmt.Errorf("kept list %d: token %d after %d of %d: %w", i, at, last, s.Tokens,
					kv.ErrShape)
			}
			last = at
		}
	}
	return nil
}

// Prefix returns the cache as a prefix. The cache must not change while it is used.
func (c *Cache) Prefix() Prefix {
	return Prefix{Tokens: c.n, Fill: func(l, h int, k, v []float32) int {
		c.Keys(l, h, k)
		c.Values(l, h, v)
		return c.Rows(l, h)
	}}
}

// Inject returns a cache that holds a prefix, to be extended.
func (m *Model) Inject(p Prefix) *Cache {
	c := m.NewCache()
	c.n = p.Tokens
	kern.Parallel(m.Config.Layers, func(l int) {
		for h, s := range c.stores[l] {
			s.fill(p, l, h)
		}
	})
	return c
}

// fillBuffers are the rows through which a prefix is read.
type fillBuffers struct{ k, v []float32 }

var fillPool = sync.Pool{New: func() any { return new(fillBuffers) }}

// fill replaces the store's contents by a head of p.
func (s *store) fill(p Prefix, layer, head int) {
	b := fillPool.Get().(*fillBuffers)
	defer fillPool.Put(b)
	k, v := grow(&b.k, p.Tokens*s.dim), grow(&b.v, p.Tokens*s.dim)
	n := p.Fill(layer, head, k, v)
	s.truncate(0)
	s.add(k, v, s.dim, n)
}

// mark returns what takes the cache back to what it holds now.
func (c *Cache) mark() (undo func()) {
	n := c.n
	var counts []int
	for _, heads := range c.stores {
		for _, s := range heads {
			counts = append(counts, s.n)
		}
	}
	return func() {
		for l, heads := range c.stores {
			for h, s := range heads {
				s.truncate(counts[l*len(heads)+h])
			}
		}
		c.n = n
	}
}
