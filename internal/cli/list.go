package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func init() {
	verbs["list"] = newList
	verbs["show"] = newShow
}

// kindOf returns the listing of a kind. Plurals are understood.
func kindOf(word string) (string, listing, error) {
	kind := word
	if _, ok := listings[kind]; !ok {
		kind = strings.TrimSuffix(word, "s")
	}
	l, ok := listings[kind]
	if !ok {
		return "", l, fmt.Errorf("no kind %q; have %s", word, strings.Join(sortedKeys(listings), ", "))
	}
	return kind, l, nil
}

func newList(e *env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list KIND", Args: want("KIND"),
		Short: "List the codecs, models, … that there are",
		Long:  "List what there is of a KIND: " + strings.Join(sortedKeys(listings), ", ") + ".",
		RunE: func(_ *cobra.Command, args []string) error {
			_, l, err := kindOf(args[0])
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			all := []any{}
			for _, name := range l.names() {
				v, err := l.about(name)
				if err != nil {
					return err
				}
				all = append(all, v)
				if !asJSON {
					fmt.Fprintf(w, "%s\t%s\n", name, l.line(v))
				}
			}
			if asJSON {
				return printJSON(e.out, all)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
