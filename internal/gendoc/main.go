// Gendoc writes the parts of documents that the program knows better than a person: tables of what
// is registered, and the recorded run that the README shows. Such a part stands in a Markdown file
// between the lines
//
//	<!-- generated: NAME -->
//	<!-- end generated: NAME -->
//
// (the second may be "<!-- end -->"). Run it with `go generate ./...` or `go run ./internal/gendoc`;
// its test fails while a part is stale.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"kvgauge/internal/outfile"
)

//go:generate go run .

func main() {
	log.SetFlags(0)
	log.SetPrefix("gendoc: ")
	root, err := findRoot()
	if err != nil {
		log.Fatal(err)
	}
	stale, err := generate(root)
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range sortedNames(stale) {
		if err := outfile.Bytes(filepath.Join(root, filepath.FromSlash(name)), stale[name]); err != nil {
			log.Fatal(err)
		}
		log.Printf("wrote %s", name)
	}
}

// findRoot is the nearest folder upwards that holds go.mod.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = up
	}
}

// generate returns the files under root that are not what they should be, and what they should
// be, by slash-separated name.
func generate(root string) (map[string][]byte, error) {
	want := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && skipped(d.Name(), path == root) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		page, files, err := splice(root, filepath.ToSlash(rel), string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", rel, err)
		}
		want[filepath.ToSlash(rel)] = []byte(page)
		for name, data := range files {
			want[name] = data
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name, data := range want {
		old, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err == nil && bytes.Equal(old, data) {
			delete(want, name)
		}
	}
	return want, nil
}

// skipped says which folders hold no documents of ours.
func skipped(name string, root bool) bool {
	return !root && strings.HasPrefix(name, ".") || name == "testdata" || name == "kvgauge-runs" ||
		name == "node_modules"
}

// splice renews every generated part of a page, and returns what files go with them.
func splice(root, page, text string) (string, map[string][]byte, error) {
	const begin, end = "<!-- generated: ", "<!-- end"
	files := map[string][]byte{}
	var out []string
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i++ {
		out = append(out, lines[i])
		name, ok := strings.CutPrefix(strings.TrimRight(lines[i], "\r\n"), begin)
		if !ok {
			continue
		}
		name, ok = strings.CutSuffix(name, " -->")
		close := i + 1
		for close < len(lines) && !strings.HasPrefix(lines[close], end) {
			close++
		}
		if !ok || close == len(lines) {
			return "", nil, fmt.Errorf("line %d opens a generated part that no line %q closes", i+1, end)
		}
		if elsewhere[name] {
			continue
		}
		make := blocks[name]
		if make == nil {
			return "", nil, fmt.Errorf("line %d: nothing is called %q; have %s", i+1, name,
				strings.Join(sortedNames(blocks), ", "))
		}
		part, with, err := make(root, page)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, "\n"+strings.Trim(part, "\n")+"\n\n")
		for file, data := range with {
			files[file] = data
		}
		i = close - 1
	}
	return strings.Join(out, ""), files, nil
}

func sortedNames[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
