package workloads

import (
	"math"
	"sync"

	"kvgauge/internal/llama"
)

// A distribution is the softmax of a row of logits, in float64.
type distribution struct {
	logits []float32
	lse    float64   // ln Σ exp(logit)
	p      []float64 // from a pool
	top    int       // the likeliest token
}

var probabilities = sync.Pool{New: func() any { return new([]float64) }}

func newDistribution(logits []float32) distribution {
	buf := probabilities.Get().(*[]float64)
	if cap(*buf) < len(logits) {
		*buf = make([]float64, len(logits))
	}
	d := distribution{logits: logits, p: (*buf)[:len(logits)], top: llama.Argmax(logits)}
	high, sum := float64(logits[d.top]), 0.0
	for i, x := range logits {
		d.p[i] = math.Exp(float64(x) - high)
		sum += d.p[i]
	}
	d.lse = high + math.Log(sum)
	for i := range d.p {
		d.p[i] /= sum
	}
	return d
}

func (d distribution) free() { probabilities.Put(&d.p) }

// divergence returns KL(d ‖ softmax(logits)) in nats, where lse is the logits' own ln Σ exp. It
// is exactly 0 when the logits are d's, and never below: what rounding leaves there is cut.
func (d distribution) divergence(logits []float32, lse float64) float64 {
	sum := 0.0
	for i, p := range d.p {
		sum += p * (float64(d.logits[i]) - float64(logits[i]))
	}
	if kl := sum - (d.lse - lse); !(kl < 0) {
		return kl
	}
	return 0
}

// logSumExp returns ln Σ exp(logit), in float64 and without overflow.
func logSumExp(logits []float32) float64 {
	high := float64(logits[llama.Argmax(logits)])
	sum := 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x) - high)
	}
	return high + math.Log(sum)
}
