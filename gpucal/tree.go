package gpucal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// A node is a value of a YAML or JSON file and the line on which it stands.
type node struct {
	kind  nodeKind
	line  int
	text  string  // of text, numbers and booleans
	items []*node // of a list, or the values of a map
	keys  []*node // of a map, beside items
}

type nodeKind uint8

const (
	isNull nodeKind = iota
	isText
	isNumber
	isBool
	isList
	isMap
)

// Bounds on what a file may hold, so that hostile input stays cheap.
const (
	maxYAML  = 1 << 20
	maxJSON  = 1 << 24
	maxNodes = 1 << 19
	maxDepth = 8
	maxKeys  = 256 // of one map
)

// what names a node in the user's terms.
func (n *node) what() string {
	switch n.kind {
	case isList:
		return "a list"
	case isMap:
		return "a map"
	case isNull:
		return "nothing"
	}
	return fmt.Sprintf("%q", clip(n.text))
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// An Error is one mistake in a calibration file, and where it stands.
type Error struct {
	File string
	Line int    // 1 is the first
	Path string // "rows[2].seconds", or "" where the file as a whole is meant
	Msg  string // what was wanted
}

// Error returns "t4.yaml:12: rows[2].seconds: what was wanted".
func (e Error) Error() string {
	at := fmt.Sprintf("%s:%d: ", e.File, e.Line)
	if e.Path != "" {
		at += e.Path + ": "
	}
	return at + e.Msg
}

// Errors are the mistakes of a file, in the order in which they were met.
type Errors []Error

// maxErrors bounds what is collected; a file with more has one cause for most of them.
const maxErrors = 20

// Error returns one line for each mistake.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// A reader collects the mistakes of one file while it walks it.
type reader struct {
	file string
	errs Errors // the first of them
	bad  int    // how many there are
	left int    // nodes that may still be made
}

func (r *reader) fail(line int, path, format string, args ...any) {
	if r.bad++; len(r.errs) < maxErrors {
		msg := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
		r.errs = append(r.errs, Error{r.file, max(line, 1), path, msg})
	}
}

func (r *reader) err() error {
	if len(r.errs) == 0 {
		return nil
	}
	return r.errs
}

// readable reports what makes text no text at all.
func (r *reader) readable(text []byte, most int) bool {
	if len(text) > most {
		r.fail(1, "", "the file has %d bytes, want at most %d", len(text), most)
		return false
	}
	line := 1
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRune(text[i:])
		switch {
		case c == utf8.RuneError && n <= 1:
			r.fail(line, "", "not UTF-8 text")
			return false
		case c == '\n':
			line++
		case c < ' ' && c != '\t' && c != '\r' || c == 0x7f:
			r.fail(line, "", "a control character (%#02x)", c)
			return false
		}
		i += n
	}
	return true
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?((?s).*)$`)

// yaml returns the root of the one document in text, or nil.
func (r *reader) yaml(text []byte) *node {
	if !r.readable(text, maxYAML) {
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		r.fail(1, "", "the file is empty: want a calibration")
		return nil
	case err != nil:
		r.syntax(err)
		return nil
	}
	r.left = maxNodes
	root := r.fromYAML(doc.Content[0], "", 0)
	if err := d.Decode(&second); err == nil {
		r.fail(second.Line, "", "a second document: a file holds one calibration")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
	}
	return root
}

func (r *reader) syntax(err error) {
	line, msg := 1, err.Error()
	if m := syntaxLine.FindStringSubmatch(msg); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
		msg = m[2]
	}
	r.fail(line, "", "not YAML: %s", msg)
}

var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func (r *reader) fromYAML(y *yaml.Node, path string, depth int) *node {
	n := &node{line: y.Line, text: y.Value}
	if r.left--; r.left < 0 || depth > maxDepth {
		if r.left == -1 || depth == maxDepth+1 {
			r.fail(y.Line, path, "more than %d values or %d levels", maxNodes, maxDepth)
		}
		return n
	}
	switch {
	case y.Kind == yaml.AliasNode || y.Anchor != "":
		r.fail(y.Line, path, "anchors and aliases are not used here: repeat the value")
	case y.Style&yaml.TaggedStyle != 0:
		r.fail(y.Line, path, "tags such as %s are not used here", clip(y.Tag))
	case y.Kind == yaml.SequenceNode:
		n.kind = isList
		for i, item := range y.Content {
			n.items = append(n.items, r.fromYAML(item, index(path, i), depth+1))
		}
	case y.Kind == yaml.MappingNode:
		n.kind = isMap
		for i := 0; i+1 < len(y.Content); i += 2 {
			key, value := y.Content[i], y.Content[i+1]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				r.fail(key.Line, path, "a key is a word")
				continue
			}
			r.add(n, key.Value, key.Line, path,
				r.fromYAML(value, join(path, key.Value), depth+1))
		}
	default:
		n.kind = scalarKind(y)
	}
	return n
}

func scalarKind(y *yaml.Node) nodeKind {
	quoted := y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|
		yaml.LiteralStyle|yaml.FoldedStyle) != 0
	switch {
	case quoted || y.Tag == "!!str":
		return isText
	case y.Tag == "!!null":
		return isNull
	case y.Tag == "!!bool":
		return isBool
	case (y.Tag == "!!int" || y.Tag == "!!float") && plainNumber.MatchString(y.Value):
		return isNumber
	}
	return isText // 0x1f, 010, 1_000, .inf, dates: no number to a person
}

// add enters a key of a map; one that is there already is a mistake.
func (r *reader) add(n *node, key string, line int, path string, value *node) {
	if len(n.keys) == maxKeys {
		r.fail(line, join(path, key), "a map has more than %d keys", maxKeys)
		return
	}
	for _, k := range n.keys {
		if k.text == key {
			r.fail(line, join(path, key), "the key is given twice, first on line %d", k.line)
			return
		}
	}
	n.keys = append(n.keys, &node{kind: isText, line: line, text: key})
	n.items = append(n.items, value)
}

// join appends a key to a path; one that is no plain word is quoted.
func join(path, key string) string {
	key = clip(key)
	if strings.Trim(key, plainKey) != "" || key == "" {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

const plainKey = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
