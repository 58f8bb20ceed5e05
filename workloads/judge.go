package workloads

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"kvgauge/compressors/kv"
	"kvgauge/internal/llama"
)

// A judge continues a document from its prefix's cache, original and changed, in one pass. The
// original is the cache rounded to its type; keys and values of the continuation stay float32 in
// every stream, since the worker that decodes appends its own.
type judge struct {
	m            *llama.Model
	base         kv.Tensor
	continuation []int32
	last         []float32 // logits after the prefix

	mu     sync.Mutex
	greedy []int32 // what the original decodes freely, first token included, as far as known
}

// maxRows bounds streams × tokens of one pass, whose activations are held at once.
const maxRows = 1 << 14

func (j *judge) Judge(ctx context.Context, cs []Candidate, o JudgeOptions) ([]Verdict, error) {
	if o.Greedy < 0 {
		return nil, fmt.Errorf("greedy is %d, want 0 or more", o.Greedy)
	}
	out := make([]Verdict, 0, len(cs))
	step := max(1, maxRows/len(j.continuation)-1)
	for from := 0; from < len(cs); from += step {
		part, err := j.part(ctx, cs[from:min(len(cs), from+step)], o)
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	return out, nil
}

func (j *judge) part(ctx context.Context, cs []Candidate, o JudgeOptions) ([]Verdict, error) {
	prefixes, err := j.prefixes(cs)
	if err != nil {
		return nil, err
	}
	verdicts, err := j.forced(ctx, prefixes, o.Attention)
	if err != nil {
		return nil, err
	}
	for i := range verdicts {
		verdicts[i].Agreement = math.NaN()
	}
	if n := min(o.Greedy, len(j.continuation)); n > 0 {
		err = j.agreement(ctx, prefixes, verdicts, n)
	}
	return verdicts, err
}

// prefixes returns the original's prefix and then the candidates'.
func (j *judge) prefixes(cs []Candidate) ([]llama.Prefix, error) {
	base, err := j.m.FromTensor(j.base, nil)
	if err != nil {
		return nil, err
	}
	prefixes := []llama.Prefix{base}
	for i, c := range cs {
		if c.Cache.Tokens != j.base.Tokens || c.Cache.DType != j.base.DType {
			return nil, fmt.Errorf("candidate %d is %v in %v, want %v in %v: %w", i,
				c.Cache.Shape, c.Cache.DType, j.base.Shape, j.base.DType, kv.ErrShape)
		}
		p, err := j.m.FromTensor(c.Cache, c.Kept)
		if err != nil {
			return nil, fmt.Errorf("candidate %d: %w", i, err)
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

// forced runs the continuation's own tokens after every prefix (teacher forcing). The logits
// after token t judge the prediction of token t+1; those before the first token do not see the
// changed cache. The last token runs for its queries only.
func (j *judge) forced(ctx context.Context, prefixes []llama.Prefix, attention bool) ([]Verdict, error) {
	scored := len(j.continuation) - 1
	verdicts := make([]Verdict, len(prefixes)-1)
	for i := range verdicts {
		verdicts[i] = Verdict{KLD: make([]float64, scored), BaseNLL: make([]float64, scored),
			NLL: make([]float64, scored), SameTop1: make([]bool, scored)}
	}
	tokens := j.continuation[:scored]
	o := llama.Options{Logits: func(t int, logits [][]float32) {
		if t < scored {
			score(verdicts, t, logits, j.continuation[t+1])
		}
	}}
	if attention {
		tokens = j.continuation
		o.SharedAttention = j.attentionError(verdicts)
	}
	return verdicts, j.m.Continue(ctx, prefixes, tokens, o)
}

// score fills in what the logits after one token say; logits[0] are the original's.
func score(verdicts []Verdict, t int, logits [][]float32, next int32) {
	scores := make([]llama.Score, len(logits))
	llama.Compare(logits, next, scores)
	for i := range verdicts {
		v, s := &verdicts[i], scores[i+1]
		v.KLD[t], v.BaseNLL[t], v.NLL[t], v.SameTop1[t] = s.KLD, scores[0].NLL, s.NLL, s.Same
	}
}

// attentionError gathers ‖o−ô‖²/‖o‖² over the continuation's queries. To isolate what the cache
// does from what earlier layers made of it, every stream is asked with the original's queries,
// and sees the original's keys and values of the continuation after its own prefix.
func (j *judge) attentionError(verdicts []Verdict) func(layer int, out [][]float32) {
	c := j.m.Config
	for i := range verdicts {
		verdicts[i].AttentionError = make([][]float64, c.Layers)
	}
	return func(layer int, out [][]float32) {
		for i := range verdicts {
			errs := make([]float64, c.Heads)
			for h := range errs {
				errs[h] = headError(out[0], out[i+1], h*c.HeadDim, c.HeadDim, c.Heads*c.HeadDim)
			}
			verdicts[i].AttentionError[layer] = errs
		}
	}
}

// headError returns Σ(a−b)²/Σa² over dim values from at on in every row of width values.
func headError(a, b []float32, at, dim, width int) float64 {
	diff, square := 0.0, 0.0
	for ; at < len(a); at += width {
		for i, x := range a[at : at+dim] {
			d := float64(x) - float64(b[at+i])
			diff += d * d
			square += float64(x) * float64(x)
		}
	}
	if diff == 0 {
		return 0 // also where the original's output is zero
	}
	return diff / square
}

// agreement decodes n tokens freely from the original, and counts for every candidate how many
// it would decode alike before the first that differs. The token after the prefix is the
// original's in both: it comes with the cache. Since a candidate that agrees so far has seen the
// same tokens, one forced pass over the original's tells where it first does not.
func (j *judge) agreement(
	ctx context.Context, prefixes []llama.Prefix, verdicts []Verdict, n int,
) error {
	tokens, err := j.decode(ctx, prefixes[0], n)
	if err != nil {
		return err
	}
	same := make([][]bool, len(verdicts))
	for i := range same {
		same[i] = make([]bool, n)
	}
	err = j.m.Continue(ctx, prefixes[1:], tokens[:n], llama.Options{
		Logits: func(t int, logits [][]float32) {
			for i := range same {
				same[i][t] = int32(llama.Argmax(logits[i])) == tokens[t+1]
			}
		}})
	if err != nil {
		return err
	}
	for i, s := range same {
		agreed := 0
		for agreed < n && s[agreed] {
			agreed++
		}
		verdicts[i].Agreement = float64(agreed) / float64(n)
	}
	return nil
}

// decode returns the token that follows the prefix and n more that the original decodes.
func (j *judge) decode(ctx context.Context, base llama.Prefix, n int) ([]int32, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.greedy) > n {
		return j.greedy[:n+1], nil
	}
	if len(j.last) == 0 {
		return nil, errors.New("no logits after the prefix")
	}
	first := int32(llama.Argmax(j.last))
	more, err := j.m.Greedy(ctx, j.m.Inject(base), first, n)
	if err != nil {
		return nil, err
	}
	j.greedy = append([]int32{first}, more...)
	return j.greedy, nil
}
