package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"kvgauge/compressors"
	"kvgauge/internal/registry"
	"kvgauge/internal/store"
)

func init() {
	verbs["list"] = newList
	verbs["show"] = newShow
}

// A listing is one kind of thing that has names.
type listing struct {
	names func() []string
	about func(name string) (any, error) // a value that prints as JSON; unknown names are errors
	line  func(any) string               // one line for people
}

// listings holds the kinds, by the word that list and show take. A new kind is one entry.
var listings = map[string]listing{
	"codec":   registered(compressors.Names, compressors.Describe),
	"model":   pulled(store.Model),
	"dataset": pulled(store.Dataset),
	"trace":   pulled(store.Trace),
}

// registered lists a registry.Set by its methods.
func registered(names func() []string, about func(string) (registry.Info, error)) listing {
	return listing{
		names: names,
		about: func(name string) (any, error) { return about(name) },
		line:  func(v any) string { return v.(registry.Info).Doc },
	}
}

// pulled lists what the store knows.
func pulled(kind string) listing {
	return listing{
		names: func() []string {
			var names []string
			for _, e := range store.Catalogue(kind) {
				names = append(names, e.Name)
			}
			return names
		},
		about: func(name string) (any, error) { return store.Find(kind, name) },
		line:  func(v any) string { return v.(store.Entry).Doc },
	}
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
