package cli

import (
	"encoding/json"
	"fmt"
	"os"
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

const modelHelp = `A model is tiny (in the binary), a name of kvgauge model list, a GGUF file, or a Hugging
Face folder with config.json, tokenizer.json and safetensors.`

const tokensHelp = `Prints the token ids of the text, one a line, or with --json one object. No token is
added at the start or the end.`

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

func newModelTokens(e *env) *cobra.Command {
	var in string
	var special, asJSON bool
	var rf readFlags
	c := &cobra.Command{
		Use: "tokens NAME --in FILE", Args: want("NAME"),
		Short: "Turn a text into a model's tokens",
		Long:  modelHelp + "\n\n" + tokensHelp,
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
	c.Flags().BoolVar(&special, "special", false,
		"read control tokens such as <|im_start|> in the text as what they are")
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
