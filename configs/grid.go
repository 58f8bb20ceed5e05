package configs

import (
	"strings"

	"kvgauge/internal/registry"

	"gopkg.in/yaml.v3"
)

// entries reads a list of specs, each a text "kivi:bits=2", or a map {kivi: {bits: [2, 4]}} in
// which a list where a scalar could stand makes a grid: one entry for every combination, in the
// order written, the last parameter fastest.
func (r *reader) entries(n *node, path string) []Entry {
	var out []Entry
	full := false
	r.list(n, path, func(n *node, path string) {
		for _, spec := range r.specs(n, path) {
			if len(out) == maxEntries {
				if !full {
					r.fail(n, path, "grids make more than %d entries", maxEntries)
				}
				full = true
				return
			}
			out = append(out, Entry{Spec: spec, Line: n.line, Path: path, from: n.from})
		}
	})
	return out
}

// specs returns the spec texts that one entry stands for.
func (r *reader) specs(n *node, path string) []string {
	switch n.kind {
	case yaml.ScalarNode:
		text, ok := r.text(n, path)
		if !ok {
			return nil
		}
		if strings.TrimSpace(text) == "" || strings.ContainsAny(text, "\n\r\t") {
			r.fail(n, path, "want a name or name:param=value on one line, got %q", clip(text))
			return nil
		}
		return []string{strings.TrimSpace(text)}
	case yaml.MappingNode:
		if len(n.keys) == 1 {
			return r.grid(n.keys[0], n.items[0], path)
		}
		r.fail(n, path, "want one name with its parameters, as in {kivi: {bits: 2}}, got %d keys",
			len(n.keys))
		return nil
	}
	r.fail(n, path, "want a name, name:param=value or {name: {param: value}}, got %s", n.what())
	return nil
}

func (r *reader) grid(name, params *node, path string) []string {
	if strings.ContainsAny(name.text, ":,=()+ \n\t") || name.text == "" {
		r.fail(name, path, "%q is not a name", clip(name.text))
		return nil
	}
	path = join(path, name.text)
	if params.isNull() {
		return []string{name.text}
	}
	if params.kind != yaml.MappingNode {
		r.fail(params, path, "want parameters {param: value}, got %s", params.what())
		return nil
	}
	specs := []string{name.text}
	for i, k := range params.keys {
		values := r.values(params.items[i], join(path, k.text))
		if strings.ContainsAny(k.text, ":,=()+ \n\t") || k.text == "" {
			r.fail(k, path, "%q is not the name of a parameter", clip(k.text))
			return nil
		}
		if len(specs)*len(values) > maxEntries {
			r.fail(k, path, "grids make more than %d entries", maxEntries)
			return nil
		}
		specs = cross(specs, k.text, values, i == 0)
	}
	return specs
}

// cross appends every value of a parameter to every spec.
func cross(specs []string, param string, values []string, first bool) []string {
	sep := ","
	if first {
		sep = ":"
	}
	out := make([]string, 0, len(specs)*len(values))
	for _, spec := range specs {
		for _, v := range values {
			out = append(out, spec+sep+param+"="+v)
		}
	}
	return out
}

// values returns what a parameter takes, each as it stands in a spec text.
func (r *reader) values(n *node, path string) []string {
	var out []string
	r.list(n, path, func(n *node, path string) {
		switch n.kind {
		case yaml.MappingNode: // a value that is itself a spec
			for _, spec := range r.specs(n, path) {
				out = append(out, parenthesised(spec))
			}
		case yaml.ScalarNode:
			if text, ok := r.value(n, path); ok {
				out = append(out, parenthesised(text))
			}
		default:
			r.fail(n, path, "want a value, got a list within a list")
		}
	})
	if n.kind == yaml.SequenceNode && len(n.items) == 0 {
		r.fail(n, path, "the list is empty: want at least one value")
	}
	return out
}

func (r *reader) value(n *node, path string) (string, bool) {
	text, ok := r.text(n, path)
	if !ok {
		return "", false
	}
	if strings.TrimSpace(text) != text || strings.ContainsAny(text, "\n\r\t") {
		r.fail(n, path, "want a value without blanks around it, on one line, got %q", clip(text))
		return "", false
	}
	if _, err := registry.Split(text, ','); err != nil {
		r.fail(n, path, "%v", err)
		return "", false
	}
	return text, true
}

// parenthesised wraps a value that would otherwise be read as more than one.
func parenthesised(text string) string {
	if strings.ContainsAny(text, ":,=+()") && !wrapped(text) {
		return "(" + text + ")"
	}
	return text
}

// wrapped says whether one pair of parentheses encloses the whole text.
func wrapped(text string) bool {
	if len(text) < 2 || text[0] != '(' {
		return false
	}
	depth := 0
	for i, c := range text {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i == len(text)-1
			}
		}
	}
	return false
}
