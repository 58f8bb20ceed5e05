package llama

import "kvgauge/internal/kern"

// A Score compares the prediction of one token with the base's, in nats.
type Score struct {
	NLL  float64 // −ln p of the true token
	KLD  float64 // KL(base ‖ this)
	Top  int     // the token ranked first
	Same bool    // the base ranks it first too
}

// Compare scores logits[0], the base, and every other against it, for the prediction of target. out
// has one entry per row. Equal rows have a divergence of exactly 0; rounding below 0 is cut off.
// Sums over the vocabulary are in float64.
func Compare(logits [][]float32, target int32, out []Score) {
	base := logits[0]
	p := make([]float32, len(base))
	scratch := make([]float32, len(base))
	baseLSE, _, sum := kern.LogSumExp(base, p)
	top := Argmax(base)
	out[0] = Score{NLL: baseLSE - float64(base[target]), Top: top, Same: true}
	for i, row := range logits[1:] {
		lse, _, _ := kern.LogSumExp(row, scratch)
		s := Score{NLL: lse - float64(row[target]), Top: Argmax(row)}
		s.Same = s.Top == top
		// Σ p (ln p − ln q) with ln p = base − baseLSE and ln q = row − lse.
		s.KLD = max(0, weightedGap(p, base, row)/sum-baseLSE+lse)
		out[i+1] = s
	}
}

// weightedGap returns Σ w·(a−b).
func weightedGap(w, a, b []float32) float64 {
	a, b = a[:len(w)], b[:len(w)]
	var s0, s1 float64
	i := 0
	for ; i+2 <= len(w); i += 2 {
		s0 += float64(float64(w[i]) * (float64(a[i]) - float64(b[i])))
		s1 += float64(float64(w[i+1]) * (float64(a[i+1]) - float64(b[i+1])))
	}
	for ; i < len(w); i++ {
		s0 += float64(float64(w[i]) * (float64(a[i]) - float64(b[i])))
	}
	return s0 + s1
}

// LogProbs replaces logits by log-probabilities.
func LogProbs(logits, scratch []float32) {
	lse, _, _ := kern.LogSumExp(logits, scratch)
	for i, v := range logits {
		logits[i] = float32(float64(v) - lse)
	}
}
