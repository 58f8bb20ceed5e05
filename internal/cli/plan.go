package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kvgauge/bench"
)

func init() { verbs["plan"] = newPlan }

func newPlan(e *env) *cobra.Command {
	f := &sweepFlags{}
	c := &cobra.Command{
		Use: "plan CONFIG", Args: want("CONFIG"),
		Short: "Print the cells of a sweep, and which are skipped and why, without running it",
		RunE: func(_ *cobra.Command, args []string) error {
			plan, err := f.plan(context.Background(), args[0])
			if err != nil {
				return err
			}
			return printPlan(e, plan)
		},
	}
	f.add(c)
	return c
}

func printPlan(e *env, p *bench.Plan) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	skipped := 0
	for _, c := range p.Cells {
		s := p.Sources[c.Source]
		state := "run"
		if c.Skip != "" {
			skipped++
			state = "skip: " + c.Skip
		} else {
			state = fmt.Sprintf("%d samples", s.Len())
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Spec, p.Codecs[c.Codec].Spec, state)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, note := range p.Sweep.Notes {
		fmt.Fprintf(e.out, "note: %s\n", note)
	}
	x := p.Estimate(context.Background())
	fmt.Fprintf(e.out, "%d cells, %d of them skipped\n", len(p.Cells), skipped)
	_, err := fmt.Fprintf(e.out, "estimate: %v, %s of memory, %s on disk, %s of caches in all\n",
		time.Duration(x.Seconds*float64(time.Second)), inMiB(x.MemoryBytes), inMiB(x.DiskBytes),
		inMiB(x.RawBytes))
	if err == nil && x.Unknown > 0 {
		_, err = fmt.Fprintf(e.out, "not counted: %d sources whose shape is not known beforehand\n",
			x.Unknown)
	}
	return err
}

func inMiB(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
