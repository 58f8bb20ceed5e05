package bench

import (
	"context"
	"fmt"
	"math"
	"slices"

	"kvgauge/compressors/kv"
	"kvgauge/configs"
	"kvgauge/internal/stats"
	"kvgauge/results"
	"kvgauge/workloads"
)

// A quality is what a judge said of one candidate, summed up over the continuation's tokens.
type quality struct {
	KLDMean     results.Number   `json:"kld_mean"`
	KLDMedian   results.Number   `json:"kld_median"`
	KLDP99      results.Number   `json:"kld_p99"`
	KLDMax      results.Number   `json:"kld_max"`
	LnPPLRatio  results.Number   `json:"ln_ppl_ratio"`
	BaseNLL     results.Number   `json:"base_nll"`
	SameTop1    results.Number   `json:"same_top1"`
	Agreement   *results.Number  `json:"agreement,omitempty"`
	ByLayer     []results.Number `json:"attention_by_layer,omitempty"` // mean over query heads
	ScoredCount int              `json:"scored"`
}

// summarise checks a verdict and sums it up.
func summarise(v workloads.Verdict) (*quality, error) {
	n := len(v.KLD)
	if n == 0 || len(v.NLL) != n || len(v.BaseNLL) != n || len(v.SameTop1) != n {
		return nil, fmt.Errorf("a verdict over %d, %d, %d and %d tokens", n, len(v.NLL),
			len(v.BaseNLL), len(v.SameTop1))
	}
	sorted := slices.Clone(v.KLD)
	slices.Sort(sorted)
	same := 0
	for _, s := range v.SameTop1 {
		if s {
			same++
		}
	}
	base := stats.Mean(v.BaseNLL)
	q := &quality{
		KLDMean:     results.Number(stats.Mean(v.KLD)),
		KLDMedian:   results.Number(stats.SortedQuantile(sorted, 0.5)),
		KLDP99:      results.Number(stats.SortedQuantile(sorted, 0.99)),
		KLDMax:      results.Number(stats.SortedQuantile(sorted, 1)),
		LnPPLRatio:  results.Number(stats.Mean(v.NLL) - base),
		BaseNLL:     results.Number(base),
		SameTop1:    results.Number(float64(same) / float64(n)),
		ScoredCount: n,
	}
	if !math.IsNaN(v.Agreement) {
		a := results.Number(v.Agreement)
		q.Agreement = &a
	}
	for _, heads := range v.AttentionError {
		q.ByLayer = append(q.ByLayer, results.Number(stats.Mean(heads)))
	}
	return q, nil
}

// judgeBytes bounds the changed caches that are handed to a judge at once.
const judgeBytes = 192 << 20

// A ballot collects candidates and where each one's verdict belongs. Caches that are equal to
// the original share one candidate.
type ballot struct {
	candidates []workloads.Candidate
	owners     [][]**quality // per candidate
	same       int           // index of the candidate that equals the original; -1 if none yet
	bytes      int
}

func newBallot() *ballot { return &ballot{same: -1} }

func (b *ballot) add(cache kv.Tensor, kept *kv.Kept, same bool, owner **quality) {
	if same && b.same >= 0 {
		b.owners[b.same] = append(b.owners[b.same], owner)
		return
	}
	if same {
		b.same = len(b.candidates)
	}
	b.candidates = append(b.candidates, workloads.Candidate{Cache: cache, Kept: kept})
	b.owners = append(b.owners, []**quality{owner})
	b.bytes += cache.RawBytes()
}

// vote asks the judge about all candidates, in batches that fit in memory, and hands out the
// verdicts.
func (b *ballot) vote(ctx context.Context, judge workloads.Judge, o workloads.JudgeOptions) error {
	if len(b.candidates) == 0 {
		return nil
	}
	per := max(1, judgeBytes/max(1, b.bytes/len(b.candidates)))
	at := 0
	for batch := range slices.Chunk(b.candidates, per) {
		verdicts, err := judge.Judge(ctx, batch, o)
		if err == nil && len(verdicts) != len(batch) {
			err = fmt.Errorf("%d verdicts on %d candidates", len(verdicts), len(batch))
		}
		if err != nil {
			return fmt.Errorf("judging: %w", err)
		}
		for _, v := range verdicts {
			q, err := summarise(v)
			if err != nil {
				return fmt.Errorf("judging: %w", err)
			}
			for _, owner := range b.owners[at] {
				*owner = q
			}
			at++
		}
	}
	return nil
}

// wanted says which parts of a verdict a sweep asks for, and whether any.
func wanted(s *configs.Sweep) (o workloads.JudgeOptions, any bool) {
	o.Attention = s.Has(configs.AttentionError)
	if s.Has(configs.Agreement) {
		o.Greedy = greedyAll
	}
	any = o.Attention || o.Greedy > 0
	for _, what := range []string{configs.KLD, configs.Perplexity, configs.KOnly, configs.VOnly} {
		any = any || s.Has(what)
	}
	return o, any
}

// greedyAll asks for as many greedy tokens as the continuation has: judges stop there.
const greedyAll = math.MaxInt32
