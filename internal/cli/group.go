package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"kvgauge/internal/registry"
)

// group makes a verb that only holds others. Cobra prints help and succeeds when it does not know
// the word after such a verb; a script must hear of the mistake.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	names := make([]string, len(subs))
	for i, s := range subs {
		names[i] = s.Name()
	}
	c := &cobra.Command{
		Use: use, Short: short,
		RunE: func(_ *cobra.Command, args []string) error {
			want := strings.Join(names, ", ")
			if len(args) == 0 {
				return fmt.Errorf("%s: want one of %s", use, want)
			}
			if near := registry.Nearest(args[0], names); near != "" {
				return fmt.Errorf("%s: no command %q (did you mean %q?)", use, args[0], near)
			}
			return fmt.Errorf("%s: no command %q, want one of %s", use, args[0], want)
		},
	}
	c.AddCommand(subs...)
	return c
}

// want is a check of positional arguments that says what it wanted: want("FILE") takes one,
// want("KIND", "NAME") two.
func want(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		path := strings.TrimPrefix(c.CommandPath(), "kvgauge ")
		if len(args) < len(names) {
			return fmt.Errorf("%s: want %s", path, strings.Join(names[len(args):], " "))
		}
		return fmt.Errorf("%s: unexpected %q", path, args[len(names)])
	}
}
