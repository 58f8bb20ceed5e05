// Package weights opens the weights of a llama-family model, from a GGUF file or from a Hugging
// Face directory, and serves both in one form: Hugging Face's names, Hugging Face's row order,
// float32. What a model has that is not supported is refused by name when it is opened.
package weights

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kvgauge/internal/tokenize"
	"kvgauge/internal/weights/budget"
	"kvgauge/internal/weights/gguf"
)

// A Config is the shape of a model.
type Config struct {
	Name      string // as the file calls itself; may be empty
	Layers    int
	Hidden    int     // width of the residual stream
	FFN       int     // inner width of the feed-forward network
	Heads     int     // query heads per layer
	KVHeads   int     // key-value heads per layer; divides Heads
	HeadDim   int     // channels of a head, all of which are rotated
	Vocab     int     // rows of the embedding
	Context   int     // tokens it was trained on; 0 if the file does not say
	RopeTheta float64 // base of the rotary frequencies
	NormEps   float64 // added to the mean square in RMSNorm
	TiedHead  bool    // the embedding is the output head too
}

// Names of the tensors that belong to no layer, and of those of a layer after Layer's prefix.
const (
	Embedding = "model.embed_tokens.weight" // [Vocab, Hidden]
	FinalNorm = "model.norm.weight"         // [Hidden]
	Head      = "lm_head.weight"            // [Vocab, Hidden]; absent if TiedHead

	AttnNorm = "input_layernorm.weight"          // [Hidden]
	Q        = "self_attn.q_proj.weight"         // [Heads·HeadDim, Hidden]
	K        = "self_attn.k_proj.weight"         // [KVHeads·HeadDim, Hidden]
	V        = "self_attn.v_proj.weight"         // [KVHeads·HeadDim, Hidden]
	O        = "self_attn.o_proj.weight"         // [Hidden, Heads·HeadDim]
	FFNNorm  = "post_attention_layernorm.weight" // [Hidden]
	Gate     = "mlp.gate_proj.weight"            // [FFN, Hidden]
	Up       = "mlp.up_proj.weight"              // [FFN, Hidden]
	Down     = "mlp.down_proj.weight"            // [Hidden, FFN]
)

// Layer returns the full name of a layer's tensor.
func Layer(layer int, name string) string { return fmt.Sprintf("model.layers.%d.%s", layer, name) }

// An Info describes one tensor.
type Info struct {
	Name  string // Hugging Face's
	Type  string // as the file holds it: Q4_1, BF16, …
	Shape []int  // rows, columns; one number for a vector
	Bytes int64  // in the file
}

// Options bound what opening may allocate.
type Options struct {
	MaxBytes int64 // 0: max(64 MiB, 64 × the input)
}

// A Model is an open file or directory of weights. Its methods may be called concurrently.
type Model struct {
	Config Config
	Format string // "gguf" or "safetensors"

	path      string
	infos     []Info
	rows      map[string]rowReader
	tokenizer func() (*tokenize.Tokenizer, error)
	budget    *budget.Budget
	closers   []io.Closer
}

// A rowReader fills dst with rows from from on, in Hugging Face's order.
type rowReader func(dst []float32, from int) error

// Open opens a GGUF file, or a Hugging Face directory: config.json and *.safetensors, with
// model.safetensors.index.json where there are several. Tensors are read when they are asked
// for. Errors are one line and name the file. The caller closes the model.
func Open(path string, o Options) (*Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	if info.IsDir() {
		return OpenFS(os.DirFS(path), path, o)
	}
	if strings.HasSuffix(path, ".safetensors") || filepath.Base(path) == "config.json" {
		return nil, fmt.Errorf("%s: want the directory that holds it, or a GGUF file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := OpenGGUF(f, info.Size(), path, o)
	if err != nil {
		f.Close()
		return nil, err
	}
	m.closers = append(m.closers, f)
	return m, nil
}

// OpenGGUF opens the GGUF file of size bytes behind r, such as one that is embedded in the
// binary. name stands for it in errors. r is kept.
func OpenGGUF(r io.ReaderAt, size int64, name string, o Options) (*Model, error) {
	m := &Model{Format: "gguf", path: name, budget: budget.New(size, o.MaxBytes)}
	f, err := gguf.Read(r, size, m.budget)
	if err == nil {
		err = m.readGGUF(f)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// OpenFS opens the Hugging Face directory at the root of a file system whose files can be read
// at an offset, such as one that is embedded in the binary. name stands for it in errors.
func OpenFS(fsys fs.FS, name string, o Options) (*Model, error) {
	m := &Model{Format: "safetensors", path: name}
	if err := m.readDir(fsys, o); err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// Close closes the files behind the model.
func (m *Model) Close() error {
	var errs []error
	for _, c := range m.closers {
		errs = append(errs, c.Close())
	}
	m.closers = nil
	return errors.Join(errs...)
}

// Path returns the name that the model was opened by.
func (m *Model) Path() string { return m.path }

// Tensors lists what the model holds, in the order of the file.
func (m *Model) Tensors() []Info { return m.infos }

// Rows fills dst with rows of the named tensor from row from on, as float32; len(dst) is a
// multiple of the row's length. A vector is one row. Query and key rows come in half-split order
// (channel j is rotated with j + HeadDim/2), whatever the file.
func (m *Model) Rows(name string, dst []float32, from int) error {
	read, ok := m.rows[name]
	if !ok {
		return fmt.Errorf("%s: tensor %q is absent", m.path, name)
	}
	if err := read(dst, from); err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	return nil
}

// Tokenizer reads the tokenizer that comes with the weights.
func (m *Model) Tokenizer() (*tokenize.Tokenizer, error) {
	t, err := m.tokenizer()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.path, err)
	}
	return t, nil
}

// cause drops the verb and path that os puts into its errors: ours name the place already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
