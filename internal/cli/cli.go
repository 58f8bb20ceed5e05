// Package cli is the command line: one file per verb. Results go to stdout or files, chatter and
// progress to stderr. Exit status 0 means done, 1 that the answer is "no" (a regression, a failed
// check), 2 bad usage or input.
package cli

import (
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/spf13/cobra"

	"kvgauge/internal/registry"
)

// errNo is returned by a verb whose answer is "no"; what is wrong has been printed.
var errNo = errors.New("no")

// An env is what a verb may touch of the world.
type env struct {
	in       io.Reader
	out, err io.Writer
}

// verbs holds the constructor of every command; each verb's file adds its own in init.
var verbs = map[string]func(*env) *cobra.Command{}

// Main runs the command line and returns the exit status.
func Main(args []string, in io.Reader, out, errw io.Writer) int {
	e := &env{in: in, out: out, err: errw}
	root := newRoot(e)
	root.SetArgs(args)
	switch err := root.Execute(); {
	case err == nil:
		return 0
	case errors.Is(err, errNo):
		return 1
	default:
		fmt.Fprintln(errw, "kvgauge:", err)
		return 2
	}
}

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:           "kvgauge",
		Short:         "Measure KV-cache compression and transfer in disaggregated LLM serving",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs, // cobra's own check says it in three lines
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			if near := registry.Nearest(args[0], sortedKeys(verbs)); near != "" {
				return fmt.Errorf("no command %q (did you mean %q?)", args[0], near)
			}
			return fmt.Errorf("no command %q: see kvgauge help", args[0])
		},
	}
	root.SetIn(e.in)
	root.SetOut(e.out)
	root.SetErr(e.err)
	names := make([]string, 0, len(verbs))
	for name := range verbs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		root.AddCommand(verbs[name](e))
	}
	return root
}
