package kv

// Meta is what some codecs and measures need beside the numbers.
type Meta struct {
	Model string // which model computed the cache; "" if none did
	From  int    // index of the tensor's first token in the slices below
	Held  Held   // the 8-bit type in which the cache is held where it is used; "" for 16 bits

	// Positions holds each token's position in the sequence; nil means 0, 1, 2, …
	Positions []int32

	// Rope says how keys were rotated; nil means unknown.
	Rope *Rope

	// Stats are optional statistics of the queries that will read the cache.
	Stats *Stats
}

// Rope is a rotary position embedding (Su et al., RoFormer, section 3.4) of channels From to
// From+Dim of every key.
type Rope struct {
	Theta       float64 // base of the frequencies
	From        int     // first channel of a head that is rotated: 512 in DeepSeek's latents, else 0
	Dim         int     // how many are
	Interleaved bool    // pairs (2j, 2j+1) instead of (j, j+Dim/2), counted from From
	Applied     bool    // keys have been rotated, as every engine caches them
}

// Stats are computed from queries over the cache's own tokens, in the cache's head order. Any
// may be nil.
type Stats struct {
	QLast      []float32 // last-window queries [L][Hq][W][D]
	QWindow    int       // W
	QHeads     int       // Hq, query heads per layer
	AttnColSum []float32 // attention mass each token received [L][Hq][S]
	QQ         []float32 // E[q qᵀ] per KV head [L][H][D][D]
}

func (m *Meta) window(from int) *Meta {
	w := *m
	w.From += from
	return &w
}

// Position returns the position of token i of the tensor that carries m; m may be nil.
func (m *Meta) Position(i int) int32 {
	if m == nil {
		return int32(i)
	}
	if m.Positions == nil {
		return int32(m.From + i)
	}
	return m.Positions[m.From+i]
}

// Kept names, for a cache that lost tokens, the ones that are left: for layer l and head h the
// indices Kept.At(l, h), in increasing order. Counts may differ between heads. A nil *Kept
// means that all are left.
type Kept struct {
	Layers, Heads int
	Lists         [][]int32 // [layer*Heads + head]
}

// At returns the indices left in one head of one layer.
func (k *Kept) At(layer, head int) []int32 { return k.Lists[layer*k.Heads+head] }
