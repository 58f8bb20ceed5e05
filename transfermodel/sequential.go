package transfermodel

import (
	"math"

	"kvgauge/internal/registry"
)

// sequential compresses the whole cache, then sends it, then decompresses it.
type sequential struct{ link }

type sequentialParams struct {
	LatencyUS  float64 `param:"latency_us" doc:"cost of the message beside its bytes, microseconds"`
	Efficiency float64 `param:"efficiency" doc:"share of the link rate that is reached, in (0, 1]"`
}

func init() {
	Register(registry.Family[Model, sequentialParams]{
		Name: "sequential", Doc: "compress, then send, then decompress",
		Source:   "this repository",
		Defaults: sequentialParams{Efficiency: 1},
		Variants: []sequentialParams{{LatencyUS: 50, Efficiency: 0.9}},
		New: func(p sequentialParams) (Model, error) {
			l := link(p)
			return sequential{l}, l.check()
		},
	})
}

func (m sequential) Lay(x Transfer) Makespan {
	s := x.stages(m.Efficiency)
	sent := s.compress + m.message() + s.wire
	return Makespan{s.compress, sent, sent + s.decompress}
}

func (m sequential) Raw(x Transfer) float64 { return m.message() + x.stages(m.Efficiency).raw }

// BreakEven solves raw/B = c + wire/B + d: both pay for one message, which cancels.
func (m sequential) BreakEven(x Transfer) (ByteRate, bool) {
	saved := float64(x.RawBytes-x.WireBytes) / m.Efficiency
	if saved <= 0 {
		return 0, true
	}
	cost := x.Compress.Seconds() + x.Decompress.Seconds()
	if cost == 0 {
		return ByteRate(math.Inf(1)), true
	}
	return ByteRate(saved / cost), true
}
