// Package transfermodel says how long a cache takes from the worker that computed it to the
// worker that decodes from it: compress, send, decompress, one after another or overlapped. It
// knows bytes, rates and seconds, and nothing of tensors. One file per model.
package transfermodel

import (
	"errors"
	"fmt"
	"math"
	"time"

	"kvgauge/internal/registry"
)

// A Transfer is one cache to be moved: sizes, stage times for the whole cache, and the link.
type Transfer struct {
	RawBytes   int64         // the cache uncompressed
	WireBytes  int64         // what travels: the frame
	Compress   time.Duration // for the whole cache; rounded stage times lose nothing that matters
	Decompress time.Duration
	Link       ByteRate
	Layers     int // into which a pipelined model may split; at least 1
}

// Check returns an error for a transfer that no model can lay out.
func (x Transfer) Check() error {
	switch {
	case x.RawBytes < 0 || x.WireBytes < 0:
		return errors.New("sizes are negative")
	case x.Compress < 0 || x.Decompress < 0:
		return errors.New("stage times are negative")
	case !(x.Link > 0) || math.IsInf(float64(x.Link), 0):
		return fmt.Errorf("link rate is %v Gbps, want more than 0", x.Link.Gbps())
	case x.Layers < 1:
		return fmt.Errorf("%d layers, want at least 1", x.Layers)
	}
	return nil
}

// A Timeline is when each stage of a transfer ends, counted from its start.
type Timeline struct{ Compressed, Sent, Ready time.Duration }

// A Makespan is when each stage ends in unrounded seconds: what break-even works on.
type Makespan struct{ Compressed, Sent, Ready float64 }

// Round returns the makespan in whole nanoseconds.
func (m Makespan) Round() Timeline {
	return Timeline{nanoseconds(m.Compressed), nanoseconds(m.Sent), nanoseconds(m.Ready)}
}

// stages are the times of a transfer in seconds. wire and raw are what the link takes for the
// compressed and the raw cache, without the cost of a message.
type stages struct{ compress, wire, decompress, raw float64 }

func (x Transfer) stages(efficiency float64) stages {
	rate := float64(x.Link) * efficiency
	return stages{
		compress: x.Compress.Seconds(), decompress: x.Decompress.Seconds(),
		wire: float64(x.WireBytes) / rate, raw: float64(x.RawBytes) / rate,
	}
}

// A Model lays out the stages of a transfer in time. More bytes, a slower link and slower stages
// never make the cache ready earlier.
type Model interface {
	// Lay returns the timeline in unrounded seconds. The transfer passes Check.
	Lay(x Transfer) Makespan

	// Raw returns the seconds that the raw cache takes over the same link: no stages, and no
	// copies charged.
	Raw(x Transfer) float64

	// BreakEven returns the link rate at which compressing and not compressing tie in closed
	// form, and false where the model has none for these parameters. It is 0 if compressing
	// never pays and +Inf if it always does. x.Link is not read.
	BreakEven(x Transfer) (ByteRate, bool)
}

// Predict returns the timeline of x in whole nanoseconds, rounded once.
func Predict(m Model, x Transfer) Timeline { return m.Lay(x).Round() }

var models = registry.NewSet[Model]("transfer model")

// Register enters a family of transfer models under its name. It panics on a duplicate.
func Register[P any](f registry.Family[Model, P]) { registry.Add(models, f) }

// Open builds the model that a spec such as "pipelined:chunks=8" names.
func Open(text string) (registry.Spec, Model, error) { return models.Open(text) }

// Names returns the registered names in order.
func Names() []string { return models.Names() }

// Specs returns every model's bare name and variants.
func Specs() []registry.Spec { return models.Specs() }

// Describe returns what is known of the model called name.
func Describe(name string) (registry.Info, error) { return models.Describe(name) }

// link are the parameters that every model of a link shares.
type link struct {
	LatencyUS  float64
	Efficiency float64
}

func (l link) check() error {
	if l.LatencyUS < 0 || l.LatencyUS > 1e9 {
		return fmt.Errorf("latency_us is %v, want 0 to 1e9", l.LatencyUS)
	}
	if !(l.Efficiency > 0 && l.Efficiency <= 1) {
		return fmt.Errorf("efficiency is %v, want more than 0, at most 1", l.Efficiency)
	}
	return nil
}

// message returns the cost of a message in seconds.
func (l link) message() float64 { return l.LatencyUS * 1e-6 }
