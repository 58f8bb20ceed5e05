package llama

import (
	"context"
	"errors"
	"fmt"
	"math"

	"kvgauge/internal/kern"
)

// A Visit is called with the logits after each token: logits[s][v] is the score of token v in stream
// s after the token at index token of the batch. It is called from several goroutines, once per
// token, in no order; the slices are valid during the call and may be changed.
type Visit func(token int, logits [][]float32)

// Options say what a pass shows besides its result. All may be nil.
type Options struct {
	// Logits is called for the tokens from LogitsFrom on.
	Logits     Visit
	LogitsFrom int

	// Queries is called once a layer with the rotated queries, [token][Heads][HeadDim], whose rows
	// of tokens lie stride values apart, for the first stream.
	Queries func(layer int, q []float32, stride int)

	// Attention is called once a layer with every stream's attention output before the output
	// projection, out[s] as [token][Heads·HeadDim].
	Attention func(layer int, out [][]float32)

	// SharedAttention is the same with the first stream's queries, and its new keys and values, put
	// to every stream's prefix: the effect of the changed prefix alone.
	SharedAttention func(layer int, out [][]float32)
}

// Extend runs tokens after those that the cache holds and adds theirs to it. It returns the logits
// after the last token. On an error the cache is as it was.
func (m *Model) Extend(ctx context.Context, c *Cache, tokens []int32, o Options) ([]float32, error) {
	if len(tokens) == 0 {
		return nil, errors.New("no tokens to run")
	}
	if err := m.checkTokens(tokens); err != nil {
		return nil, err
	}
	a := m.getArena()
	defer m.putArena(a)
	s := stream{start: c.n, stores: func(l int) []*store { return c.stores[l] }}
	b := &batch{m: m, tokens: len(tokens), streams: []stream{s}, arena: a}
	b.watch(o)
	undo := c.mark()
	b.embed(tokens)
	if err := b.run(ctx); err != nil {
		undo()
		return nil, err
	}
	c.n += len(tokens)
	b.visit(o)
	last := make([]float32, m.Config.Vocab)
	hidden := m.Config.Hidden
	h := make([]float32, hidden)
	rmsNorm(h, b.x[(len(tokens)-1)*hidden:len(tokens)*hidden], m.norm, m.Config.NormEps)
	m.head.Mul(last, m.Config.Vocab, h, hidden, 1)
	return last, nil
}

// Prefill runs tokens from the beginning, and returns their cache and the logits after the last.
func (m *Model) Prefill(ctx context.Context, tokens []int32, o Options) (*Cache, []float32, error) {
	c := m.NewCache()
	last, err := m.Extend(ctx, c, tokens, o)
	if err != nil {
		return nil, nil, err
	}
	return c, last, nil
}

// Continue runs the same tokens after each of several prefixes in one pass, in which every weight is
// read once for all. Stream s of the options' callbacks is prefixes[s]. Prefixes are read layer by
// layer, so the pass holds one layer of each in float32; their own keys and values for the new
// tokens stay float32 throughout. Equal prefixes give equal bits.
func (m *Model) Continue(ctx context.Context, prefixes []Prefix, tokens []int32, o Options) error {
	if len(tokens) == 0 || len(prefixes) == 0 {
		return fmt.Errorf("%d prefixes and %d tokens: nothing to run", len(prefixes), len(tokens))
	}
	if err := m.checkTokens(tokens); err != nil {
		return err
	}
	a := m.getArena()
	defer m.putArena(a)
	b := &batch{m: m, tokens: len(tokens), arena: a}
	for _, p := range prefixes {
		heads := make([]*store, m.Config.KVHeads)
		for h := range heads {
			heads[h] = newStore(m.Config.HeadDim)
		}
		b.streams = append(b.streams, stream{start: p.Tokens, stores: func(l int) []*store {
			kern.Parallel(len(heads), func(h int) { heads[h].fill(p, l, h) })
			return heads
		}})
	}
	b.watch(o)
	b.embed(tokens)
	if err := b.run(ctx); err != nil {
		return err
	}
	b.visit(o)
	return nil
}

// watch turns the options' callbacks into hooks.
func (b *batch) watch(o Options) {
	width := b.m.Config.Heads * b.m.Config.HeadDim
	split := func(rows []float32) [][]float32 {
		out := make([][]float32, len(b.streams))
		for s := range out {
			out[s] = rows[s*b.tokens*width : (s+1)*b.tokens*width]
		}
		return out
	}
	if o.Queries != nil {
		b.hooks.queries = func(l int, rows []float32, stride int) {
			o.Queries(l, rows[:b.tokens*stride], stride)
		}
	}
	if o.Attention != nil {
		b.hooks.attention = func(l int, rows []float32) { o.Attention(l, split(rows)) }
	}
	if o.SharedAttention != nil {
		b.hooks.shared = func(l int, rows []float32) { o.SharedAttention(l, split(rows)) }
	}
}

// headRows is how many rows go through the head together: their logits are all that is held.
const headRows = 96

// visit computes the logits of the tokens from o.LogitsFrom on, some tokens of all streams at a
// time.
func (b *batch) visit(o Options) {
	if o.Logits == nil {
		return
	}
	c, streams := &b.m.Config, len(b.streams)
	step := max(1, headRows/streams)
	for from := max(0, o.LogitsFrom); from < b.tokens; from += step {
		n := min(step, b.tokens-from)
		h := grow(&b.h, n*streams*c.Hidden)
		kern.Parallel(n*streams, func(i int) {
			row := (i%streams)*b.tokens + from + i/streams
			rmsNorm(h[i*c.Hidden:(i+1)*c.Hidden], b.x[row*c.Hidden:(row+1)*c.Hidden], b.m.norm, c.NormEps)
		})
		logits := grow(&b.logits, n*streams*c.Vocab)
		b.m.head.Mul(logits, c.Vocab, h, c.Hidden, n*streams)
		kern.Parallel(n, func(i int) {
			rows := make([][]float32, streams)
			for s := range rows {
				at := (i*streams + s) * c.Vocab
				rows[s] = logits[at : at+c.Vocab]
			}
			o.Logits(from+i, rows)
		})
	}
}

// Greedy decodes n tokens after first, each the likeliest next, into the cache, and returns them
// (first not among them). Of equal logits the lowest id wins. Since a pass gives the same bits in any
// company, a changed cache decodes the same tokens as the original up to the first place where a
// teacher-forced pass (Continue) over the original's tokens ranks another first.
func (m *Model) Greedy(ctx context.Context, c *Cache, first int32, n int) ([]int32, error) {
	out := make([]int32, 0, n)
	for range n {
		logits, err := m.Extend(ctx, c, []int32{first}, Options{})
		if err != nil {
			return out, err
		}
		first = int32(Argmax(logits))
		out = append(out, first)
	}
	return out, nil
}

// Argmax returns the index of the greatest value, the first of equals; NaN is passed over.
func Argmax(x []float32) int {
	best, at := float32(math.Inf(-1)), 0
	for i, v := range x {
		if v > best {
			best, at = v, i
		}
	}
	return at
}
