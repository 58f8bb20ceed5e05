// Package tiny holds the model that the binary embeds: a small llama of our own, so that quality
// can be measured where no weights are at hand. README.md says how it was trained.
package tiny

import (
	_ "embed"
	"io"
	"strings"
)

// Name is what configs and commands call the model.
const Name = "tiny"

// A string, because bytes could be written to.
//
//go:embed tiny.gguf
var gguf string

// GGUF returns a reader of the model's GGUF file, and the file's size in bytes.
func GGUF() (io.ReaderAt, int64) { return strings.NewReader(gguf), int64(len(gguf)) }
