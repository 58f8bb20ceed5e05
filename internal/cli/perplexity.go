package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"kvgauge/internal/llama"
	"kvgauge/internal/models"
	"kvgauge/internal/outfile"
	"kvgauge/internal/weights"
)

// scoring is what model perplexity was asked for.
type scoring struct {
	in, logprobs string
	ctx, chunks  int
	asJSON       bool
	maxBytes     byteSize
}

const perplexityHelp = `The text is cut into chunks of --ctx tokens, each run from an empty
cache, of which the second half is scored; what is left over at the end is not. --logprobs
writes a float32 array [chunks x ctx, vocabulary] of the log-probabilities after every token.`

func newModelPerplexity(e *env) *cobra.Command {
	var s scoring
	c := &cobra.Command{
		Use: "perplexity NAME --in FILE", Args: want("NAME"),
		Short: "Score a text as llama-perplexity does",
		Long:  modelHelp + "\n\n" + perplexityHelp,
		RunE:  func(_ *cobra.Command, args []string) error { return s.run(e, args[0]) },
	}
	c.Flags().StringVar(&s.in, "in", "", "text")
	c.Flags().IntVar(&s.ctx, "ctx", 512, "tokens of a chunk")
	c.Flags().IntVar(&s.chunks, "chunks", 0, "score so many chunks at most; 0 scores all")
	c.Flags().StringVar(&s.logprobs, "logprobs", "", "write the log-probabilities to this .npy")
	c.Flags().BoolVar(&s.asJSON, "json", false, "print JSON")
	c.Flags().Var(&s.maxBytes, "max-bytes", "most memory for reading the model's headers")
	return mustFlags(c, "in")
}

func (s *scoring) run(e *env, name string) error {
	if s.ctx < 4 || s.chunks < 0 {
		return fmt.Errorf("--ctx is %d and --chunks %d, want 4 or more and 0 (all) or more", s.ctx, s.chunks)
	}
	text, err := os.ReadFile(s.in)
	if err != nil {
		return pathError(s.in, err)
	}
	w, err := models.Open(name, weights.Options{MaxBytes: int64(s.maxBytes)})
	if err != nil {
		return err
	}
	defer w.Close()
	t, err := w.Tokenizer()
	if err != nil {
		return err
	}
	if most := w.Config.Context; most > 0 && s.ctx > most {
		return fmt.Errorf("--ctx is %d, the model takes %d", s.ctx, most)
	}
	ids := t.Encode(string(text), false)
	if len(ids) < s.ctx {
		return fmt.Errorf("%s: has %d tokens, want a chunk of %d at least: see --ctx", s.in, len(ids), s.ctx)
	}
	m, err := llama.Load(w)
	if err != nil {
		return err
	}
	chunks := len(ids) / s.ctx
	if s.chunks > 0 {
		chunks = min(chunks, s.chunks)
	}
	step, done := e.count("chunks", int64(chunks))
	defer done()
	o := llama.PerplexityOptions{Ctx: s.ctx, Chunks: chunks,
		Progress: func(n, _ int) { step(int64(n)) }}
	o.BOS, o.AddBOS = t.BOS()
	return s.score(e, m, ids, o)
}

// score runs the model and prints what came of it.
func (s *scoring) score(e *env, m *llama.Model, ids []int32, o llama.PerplexityOptions) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var p llama.Perplexity
	run := func(w io.WriterAt) error {
		o.LogProbs = w
		var err error
		p, err = m.PerplexityOf(ctx, ids, o)
		return err
	}
	var err error
	if s.logprobs == "" {
		err = run(nil)
	} else {
		err = outfile.WriteAt(s.logprobs, run)
	}
	if err != nil {
		return err
	}
	if s.asJSON {
		return json.NewEncoder(e.out).Encode(p)
	}
	_, err = fmt.Fprintf(e.out, "perplexity %.4f, mean NLL %.6f nats, %d chunks of %d tokens\n",
		p.Perplexity, p.MeanNLL, p.Chunks, o.Ctx)
	return err
}
