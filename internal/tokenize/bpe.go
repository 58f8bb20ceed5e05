package tokenize

// cacheWords and cacheBytes bound the pieces that an encoder remembers: text repeats its words,
// and a hostile one must not fill memory.
const (
	cacheWords = 1 << 16
	cacheBytes = 64
)

// short is the most symbols that are merged by scanning, which beats a heap on words.
const short = 24

// An encoder merges the pieces of text. It belongs to one call at a time.
type encoder struct {
	t     *Tokenizer
	cache map[string][]int32
	ids   []int32 // symbols of the piece
	prev  []int32 // their neighbours, for long pieces
	next  []int32
	heap  []candidate
}

func newEncoder(t *Tokenizer) *encoder {
	return &encoder{t: t, cache: make(map[string][]int32, 1024)}
}

// piece appends the tokens of one piece of text.
func (e *encoder) piece(out []int32, s string) []int32 {
	if ids, ok := e.cache[s]; ok {
		return append(out, ids...)
	}
	if e.t.spec.IgnoreMerges {
		if id, ok := e.t.ids[s]; ok {
			return append(out, id)
		}
	}
	e.ids = e.ids[:0]
	for i := range len(s) {
		if id := e.t.bytes[s[i]]; id >= 0 {
			e.ids = append(e.ids, id)
		}
	}
	if len(s) <= short {
		e.scan()
	} else {
		e.merge()
	}
	if len(s) <= cacheBytes {
		if len(e.cache) >= cacheWords {
			clear(e.cache)
		}
		// The key is copied so that the cache does not keep the whole text alive.
		e.cache[string([]byte(s))] = append([]int32(nil), e.ids...)
	}
	return append(out, e.ids...)
}

// scan merges the pair of lowest rank, leftmost first, until none is left.
func (e *encoder) scan() {
	ids := e.ids
	for len(ids) > 1 {
		best, at := merge{rank: 1<<31 - 1}, -1
		for i := range len(ids) - 1 {
			if m, ok := e.t.merges[pair{ids[i], ids[i+1]}]; ok && m.rank < best.rank {
				best, at = m, i
			}
		}
		if at < 0 {
			break
		}
		ids[at] = best.id
		ids = append(ids[:at+1], ids[at+2:]...)
	}
	e.ids = ids
}

// A candidate is a pair that may be merged: its left symbol's place and the ids it had when it was
// found. It is stale once either has changed.
type candidate struct {
	rank, at    int32
	left, right int32
	id          int32
}

func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.at < d.at
}

// merge does what scan does in n log n steps: a heap of candidates over a linked list.
func (e *encoder) merge() {
	n := int32(len(e.ids))
	e.prev, e.next, e.heap = e.prev[:0], e.next[:0], e.heap[:0]
	for i := range n {
		e.prev = append(e.prev, i-1)
		e.next = append(e.next, i+1)
	}
	for i := range n - 1 {
		e.offer(i, i+1)
	}
	for len(e.heap) > 0 {
		c := e.pop()
		right := int32(-1)
		if e.ids[c.at] == c.left {
			right = e.next[c.at]
		}
		if right < 0 || right >= n || e.ids[right] != c.right {
			continue
		}
		e.ids[c.at], e.ids[right] = c.id, -1
		after := e.next[right]
		e.next[c.at] = after
		if after < n {
			e.prev[after] = c.at
			e.offer(c.at, after)
		}
		if before := e.prev[c.at]; before >= 0 {
			e.offer(before, c.at)
		}
	}
	kept := e.ids[:0]
	for i := int32(0); i < n; i = e.next[i] {
		kept = append(kept, e.ids[i])
	}
	e.ids = kept
}

// offer pushes the pair of two neighbours if it can be merged.
func (e *encoder) offer(left, right int32) {
	p := pair{e.ids[left], e.ids[right]}
	m, ok := e.t.merges[p]
	if !ok {
		return
	}
	h := append(e.heap, candidate{m.rank, left, p.left, p.right, m.id})
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !h[i].before(h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
	e.heap = h
}

func (e *encoder) pop() candidate {
	h := e.heap
	top := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			break
		}
		if down+1 < last && h[down+1].before(h[down]) {
			down++
		}
		if !h[down].before(h[i]) {
			break
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
	e.heap = h
	return top
}
