package configs

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// set applies one text "path=value", such as "caches[0].model.prompts=2" or
// "transfer.links_gbps=[10, 25]". The value is YAML. What the path leads to is replaced, or made
// if it is a key that was not given.
func (r *reader) set(root *node, text string) {
	blame := &node{from: text}
	path, value, ok := strings.Cut(text, "=")
	if !ok || path == "" {
		r.fail(blame, "", "want path=value, such as seed=7")
		return
	}
	leaf := r.setValue(blame, value)
	if leaf == nil {
		return
	}
	mark(leaf, text)
	steps, err := parsePath(path)
	at := root
	for i := 0; err == nil && i < len(steps); i++ {
		var slot **node
		if slot, err = at.slot(steps[i], text); err == nil && i == len(steps)-1 {
			*slot = leaf
		}
		if err == nil {
			at = *slot
		}
	}
	if err != nil {
		r.fail(blame, "", "%v", err)
	}
}

// A step of a path is a key, or where key is "", an index.
type step struct {
	key   string
	index int
}

// parsePath cuts "caches[0].model.prompts" into its steps. What stands after "models." is one key
// whole, since names of models hold dots.
func parsePath(path string) ([]step, error) {
	if name, ok := strings.CutPrefix(path, "models."); ok && name != "" {
		return []step{{key: "models"}, {key: name}}, nil
	}
	var steps []step
	for part := range strings.SplitSeq(path, ".") {
		key, rest, _ := strings.Cut(part, "[")
		if key == "" || len(steps) > maxDepth {
			return nil, fmt.Errorf("want keys with dots between them, such as timing.samples")
		}
		steps = append(steps, step{key: key})
		if len(key) == len(part) {
			continue
		}
		for index := range strings.SplitSeq(rest, "[") {
			digits, ok := strings.CutSuffix(index, "]")
			i, err := strconv.Atoi(digits)
			if !ok || err != nil || i < 0 {
				return nil, fmt.Errorf("want an index in brackets, such as [0], got %q", "["+index)
			}
			steps = append(steps, step{index: i})
		}
	}
	return steps, nil
}

// slot returns where the step leads from n; a key that is not there is made.
func (n *node) slot(s step, from string) (**node, error) {
	if s.key == "" {
		if n.kind != yaml.SequenceNode || s.index >= len(n.items) {
			return nil, fmt.Errorf("[%d] leads into %s: want a list that has so many items, from 0",
				s.index, n.what())
		}
		return &n.items[s.index], nil
	}
	if n.isNull() {
		*n = node{kind: yaml.MappingNode, line: n.line, from: n.from}
	}
	if n.kind != yaml.MappingNode {
		return nil, fmt.Errorf("%q leads into %s, which has no keys: set the whole of it",
			s.key, n.what())
	}
	for i, k := range n.keys {
		if k.text == s.key {
			return &n.items[i], nil
		}
	}
	n.keys = append(n.keys, &node{kind: yaml.ScalarNode, tag: "!!str", text: s.key, from: from})
	n.items = append(n.items, &node{kind: yaml.MappingNode, from: from})
	return &n.items[len(n.items)-1], nil
}

func (r *reader) setValue(blame *node, value string) *node {
	sub := &reader{file: r.file}
	if !sub.readable([]byte(value)) {
		r.fail(blame, "", "%s", sub.errs[0].Msg)
		return nil
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader([]byte(value))).Decode(&doc); err != nil {
		if strings.TrimSpace(value) == "" {
			r.fail(blame, "", "want a value after the equals sign")
		} else {
			r.fail(blame, "", "%s", sub.syntax(err).Msg)
		}
		return nil
	}
	leaf := (&converter{r: sub, left: maxNodes}).node(doc.Content[0], 1)
	for _, e := range sub.errs {
		r.fail(blame, e.Path, "%s", e.Msg)
	}
	return leaf
}

func mark(n *node, from string) {
	n.from, n.line = from, 0
	for _, k := range n.keys {
		k.from, k.line = from, 0
	}
	for _, item := range n.items {
		mark(item, from)
	}
}
