package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"kvgauge/bench"
	"kvgauge/configs"
)

// sweepFlags are what run and plan both take.
type sweepFlags struct {
	smoke bool
	shard string
	sets  []string
}

func (f *sweepFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.smoke, "smoke", false, "one sample of at most 64 tokens, one timing sample")
	c.Flags().StringVar(&f.shard, "shard", "", "only the cells of part I of N, counted from 0: `I/N`")
	c.Flags().StringArrayVar(&f.sets, "set", nil,
		"change the config: `path=value`, such as caches[0].model.prompts=2")
}

// plan reads the config and settles what a run of it does.
func (f *sweepFlags) plan(ctx context.Context, config string) (*bench.Plan, error) {
	shard, err := parseShard(f.shard)
	if err != nil {
		return nil, err
	}
	sweep, err := configs.Open(config, f.sets...)
	if err != nil {
		return nil, err
	}
	return bench.NewPlan(ctx, sweep, bench.PlanOptions{Smoke: f.smoke, Shard: shard})
}

func parseShard(text string) (bench.Shard, error) {
	if text == "" {
		return bench.Shard{}, nil
	}
	i, n, _ := strings.Cut(text, "/")
	index, err1 := strconv.Atoi(i)
	of, err2 := strconv.Atoi(n)
	if err1 != nil || err2 != nil || index < 0 || index >= of {
		return bench.Shard{}, fmt.Errorf("--shard %s: want I/N with I from 0 to N-1, such as 0/4", text)
	}
	return bench.Shard{Index: index, Of: of}, nil
}
