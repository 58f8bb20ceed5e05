package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"kvgauge/internal/registry"

	"gopkg.in/yaml.v3"
)

// A reader collects the mistakes of one file while it walks it.
type reader struct {
	file    string
	errs    Errors
	bounded bool // the bound on values was reported
}

func (r *reader) fail(n *node, path, format string, args ...any) {
	r.errs = append(r.errs, Error{File: r.file, Line: n.line, Path: path, from: n.from,
		Msg: fmt.Sprintf(format, args...)})
}

// Read reads a sweep from YAML text and applies sets, which are texts "path=value", to it. file
// names it in errors, and gives the name that it does not give itself. The error is an Errors
// and holds every mistake that can be seen without knowing codecs, sources and models.
func Read(file string, text []byte, sets ...string) (*Sweep, error) {
	r := &reader{file: file}
	root := r.parse(text)
	if root == nil {
		return nil, r.errs.Err()
	}
	var s *Sweep
	if isKVShuttle(root) {
		overlay := r.setKVShuttle(root, sets)
		s = r.kvshuttle(root, overlay)
	} else {
		for _, set := range sets {
			r.set(root, set)
		}
		s = r.sweep(root)
	}
	s.File = file
	if asked := question(text); asked != "" {
		s.Question = asked
	}
	if s.Name == "" {
		base := filepath.Base(file)
		s.Name = cleanName(strings.TrimSuffix(base, filepath.Ext(base)))
	}
	if err := r.errs.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// parse returns the root mapping of the one document in text, or nil.
func (r *reader) parse(text []byte) *node {
	if !r.readable(text) {
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			r.errs = append(r.errs, Error{File: r.file, Line: 1, Msg: "the file is empty: want a sweep"})
		} else {
			r.errs = append(r.errs, r.syntax(err))
		}
		return nil
	}
	c := &converter{r: r, left: maxNodes}
	root := c.node(doc.Content[0], 0)
	if root.kind != yaml.MappingNode {
		r.fail(root, "", "want a sweep (name:, caches:, codecs:, …), got %s", root.what())
		return nil
	}
	if err := d.Decode(&second); err == nil {
		r.errs = append(r.errs, Error{File: r.file, Line: max(second.Line, 1),
			Msg: "a second document: a file holds one sweep"})
	} else if !errors.Is(err, io.EOF) {
		r.errs = append(r.errs, r.syntax(err))
	}
	return root
}

// readable reports what makes text no text at all.
func (r *reader) readable(text []byte) bool {
	bad := func(at int, msg string) bool {
		line := 1 + bytes.Count(text[:at], []byte("\n"))
		r.errs = append(r.errs, Error{File: r.file, Line: line, Msg: msg})
		return false
	}
	if len(text) > maxBytes {
		return bad(0, fmt.Sprintf("the file has %d bytes, want at most %d", len(text), maxBytes))
	}
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && n <= 1 {
			return bad(i, "not UTF-8 text")
		}
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0x7f {
			return bad(i, fmt.Sprintf("a control character (%#02x)", c))
		}
		i += n
	}
	return true
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?((?s).*)$`)

// syntax puts yaml.v3's own message into our form.
func (r *reader) syntax(err error) Error {
	e := Error{File: r.file, Line: 1, Msg: err.Error()}
	if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			e.Line = max(n, 1)
		}
		e.Msg = "not YAML: " + strings.ReplaceAll(m[2], "\n", " ")
	}
	return e
}

// question returns the first paragraph of the comment that opens text.
func question(text []byte) string {
	var words []string
	for line := range strings.Lines(string(text)) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
		comment = strings.TrimSpace(comment)
		if !ok || comment == "" {
			if len(words) > 0 || !ok && strings.TrimSpace(line) != "" {
				break
			}
			continue
		}
		words = append(words, comment)
	}
	return strings.Join(words, " ")
}

// fields reads a mapping: each key by its function. Unknown keys are mistakes.
func (r *reader) fields(n *node, path string, known map[string]func(*node, string)) {
	if n.kind != yaml.MappingNode {
		r.fail(n, path, "want a map with %s, got %s", strings.Join(sortedKeys(known), ", "), n.what())
		return
	}
	for i, k := range n.keys {
		read, ok := known[k.text]
		if !ok {
			names := sortedKeys(known)
			if near := registry.Nearest(k.text, names); near != "" {
				r.fail(k, path, "no key %q (did you mean %q?)", clip(k.text), near)
			} else {
				r.fail(k, path, "no key %q; have %s", clip(k.text), strings.Join(names, ", "))
			}
			continue
		}
		read(n.items[i], join(path, k.text))
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// text reads a string of at most 256 bytes.
func (r *reader) text(n *node, path string) (string, bool) {
	if n.kind != yaml.ScalarNode || n.isNull() || n.text == "" || len(n.text) > 4096 {
		r.fail(n, path, "want text, got %s", n.what())
		return "", false
	}
	return n.text, true
}

// integer reads a whole number in [lo, hi].
func (r *reader) integer(n *node, path string, lo, hi int) int {
	v, err := strconv.Atoi(n.text)
	if n.kind != yaml.ScalarNode || n.quoted || err != nil || v < lo || v > hi {
		r.fail(n, path, "want a whole number from %d to %d, got %s", lo, hi, n.what())
		return lo
	}
	return v
}

// number reads a finite number in [lo, hi].
func (r *reader) number(n *node, path string, lo, hi float64) float64 {
	v, err := strconv.ParseFloat(n.text, 64)
	ok := n.kind == yaml.ScalarNode && !n.quoted && (n.tag == "!!int" || n.tag == "!!float")
	if !ok || err != nil || math.IsNaN(v) || v < lo || v > hi {
		r.fail(n, path, "want a number from %v to %v, got %s", lo, hi, n.what())
		return lo
	}
	return v
}

// list calls read for each item; a lone scalar or map stands for a list of one.
func (r *reader) list(n *node, path string, read func(*node, string)) {
	if n.isNull() {
		r.fail(n, path, "want a list, got nothing")
		return
	}
	if n.kind != yaml.SequenceNode {
		read(n, path)
		return
	}
	for i, item := range n.items {
		read(item, fmt.Sprintf("%s[%d]", path, i))
	}
}
