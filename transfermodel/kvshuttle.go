package transfermodel

import (
	"fmt"
	"math"

	"kvgauge/internal/registry"
)

// kvshuttlePipelined is KVShuttle's own estimate of a pipelined transfer: the first part passes
// all three stages, and each further one costs the slowest stage's mean. Layers are cut as
// numpy's array_split cuts them, so the first part may be larger than the mean; then the estimate
// exceeds the flow shop of those parts. Where the layers divide evenly it equals pipelined.
type kvshuttlePipelined struct{ chunks int }

type kvshuttlePipelinedParams struct {
	Chunks int `param:"chunks" doc:"parts of contiguous layers; 0 means one per layer"`
}

func init() {
	Register(registry.Family[Model, kvshuttlePipelinedParams]{
		Name: "kvshuttle_pipelined", Doc: "first part through all stages, then the slowest mean",
		Source:   "KVShuttle 768c6d7, pipelined transfer",
		Variants: []kvshuttlePipelinedParams{{Chunks: 5}},
		New: func(p kvshuttlePipelinedParams) (Model, error) {
			if p.Chunks < 0 || p.Chunks > 1<<20 {
				return nil, fmt.Errorf("chunks is %d, want 0 to %d", p.Chunks, 1<<20)
			}
			return kvshuttlePipelined{p.Chunks}, nil
		},
	})
}

// shares returns the first part's share of the layers, and the share of all parts but one.
func (m kvshuttlePipelined) shares(x Transfer) (first, rest float64) {
	n := x.Layers
	if m.chunks > 0 {
		n = min(n, m.chunks)
	}
	return float64((x.Layers+n-1)/n) / float64(x.Layers), float64(n-1) / float64(n)
}

// Lay charges every layer alike: a part's times are its share of the whole cache's.
func (m kvshuttlePipelined) Lay(x Transfer) Makespan {
	s := x.stages(1)
	first, rest := m.shares(x)
	return Makespan{
		Compressed: s.compress,
		Sent:       first*(s.compress+s.wire) + rest*max(s.compress, s.wire),
		Ready: first*(s.compress+s.wire+s.decompress) +
			rest*max(s.compress, s.wire, s.decompress),
	}
}

func (m kvshuttlePipelined) Raw(x Transfer) float64 { return x.stages(1).raw }

// BreakEven solves Lay = Raw. With u seconds per byte the estimate is convex and piecewise linear
// in u, with one corner, where the link becomes the slowest stage. Parts that are not alike make
// a slow link cost more than its bytes, so a codec that saves next to nothing never pays.
func (m kvshuttlePipelined) BreakEven(x Transfer) (ByteRate, bool) {
	first, rest := m.shares(x)
	raw, wire := float64(x.RawBytes), float64(x.WireBytes)
	c, d := x.Compress.Seconds(), x.Decompress.Seconds()
	saved := raw - wire*(first+rest) // per second of a slow link
	if saved <= 0 {
		return 0, true
	}
	if c+d == 0 {
		return ByteRate(math.Inf(1)), true
	}
	slow := max(c, d)
	u := (first*(c+d) + rest*slow) / (raw - wire*first) // the slowest stage is not the link
	if wire*u > slow {
		u = first * (c + d) / saved // the link is
	}
	return ByteRate(1 / u), true
}

// KVShuttlePipelined returns KVShuttle's total, in seconds, for parts whose stages were timed one
// by one: the first part's three stages, and for each further part the largest of the stages'
// means over all parts. No parts take no time.
func KVShuttlePipelined(parts []Chunk) float64 {
	if len(parts) == 0 {
		return 0
	}
	var c, x, d float64
	for _, p := range parts {
		c, x, d = c+p.Compress, x+p.Send, d+p.Decompress
	}
	n := float64(len(parts))
	p := parts[0]
	return p.Compress + p.Send + p.Decompress + (n-1)*max(c, x, d)/n
}

// ArraySplit cuts layers into min(chunks, layers) contiguous parts as numpy's array_split does:
// the first layers mod chunks of them have one layer more. It returns their sizes.
func ArraySplit(layers, chunks int) []int {
	n := min(layers, chunks)
	if n < 1 {
		return nil
	}
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = layers / n
		if i < layers%n {
			sizes[i]++
		}
	}
	return sizes
}
