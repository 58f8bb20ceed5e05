package workloads

import (
	"fmt"
	"iter"
	"os"
	"strings"

	"kvgauge/internal/store"
	"kvgauge/workloads/data/passages"
)

// Passages is the dataset inside the binary, the default.
const Passages = "passages"

// Documents yields the documents of a dataset in its order: "passages", the name of one that has
// been pulled, or the path of a .txt, .jsonl, .raw or .tokens file (each may be gzip). No
// dataset stands in for another: one that is absent is an error that says how to get it. An
// error ends the sequence.
func Documents(dataset string) iter.Seq2[Document, error] {
	if dataset == Passages {
		return passageDocuments
	}
	path, err := datasetPath(dataset)
	if err != nil {
		return func(yield func(Document, error) bool) { yield(Document{}, err) }
	}
	return fileDocuments(path)
}

func passageDocuments(yield func(Document, error) bool) {
	for _, p := range passages.All() {
		if !yield(Document{Name: p.Name, Text: p.Text}, nil) {
			return
		}
	}
}

// datasetPath returns the file that a dataset's name or path means.
func datasetPath(dataset string) (string, error) {
	if strings.ContainsAny(dataset, `/\.`) {
		return dataset, nil
	}
	return store.Path(store.Dataset, dataset)
}

// datasetReady returns an error if a dataset is not there, without reading it.
func datasetReady(dataset string) error {
	if dataset == Passages {
		return nil
	}
	path, err := datasetPath(dataset)
	if err == nil {
		_, err = os.Stat(path)
	}
	return err
}

// A TokenDocument is a document cut to the tokens that are wanted of it.
type TokenDocument struct {
	Name   string
	Tokens []int32
}

// takeDocuments returns the first n documents of a dataset that have at least want tokens, each
// cut to want, in order. Too few is an error that says how many there are.
func takeDocuments(
	dataset string, n, want int, tokens func(text string) ([]int32, error),
) ([]TokenDocument, error) {
	var out []TokenDocument
	taken, seen, longest := map[string]int{}, 0, 0
	for d, err := range Documents(dataset) {
		if err != nil {
			return nil, err
		}
		seen++
		ids, err := tokens(d.Text)
		if err != nil {
			return nil, fmt.Errorf("dataset %s, %s: %w", dataset, d.Name, err)
		}
		longest = max(longest, len(ids))
		if len(ids) < want {
			continue
		}
		// A cell names its prompts, so names are made distinct.
		name := d.Name
		if taken[name]++; taken[name] > 1 {
			name = fmt.Sprintf("%s (%d)", name, taken[name])
		}
		if out = append(out, TokenDocument{name, ids[:want:want]}); len(out) == n {
			return out, nil
		}
	}
	return nil, fmt.Errorf("dataset %s has %d documents of at least %d tokens, want %d "+
		"(%d documents in all, the longest of %d tokens)", dataset, len(out), want, n, seen, longest)
}
