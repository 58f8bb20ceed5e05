package llama

import (
	"math"
	"slices"

	"kvgauge/internal/kern"
)

// A Score compares the prediction of one token with the base's, in nats.
type Score struct {
	NLL  float64 // −ln p of the true token
	KLD  float64 // KL(base ‖ this)
	Top  int     // the token ranked first
	Same bool    // the base ranks it first too
}

// Compare scores logits[0], the base, and every other against it, for the prediction of target. out
// has one entry per row.
//
// With δ the differences of the logits, p the base's distribution and m = Σ pδ, the divergence is
// ln Σ p·e^(δ−m). Since Σ p(δ−m) is zero, that is ln(1 + Σ p·g(δ−m)) with g(x) = e^x − 1 − x,
// a sum of terms that are never negative: nothing cancels, small divergences keep their digits, and
// equal rows give exactly 0.
func Compare(logits [][]float32, target int32, out []Score) {
	base := logits[0]
	p := make([]float32, len(base))
	lse, _, sum := kern.LogSumExp(base, p)
	far := slices.Min(p) < clamped
	top := Argmax(base)
	out[0] = Score{NLL: lse - float64(base[target]), Top: top, Same: true}
	for i, row := range logits[1:] {
		shift, kld := gap(p, sum, base, row)
		if far || kld > farApart {
			shift, kld = gapFar(base, row, lse)
		}
		s := Score{KLD: kld, NLL: lse + shift + kld - float64(row[target]), Top: Argmax(row)}
		s.Same = s.Top == top
		out[i+1] = s
	}
}

// Where exponentials may have been clamped rows are compared the plain way in float64: when the
// base ranks a token 69 nats or more below its first, or a row is so far away.
const (
	clamped  = 1e-30
	farApart = 100
)

// gap returns m = Σ pδ and ln Σ p·e^(δ−m), where p is weights over sum and δ = row − base.
func gap(weights []float32, sum float64, base, row []float32) (m, kld float64) {
	m = kern.GapSum(weights, base, row, 0) / sum
	return m, math.Log1p(max(0, kern.RestSum(weights, base, row, m)) / sum)
}

// gapFar is gap for rows so far apart that probabilities must be kept in float64.
func gapFar(base, row []float32, lse float64) (m, kld float64) {
	rowLSE := 0.0
	rowHigh := float64(kern.Max(row))
	for _, v := range row {
		rowLSE += math.Exp(float64(v) - rowHigh)
	}
	rowLSE = rowHigh + math.Log(rowLSE)
	for i, v := range base {
		if p := math.Exp(float64(v) - lse); p > 0 {
			m += p * (float64(row[i]) - float64(v))
		}
	}
	return m, max(0, rowLSE-lse-m)
}

// LogProbs replaces logits by log-probabilities.
func LogProbs(logits, scratch []float32) {
	lse, _, _ := kern.LogSumExp(logits, scratch)
	for i, v := range logits {
		logits[i] = float32(float64(v) - lse)
	}
}
