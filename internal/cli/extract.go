package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"kvgauge/compressors/kv"
	"kvgauge/internal/llama"
	"kvgauge/internal/models"
	"kvgauge/internal/weights"
	"kvgauge/workloads/kvfile"
)

// extraction is what cache extract was asked for.
type extraction struct {
	model, prompt, out, dtype string
	tokens                    int
	maxBytes                  byteSize
}

const extractHelp = `The text is tokenized as a prompt: behind the model's first token, where it has one, and
without reading control tokens in it. Keys leave after the rotation, in Hugging Face's order
(channel j rotated with channel j + head_dim/2), whatever file the weights came from.`

func newCacheExtract(e *env) *cobra.Command {
	var x extraction
	c := &cobra.Command{
		Use: "extract --model M --prompt FILE --out FILE", Args: want(),
		Short: "Compute the cache of a text and write it to a cache file",
		Long:  modelHelp + "\n\n" + extractHelp,
		RunE:  func(*cobra.Command, []string) error { return x.run(e) },
	}
	c.Flags().StringVar(&x.model, "model", "", "tiny, a name of kvgauge model list, a GGUF file or a folder")
	c.Flags().StringVar(&x.prompt, "prompt", "", "text")
	c.Flags().StringVar(&x.out, "out", "", "cache file: safetensors, .npz or k.npy,v.npy")
	c.Flags().IntVar(&x.tokens, "tokens", 0, "take so many tokens from the start; 0 takes all")
	c.Flags().StringVar(&x.dtype, "dtype", "bf16", "bf16, f16 or f32")
	c.Flags().Var(&x.maxBytes, "max-bytes", "most memory for reading the model's headers")
	return mustFlags(c, "model", "prompt", "out")
}

func (x *extraction) run(e *env) error {
	d, err := kv.ParseDType(x.dtype)
	if err != nil && x.dtype != "f32" {
		return fmt.Errorf("--dtype is %q, want bf16, f16 or f32", x.dtype)
	}
	if _, err := kvfile.FormatOf(x.out); err != nil {
		return err
	}
	text, err := os.ReadFile(x.prompt)
	if err != nil {
		return pathError(x.prompt, err)
	}
	w, err := models.Open(x.model, weights.Options{MaxBytes: int64(x.maxBytes)})
	if err != nil {
		return err
	}
	defer w.Close()
	ids, err := x.promptTokens(w, string(text))
	if err != nil {
		return err
	}
	m, err := llama.Load(w)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, _, err := m.Prefill(ctx, ids, llama.Options{})
	if err != nil {
		return err
	}
	t := m.Tensor(c, d)
	t.Meta.Model = models.Label(x.model, w)
	if x.dtype == "f32" {
		return x.writeFloat32(e, m, c, t)
	}
	for _, side := range kv.Sides {
		if d.FirstNonFinite(t.Bits[side]) >= 0 {
			return fmt.Errorf("the cache has values beyond the range of %v: take --dtype bf16 or f32", d)
		}
	}
	if err := writeCache(e, x.out, t, nil); err != nil {
		return err
	}
	return x.report(e, t.Shape)
}

// promptTokens tokenizes the prompt and checks its length.
func (x *extraction) promptTokens(w *weights.Model, text string) ([]int32, error) {
	t, err := w.Tokenizer()
	if err != nil {
		return nil, err
	}
	var ids []int32
	if bos, add := t.BOS(); add {
		ids = append(ids, bos)
	}
	ids = append(ids, t.Encode(text, false)...)
	switch {
	case x.tokens < 0:
		return nil, fmt.Errorf("--tokens is %d, want 0 (all) or more", x.tokens)
	case x.tokens > len(ids):
		return nil, fmt.Errorf("%s: has %d tokens, --tokens wants %d", x.prompt, len(ids), x.tokens)
	case x.tokens > 0:
		ids = ids[:x.tokens]
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s: has no tokens", x.prompt)
	}
	if most := w.Config.Context; most > 0 && len(ids) > most {
		return nil, fmt.Errorf("%s: has %d tokens, the model takes %d: cut it with --tokens",
			x.prompt, len(ids), most)
	}
	return ids, nil
}

func (x *extraction) writeFloat32(e *env, m *llama.Model, c *llama.Cache, t kv.Tensor) error {
	var values [2][]float32
	for _, side := range kv.Sides {
		values[side] = make([]float32, t.Elements(side))
	}
	n := t.Tokens * t.KeyDim
	for l := range t.Layers {
		for h := range t.Heads {
			at := (l*t.Heads + h) * n
			c.Keys(l, h, values[kv.K][at:at+n])
			c.Values(l, h, values[kv.V][at:at+n])
		}
	}
	if err := kvfile.WriteFloat32(x.out, t, values); err != nil {
		return err
	}
	return x.report(e, t.Shape)
}

func (x *extraction) report(e *env, s kv.Shape) error {
	_, err := fmt.Fprintf(e.out, "%s: cache of %v in %s, %d tokens\n", x.out, s, x.dtype, s.Tokens)
	return err
}
