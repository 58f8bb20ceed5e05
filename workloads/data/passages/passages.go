// Package passages holds the prompts that travel inside the binary: short original texts in
// several registers, each long enough for a prefix of 512 tokens and a continuation of 256.
//
// They were written for this project, so a sweep that names no dataset runs without a network
// and without anybody else's licence. Each reads as one document from start to end, because
// perplexity over a continuation means little when the text changes its subject at the cut.
package passages

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed *.txt
var files embed.FS

// Passage is one text of the collection.
type Passage struct {
	// Name is the file name without its extension, such as "01-narrative-last-ferry". It is
	// stable: records name their prompts by it.
	Name string
	// Register is the kind of writing: narrative, dialogue, exposition, code, list or table.
	Register string
	// Text is the whole file: UTF-8, lines ended by LF, one newline at the end.
	Text string
}

// All returns the passages in order of file name, which is the order in which a sweep takes them.
// The slice is the caller's. A file whose name is not NN-register-slug.txt is a mistake in the
// build and panics.
func All() []Passage {
	entries, err := files.ReadDir(".") // sorted by name
	if err != nil {
		panic(fmt.Sprintf("passages: embedded folder: %v", err))
	}
	all := make([]Passage, 0, len(entries))
	for _, e := range entries {
		all = append(all, load(e.Name()))
	}
	return all
}

func load(file string) Passage {
	text, err := files.ReadFile(file)
	if err != nil {
		panic(fmt.Sprintf("passages: %s: %v", file, err))
	}
	name := strings.TrimSuffix(file, ".txt")
	parts := strings.SplitN(name, "-", 3)
	if len(parts) != 3 {
		panic(fmt.Sprintf("passages: %s: want NN-register-slug.txt", file))
	}
	return Passage{Name: name, Register: parts[1], Text: string(text)}
}
