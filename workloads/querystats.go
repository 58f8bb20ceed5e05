package workloads

import (
	"math"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/llama"
	"kvgauge/internal/weights"
)

// queryWindow is how many of the last queries are kept with a cache: the observation window of
// SnapKV (Li et al., 2024, section 4) is 16 to 64.
const queryWindow = 64

// A queryStats gathers, while a prefix is run from its beginning, what the prefix's own queries
// say of its cache. A layer's keys are in the cache once the next layer's queries come.
type queryStats struct {
	c      weights.Config
	cache  *llama.Cache
	tokens int
	stats  *kv.Stats
	q      []float32 // the pending layer's queries, [Hq][S][D]
	next   int       // the layer that comes next
}

func newQueryStats(c weights.Config, cache *llama.Cache, tokens int) *queryStats {
	window := min(queryWindow, tokens)
	return &queryStats{c: c, cache: cache, tokens: tokens,
		q: make([]float32, c.Heads*tokens*c.HeadDim),
		stats: &kv.Stats{
			QLast: make([]float32, c.Layers*c.Heads*window*c.HeadDim), QWindow: window, QHeads: c.Heads,
			AttnColSum: make([]float32, c.Layers*c.Heads*tokens),
			QQ:         make([]float32, c.Layers*c.KVHeads*c.HeadDim*c.HeadDim),
		}}
}

// add takes the rotated queries of a layer, [token][Hq][D] with rows stride values apart.
func (q *queryStats) add(layer int, rows []float32, stride int) {
	q.flush()
	dim, s := q.c.HeadDim, q.stats
	for h := range q.c.Heads {
		own := q.head(h)
		for i := range q.tokens {
			copy(own[i*dim:(i+1)*dim], rows[i*stride+h*dim:])
		}
		last := s.QLast[(layer*q.c.Heads+h)*s.QWindow*dim:]
		copy(last[:s.QWindow*dim], own[(q.tokens-s.QWindow)*dim:])
	}
	q.next = layer + 1
}

// head returns the pending layer's queries of one head, [S][D].
func (q *queryStats) head(h int) []float32 {
	n := q.tokens * q.c.HeadDim
	return q.q[h*n : (h+1)*n]
}

// flush works out the pending layer, if there is one.
func (q *queryStats) flush() {
	layer := q.next - 1
	if layer < 0 {
		return
	}
	kern.Parallel(q.c.KVHeads, func(h int) {
		q.secondMoment(layer, h)
		q.columnSums(layer, h)
	})
}

// secondMoment sets E[q qᵀ] over the tokens and the query heads that share a KV head.
func (q *queryStats) secondMoment(layer, h int) {
	dim, group := q.c.HeadDim, q.c.Heads/q.c.KVHeads
	n := group * q.tokens
	rows := q.q[h*n*dim : (h+1)*n*dim]
	columns := make([]float32, n*dim)
	for i := range n {
		for j, x := range rows[i*dim : (i+1)*dim] {
			columns[j*n+i] = x / float32(n)
		}
	}
	dst := q.stats.QQ[(layer*q.c.KVHeads+h)*dim*dim:]
	kern.MulNN(dst, dim, columns, n, dim, rows, dim, dim, n)
}

// columnBlock is how many queries' attention is held at once.
const columnBlock = 64

// columnSums adds up, per query head, the attention that each token receives from the queries at
// and after it: what H2O keeps tokens by (Zhang et al., 2023, section 4.1).
func (q *queryStats) columnSums(layer, h int) {
	dim, group, n := q.c.HeadDim, q.c.Heads/q.c.KVHeads, q.tokens
	keys := make([]float32, n*dim)
	q.cache.Keys(layer, h, keys)
	k := kern.NewMatrix(n, dim)
	k.SetRows(0, keys)
	scores := make([]float32, columnBlock*n)
	scale := float32(1 / math.Sqrt(float64(dim)))
	for g := range group {
		head := h*group + g
		sums := q.stats.AttnColSum[(layer*q.c.Heads+head)*n:][:n]
		for from := 0; from < n; from += columnBlock {
			to := min(n, from+columnBlock)
			k.MulSerial(scores, to, q.head(head)[from*dim:], dim, to-from, 0, to)
			for i := from; i < to; i++ {
				addAttention(sums, scores[(i-from)*to:][:i+1], scale)
			}
		}
	}
}

// addAttention adds softmax(scale·scores) to the first of sums. It overwrites scores.
func addAttention(sums, scores []float32, scale float32) {
	for i := range scores {
		scores[i] *= scale
	}
	total := kern.ExpSum(scores, scores, kern.Max(scores))
	for i, s := range scores {
		sums[i] += float32(s / total)
	}
}

// done works out what is left and returns the statistics.
func (q *queryStats) done() *kv.Stats {
	q.flush()
	return q.stats
}
