package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kvgauge/results"
)

func init() { verbs["compare"] = newCompare }

func newCompare(e *env) *cobra.Command {
	var format string
	var all bool
	c := &cobra.Command{
		Use: "compare OLD NEW", Args: want("OLD", "NEW"),
		Short: "Compare two runs: did anything change that must not?",
		Long: `Compare two runs, each a folder of "kvgauge run" or its run.jsonl or
run.jsonl.gz. Exact and simulated
metrics must be equal; numeric ones too between equal processors, and within their tolerance
otherwise; times are tested by ranks and only printed. The exit status is 1 if something that must be
equal differs, or a cell is gone, or is skipped or failed and was not.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(results.CompareFormats, format) {
				return fmt.Errorf("--format %s: want one of %s", format,
					strings.Join(results.CompareFormats, ", "))
			}
			old, err := results.Open(args[0])
			if err != nil {
				return err
			}
			now, err := results.Open(args[1])
			if err != nil {
				return err
			}
			c := results.Compare(old, now)
			c.All = all
			if err := c.Write(e.out, format); err != nil {
				return err
			}
			if !c.OK() {
				return errNo
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "text", strings.Join(results.CompareFormats, ", "))
	c.Flags().BoolVar(&all, "all", false, "show also what is tolerated or may be noise")
	return c
}
