package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"kvgauge/internal/models"
	"kvgauge/internal/store"
	"kvgauge/internal/weights"
	"kvgauge/workloads/data/tiny"
)

func init() {
	verbs["model"] = func(e *env) *cobra.Command {
		return group("model", "Language models: fetch them, look into them, check them",
			newModelList(e), newModelPull(e), newModelShow(e), newModelTokens(e), newModelPerplexity(e))
	}
}

const modelHelp = "A model is tiny (in the binary), a name of kvgauge model list, a GGUF file, or a Hugging Face\n" +
	"folder with config.json, tokenizer.json and safetensors."

func newModelList(e *env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Args: want(),
		Short: "List the models known by name, with size and licence, and what is there",
		RunE: func(*cobra.Command, []string) error {
			all := append([]stored{{tinyModel, "(embedded)"}}, storedOf(store.Model)...)
			if asJSON {
				return printJSON(e.out, all)
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			for _, s := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Name, mega(s.Size()), s.Licence, here(s), s.Doc)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newModelPull(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "pull NAME", Args: want("NAME"),
		Short: "Fetch a model into $KVGAUGE_CACHE or the user's cache, going on where it stopped",
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] == tiny.Name {
				fmt.Fprintln(e.err, "kvgauge: tiny is in the binary: there is nothing to fetch")
				return nil
			}
			entry, err := store.Find(store.Model, args[0])
			if err != nil {
				return err
			}
			return pull(e, entry)
		},
	}
}

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

func newModelTokens(e *env) *cobra.Command {
	var in string
	var special, asJSON bool
	var rf readFlags
	c := &cobra.Command{
		Use: "tokens NAME --in FILE", Args: want("NAME"),
		Short: "Turn a text into a model's tokens",
		Long: modelHelp + "\n\nPrints the token ids of the text, one a line, or with --json one object. No token is\n" +
			"added at the start or the end.",
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := os.ReadFile(in)
			if err != nil {
				return pathError(in, err)
			}
			m, err := models.Open(args[0], weights.Options{MaxBytes: int64(rf.maxBytes)})
			if err != nil {
				return err
			}
			defer m.Close()
			t, err := m.Tokenizer()
			if err != nil {
				return err
			}
			return printTokens(e, t.Encode(string(text), special), asJSON)
		},
	}
	c.Flags().StringVar(&in, "in", "", "text")
	c.Flags().BoolVar(&special, "special", false, "read control tokens such as <|im_start|> in the text as what they are")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	rf.addLimit(c)
	return mustFlags(c, "in")
}

func printTokens(e *env, ids []int32, asJSON bool) error {
	if !asJSON {
		var b []byte
		for _, id := range ids {
			b = fmt.Appendln(b, id)
		}
		_, err := e.out.Write(b)
		return err
	}
	return json.NewEncoder(e.out).Encode(struct {
		Tokens int     `json:"tokens"`
		IDs    []int32 `json:"ids"`
	}{len(ids), append([]int32{}, ids...)})
}
