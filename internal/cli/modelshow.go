package cli

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"kvgauge/internal/models"
	"kvgauge/internal/store"
	"kvgauge/internal/weights"
)

// modelFacts is what model show prints.
type modelFacts struct {
	Name       string       `json:"name"`
	Format     string       `json:"format"`
	Layers     int          `json:"layers"`
	Hidden     int          `json:"hidden"`
	FFN        int          `json:"ffn"`
	Heads      int          `json:"heads"`
	KVHeads    int          `json:"kv_heads"`
	HeadDim    int          `json:"head_dim"`
	Vocab      int          `json:"vocab"`
	Context    int          `json:"context"`
	RopeTheta  float64      `json:"rope_theta"`
	TiedHead   bool         `json:"tied_head"`
	Parameters int64        `json:"parameters"`
	Bytes      int64        `json:"bytes"`
	Types      []typeCount  `json:"types"`
	KVBytes    int          `json:"kv_bytes_per_token"` // in 16 bits
	Licence    string       `json:"licence,omitempty"`
	Entry      *store.Entry `json:"entry,omitempty"`
}

// typeCount says how many values a file holds in one type.
type typeCount struct {
	Type   string `json:"type"`
	Values int64  `json:"values"`
}

func newModelShow(e *env) *cobra.Command {
	var asJSON bool
	var rf readFlags
	c := &cobra.Command{
		Use: "show NAME", Args: want("NAME"), Long: modelHelp,
		Short: "Say what a model is made of, or where it would come from",
		RunE: func(_ *cobra.Command, args []string) error {
			entry, known := store.Find(store.Model, args[0])
			m, err := models.Open(args[0], weights.Options{MaxBytes: int64(rf.maxBytes)})
			if known == nil && errors.Is(err, store.ErrAbsent) {
				return showValue(e, entry, asJSON)
			}
			if err != nil {
				return err
			}
			defer m.Close()
			f := factsOf(args[0], m)
			if known == nil {
				f.Entry, f.Licence = &entry, entry.Licence
			}
			if asJSON {
				return printJSON(e.out, f)
			}
			return printModel(e, f)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	rf.addLimit(c)
	return c
}

func factsOf(name string, m *weights.Model) modelFacts {
	c := m.Config
	f := modelFacts{Name: name, Format: m.Format, Layers: c.Layers, Hidden: c.Hidden, FFN: c.FFN,
		Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Vocab: c.Vocab, Context: c.Context,
		RopeTheta: c.RopeTheta, TiedHead: c.TiedHead, KVBytes: 4 * c.Layers * c.KVHeads * c.HeadDim}
	types := map[string]int64{}
	for _, t := range m.Tensors() {
		n := int64(1)
		for _, d := range t.Shape {
			n *= int64(d)
		}
		f.Parameters += n
		f.Bytes += t.Bytes
		types[t.Type] += n
	}
	for _, name := range sortedKeys(types) {
		f.Types = append(f.Types, typeCount{name, types[name]})
	}
	sort.SliceStable(f.Types, func(i, j int) bool { return f.Types[i].Values > f.Types[j].Values })
	return f
}

func printModel(e *env, f modelFacts) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	line := func(name string, v any) { fmt.Fprintf(w, "%s\t%v\n", name, v) }
	line("name", f.Name)
	line("format", f.Format)
	line("layers", f.Layers)
	line("hidden", f.Hidden)
	line("ffn", f.FFN)
	line("heads", fmt.Sprintf("%d query, %d KV, of %d", f.Heads, f.KVHeads, f.HeadDim))
	line("vocab", f.Vocab)
	line("context", f.Context)
	line("rope_theta", f.RopeTheta)
	line("parameters", f.Parameters)
	var types []string
	for _, t := range f.Types {
		types = append(types, fmt.Sprintf("%s %.1f%%", t.Type, 100*float64(t.Values)/float64(f.Parameters)))
	}
	line("types", strings.Join(types, ", "))
	line("bytes", f.Bytes)
	line("kv_bytes_per_token", f.KVBytes)
	if f.Licence != "" {
		line("licence", f.Licence)
	}
	return w.Flush()
}
