package compressors

import (
	"errors"
	"math"
	"testing"

	"kvgauge/compressors/kv"
)

// TestKVTCAllocationIsTheBest compares the dynamic programme with every division of a short row.
func TestKVTCAllocationIsTheBest(t *testing.T) {
	const rank, tokens = 5, 20
	comps := make([]float32, rank*tokens)
	for i := range comps {
		comps[i] = float32((i*7919)%31-15) / float32(int(1)<<(2*(i%rank)))
	}
	trial := kvtcTrial{comps: comps, tokens: tokens, rank: rank}
	table := kvtcTable{unit: kvtcUnit, rank: rank}
	for _, budget := range []int{0, 10, 18, 24, 40, 60, 100, 200} {
		best := math.Inf(1)
		var try func(at, left int, e float64)
		try = func(at, left int, e float64) {
			if left < 0 {
				return
			}
			if at == rank {
				best = min(best, e)
				return
			}
			for _, n := range []int{1, rank - at} {
				for _, bits := range kvtcTypes {
					try(at+n, left-kvtcUnit*table.cost(n, bits), e+trial.measure(at, n, bits))
				}
			}
		}
		try(0, budget, 0)
		runs, starts := kvtcAllocate(comps, tokens, rank, budget)
		got, cost, covered := 0.0, 0, map[int]bool{}
		for i, run := range runs {
			got += trial.measure(starts[i], run.n, run.bits)
			cost += kvtcUnit * table.cost(run.n, run.bits)
			for k := range run.n {
				covered[starts[i]+k] = true
			}
		}
		for k := range rank {
			if !covered[k] {
				got += trial.measure(k, 1, 0)
			}
		}
		if cost > budget || math.Abs(got-best) > 1e-9*best {
			t.Errorf("budget %d: runs %v cost %d with error %g, the best is %g", budget, runs, cost, got, best)
		}
	}
}

// TestKVTCScopes sends one cache through every scope: more channels in a row, smaller error.
func TestKVTCScopes(t *testing.T) {
	g := &graded{db: 40, layers: 8, heads: 4, fitTokens: 1024,
		shape: kv.Shape{Layers: 8, Heads: 4, Tokens: 96, KeyDim: 128, ValueDim: 128}}
	source := g.source() // 4096 channels: the model's scope takes its directions from a Gram matrix
	last := math.Inf(1)
	for _, scope := range []string{"head", "layer", "model"} {
		p, err := pass("kvtc:ratio=32,sinks=0,window=0,samples=512,scope="+scope, source.data(source.Make()))
		if err != nil {
			t.Fatal(err)
		}
		e, _ := NMSE.Of(p)
		rate, _ := BitsPerValue.Of(p)
		t.Logf("%s: %.3f bits, NMSE %.4f", scope, rate, e)
		if e >= last || rate > 0.52 {
			t.Errorf("scope %s: NMSE %.4f at %.3f bits, %.4f with the smaller scope", scope, e, rate, last)
		}
		last = e
	}
}

func TestKVTCRefusesModelsThatAreTooWide(t *testing.T) {
	_, c, err := Open("kvtc:prerope=false,scope=model")
	if err != nil {
		t.Fatal(err)
	}
	wide := kv.New(kv.Shape{Layers: 129, Heads: 4, Tokens: 2, KeyDim: 128, ValueDim: 128}, kv.F16)
	if _, err := Fit(c, []kv.Tensor{wide}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a row of 66,048 channels: %v", err)
	}
}
