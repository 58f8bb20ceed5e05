package llama

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"

	"kvgauge/internal/kern"
)

// A Perplexity is what PerplexityOf found.
type Perplexity struct {
	Perplexity float64 `json:"perplexity"` // e^MeanNLL
	MeanNLL    float64 `json:"mean_nll"`   // nats per prediction
	Chunks     int     `json:"chunks"`
}

// PerplexityOptions say how tokens are scored.
type PerplexityOptions struct {
	Ctx    int   // tokens of a chunk; 0 for 512
	Chunks int   // at most so many; 0 for all
	BOS    int32 // put in place of each chunk's first token where AddBOS is set
	AddBOS bool

	// LogProbs receives a .npy file: float32 [chunks·ctx, vocabulary], row p the log-probabilities
	// of the token after position p. Rows are written as they come, in any order.
	LogProbs io.WriterAt

	// Progress is called after each chunk.
	Progress func(done, chunks int)
}

// PerplexityOf scores tokens as llama-perplexity does: chunks of Ctx tokens, each run from an
// empty cache, of which the predictions from position Ctx/2 on count: for 512 these are positions
// 256 to 510, of the tokens at 257 to 511. What is left over at the end is not scored.
func (m *Model) PerplexityOf(ctx context.Context, tokens []int32,
	o PerplexityOptions) (Perplexity, error) {
	if o.Ctx == 0 {
		o.Ctx = 512
	}
	chunks := 0
	if o.Ctx >= 4 {
		chunks = len(tokens) / o.Ctx
	}
	if chunks == 0 {
		return Perplexity{}, fmt.Errorf("%d tokens give no chunk of %d: want chunks of 4 or more",
			len(tokens), o.Ctx)
	}
	if o.Chunks > 0 {
		chunks = min(chunks, o.Chunks)
	}
	out, err := newLogProbFile(o.LogProbs, chunks*o.Ctx, m.Config.Vocab)
	if err != nil {
		return Perplexity{}, err
	}
	total, count := 0.0, 0
	for i := range chunks {
		nll, err := m.scoreChunk(ctx, tokens[i*o.Ctx:(i+1)*o.Ctx], o, out, i*o.Ctx)
		if err != nil {
			return Perplexity{}, err
		}
		for _, v := range nll {
			total += v
		}
		count += len(nll)
		if o.Progress != nil {
			o.Progress(i+1, chunks)
		}
	}
	mean := total / float64(count)
	return Perplexity{Perplexity: math.Exp(mean), MeanNLL: mean, Chunks: chunks}, nil
}

// scoreChunk returns the negative log-likelihoods of a chunk's second half.
func (m *Model) scoreChunk(ctx context.Context, chunk []int32, o PerplexityOptions, out *logProbFile,
	row int) ([]float64, error) {
	input := chunk
	if o.AddBOS {
		input = append([]int32{o.BOS}, chunk[1:]...)
	}
	if err := m.checkTokens(chunk); err != nil {
		return nil, err
	}
	first := o.Ctx / 2
	nll := make([]float64, o.Ctx-1-first)
	pass := Options{LogitsFrom: first}
	if out != nil {
		pass.LogitsFrom = 0
	}
	var mu sync.Mutex
	var failed error
	pass.Logits = func(at int, logits [][]float32) {
		scratch := make([]float32, len(logits[0]))
		if at >= first && at < o.Ctx-1 {
			lse, _, _ := kern.LogSumExp(logits[0], scratch)
			nll[at-first] = lse - float64(logits[0][chunk[at+1]])
		}
		if out != nil {
			LogProbs(logits[0], scratch)
			if err := out.write(row+at, logits[0]); err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		}
	}
	_, _, err := m.Prefill(ctx, input, pass)
	return nll, errors.Join(err, failed)
}

// A logProbFile is a .npy file of float32 rows that are written in any order.
type logProbFile struct {
	w    io.WriterAt
	head int64
	cols int
}

// newLogProbFile writes the header; a nil writer gives nil.
func newLogProbFile(w io.WriterAt, rows, cols int) (*logProbFile, error) {
	if w == nil {
		return nil, nil
	}
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols)
	pad := (64 - (10+len(dict)+1)%64) % 64
	dict += strings.Repeat(" ", pad) + "\n"
	head := append([]byte("\x93NUMPY\x01\x00"), byte(len(dict)), byte(len(dict)>>8))
	head = append(head, dict...)
	_, err := w.WriteAt(head, 0)
	return &logProbFile{w, int64(len(head)), cols}, err
}

func (f *logProbFile) write(row int, values []float32) error {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	_, err := f.w.WriteAt(raw, f.head+int64(row)*4*int64(f.cols))
	return err
}
