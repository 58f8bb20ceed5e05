package llama

import (
	"math"
	"sync"

	"kvgauge/internal/kern"
)

// tileQueries is how many query rows (tokens × heads of a group) one task takes: enough to pass
// over the keys seldom, few enough that their scores stay in the second-level cache.
const tileQueries = 96

// attnScratch is one task's buffers.
type attnScratch struct{ q, scores, out []float32 }

var attnPool = sync.Pool{New: func() any { return new(attnScratch) }}

// attention writes softmax(q·Kᵀ/√dim)·V of every row to dst, [rows][Heads·HeadDim]. A token sees
// what its stream's stores held before this batch, and of the batch the tokens up to itself. With first
// set, every stream takes the queries of the first.
func (b *batch) attention(dst, qkv []float32, cols int, first bool) {
	c := &b.m.Config
	perTile := max(1, tileQueries/b.m.group())
	tiles := (b.tokens + perTile - 1) / perTile
	kern.Parallel(len(b.streams)*c.KVHeads*tiles, func(task int) {
		// Later tiles see more keys: they go first, so that the processors finish together.
		tile := tiles - 1 - task/(len(b.streams)*c.KVHeads)
		rest := task % (len(b.streams) * c.KVHeads)
		t := attnTask{b: b, stream: rest / c.KVHeads, head: rest % c.KVHeads, from: tile * perTile}
		t.to = min(b.tokens, t.from+perTile)
		t.queryRow = t.stream * b.tokens
		if first {
			t.queryRow = 0
		}
		t.run(dst, qkv, cols)
	})
}

// An attnTask is the attention of tokens [from, to) of a stream to one KV head.
type attnTask struct {
	b            *batch
	stream, head int
	from, to     int
	queryRow     int // row of the batch that holds the queries of token 0
}

func (t attnTask) run(dst, qkv []float32, cols int) {
	c, group := &t.b.m.Config, t.b.m.group()
	dim := c.HeadDim
	st := t.b.stores[t.stream][t.head]
	before := st.n - t.b.tokens
	rows := (t.to - t.from) * group
	limit := before + t.to // keys that the last token of the tile sees
	s := attnPool.Get().(*attnScratch)
	defer attnPool.Put(s)
	q := grow(&s.q, rows*dim)
	t.gather(q, qkv, cols)
	scores := grow(&s.scores, rows*limit)
	st.k.MulSerial(scores, limit, q, dim, rows, 0, limit)
	out := grow(&s.out, rows*dim)
	for r := range rows {
		row := scores[r*limit : (r+1)*limit]
		seen := before + t.from + r/group + 1
		sum := kern.ExpSum(row[:seen], row[:seen], kern.Max(row[:seen]))
		clear(row[seen:])
		// The queries are used up; their first value keeps the row's factor.
		q[r*dim] = 1 / sum
	}
	kern.MulNN(out, dim, scores, limit, rows, st.v, dim, dim, limit)
	for r := range rows {
		at := (t.stream*t.b.tokens+t.from+r/group)*c.Heads*dim + (t.head*group+r%group)*dim
		f := q[r*dim]
		to := dst[at : at+dim]
		for j, v := range out[r*dim : (r+1)*dim] {
			to[j] = v * f
		}
	}
}

// gather copies the queries of the group to q, [token][head of the group][dim], divided by √dim.
func (t attnTask) gather(q, qkv []float32, cols int) {
	dim, group := t.b.m.Config.HeadDim, t.b.m.group()
	scale := float32(1 / math.Sqrt(float64(dim)))
	for i := t.from; i < t.to; i++ {
		from := (t.queryRow+i)*cols + t.head*group*dim
		src := qkv[from : from+group*dim]
		for j, v := range src {
			q[j] = v * scale
		}
		q = q[len(src):]
	}
}
