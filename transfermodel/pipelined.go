package transfermodel

import (
	"fmt"
	"math"

	"kvgauge/internal/registry"
)

// pipelined cuts the cache into chunks of equal bytes, by default one per layer, and overlaps
// compressing, sending and decompressing them: a flow shop of three machines. The raw cache goes
// over the link in the same chunks.
type pipelined struct {
	link
	chunks int
}

type pipelinedParams struct {
	Chunks     int     `param:"chunks" doc:"pieces of equal bytes; 0 means one per layer"`
	LatencyUS  float64 `param:"latency_us" doc:"cost of a message beside its bytes, microseconds"`
	Efficiency float64 `param:"efficiency" doc:"share of the link rate that is reached, in (0, 1]"`
}

func init() {
	Register(registry.Family[Model, pipelinedParams]{
		Name: "pipelined", Doc: "chunks overlap: one is sent while the next is compressed",
		Source:   "flow-shop recurrence; Johnson 1954",
		Defaults: pipelinedParams{Efficiency: 1},
		Variants: []pipelinedParams{{Chunks: 4, LatencyUS: 50, Efficiency: 0.9}},
		New: func(p pipelinedParams) (Model, error) {
			if p.Chunks < 0 || p.Chunks > 1<<20 {
				return nil, fmt.Errorf("chunks is %d, want 0 to %d", p.Chunks, 1<<20)
			}
			l := link{p.LatencyUS, p.Efficiency}
			return pipelined{l, p.Chunks}, l.check()
		},
	})
}

func (m pipelined) pieces(x Transfer) float64 {
	if m.chunks > 0 {
		return float64(m.chunks)
	}
	return float64(x.Layers)
}

// Lay is the flow-shop recurrence for equal chunks, summed up: the first chunk passes all three
// stages, and each further one waits for the slowest.
func (m pipelined) Lay(x Transfer) Makespan {
	s, n := x.stages(m.Efficiency), m.pieces(x)
	c, d := s.compress/n, s.decompress/n
	w := s.wire/n + m.message()
	return Makespan{
		Compressed: s.compress,
		Sent:       c + w + (n-1)*max(c, w),
		Ready:      c + w + d + (n-1)*max(c, w, d),
	}
}

func (m pipelined) Raw(x Transfer) float64 {
	return m.pieces(x)*m.message() + x.stages(m.Efficiency).raw
}

// BreakEven solves Lay = Raw for the rate when messages cost nothing. With u seconds per byte,
// the makespan is convex and piecewise linear in u with one corner, where the link becomes the
// slowest stage.
func (m pipelined) BreakEven(x Transfer) (ByteRate, bool) {
	if m.LatencyUS != 0 {
		return 0, false
	}
	n := m.pieces(x)
	raw, wire := float64(x.RawBytes), float64(x.WireBytes)
	c, d := x.Compress.Seconds(), x.Decompress.Seconds()
	if wire >= raw {
		return 0, true
	}
	if c+d == 0 {
		return ByteRate(math.Inf(1)), true
	}
	slow := max(c, d)
	u := ((c+d)/n + slow*(n-1)/n) / (raw - wire/n) // the slowest stage is not the link
	if wire*u > slow {
		u = (c + d) / n / (raw - wire) // the link is
	}
	return ByteRate(1 / u / m.Efficiency), true
}

// A Chunk is the time of one piece in each stage, in seconds, and when prefill has it ready.
type Chunk struct{ Ready, Compress, Send, Decompress float64 }

// FlowShop returns when the last of the chunks leaves each stage, each stage taking one chunk at
// a time and in order: the general recurrence, for chunks that are not alike.
func FlowShop(chunks []Chunk) Makespan {
	var m Makespan
	for _, k := range chunks {
		m.Compressed = max(m.Compressed, k.Ready) + k.Compress
		m.Sent = max(m.Sent, m.Compressed) + k.Send
		m.Ready = max(m.Ready, m.Sent) + k.Decompress
	}
	return m
}
