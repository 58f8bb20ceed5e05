package gpucal

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"kvgauge/internal/registry"
)

// A record is a map whose keys are known.
type record struct {
	r    *reader
	n    *node
	path string
}

// record takes n as a map with the given keys; those after a "?" may be left out. Other keys,
// and required ones that are missing, are mistakes. ok is false where n is no map.
func (r *reader) record(n *node, path string, keys ...string) (rec record, ok bool) {
	rec = record{r, n, path}
	if n.kind != isMap {
		r.fail(n.line, path, "want a map with %s, got %s", plain(keys), n.what())
		return rec, false
	}
	for _, k := range n.keys {
		if !slices.Contains(keys, k.text) && !slices.Contains(keys, "?"+k.text) {
			r.unknown(k, path, keys)
		}
	}
	for _, key := range keys {
		if key[0] != '?' && rec.get(key) == nil {
			r.fail(n.line, join(path, key), "the key is missing")
		}
	}
	return rec, true
}

func plain(keys []string) string { return strings.ReplaceAll(strings.Join(keys, ", "), "?", "") }

func (r *reader) unknown(k *node, path string, keys []string) {
	var names []string
	for _, key := range keys {
		names = append(names, strings.TrimPrefix(key, "?"))
	}
	near := registry.Nearest(k.text, names)
	for _, name := range names {
		if k.text != "" && strings.HasPrefix(name, k.text) {
			near = name
		}
	}
	if near != "" {
		r.fail(k.line, join(path, k.text), "no such key (did you mean %q?)", near)
		return
	}
	r.fail(k.line, join(path, k.text), "no such key; have %s", strings.Join(names, ", "))
}

// get returns the value of a key, or nil.
func (rec record) get(key string) *node {
	for i, k := range rec.n.keys {
		if k.text == key {
			return rec.n.items[i]
		}
	}
	return nil
}

// text reads a text of one line; a missing key was reported before.
func (rec record) text(key string) string {
	n := rec.get(key)
	if n == nil {
		return ""
	}
	return rec.r.text(n, join(rec.path, key))
}

func (r *reader) text(n *node, path string) string {
	if n.kind != isText || strings.TrimSpace(n.text) == "" || len(n.text) > 256 ||
		strings.ContainsAny(n.text, "\n\r\t") {
		r.fail(n.line, path, "want a text of one line, got %s", n.what())
		return ""
	}
	return n.text
}

// number reads a number from lo to hi; 0 where it is missing.
func (rec record) number(key string, lo, hi float64) float64 {
	n := rec.get(key)
	if n == nil {
		return 0
	}
	return rec.r.number(n, join(rec.path, key), lo, hi)
}

func (r *reader) number(n *node, path string, lo, hi float64) float64 {
	v, err := strconv.ParseFloat(n.text, 64)
	if n.kind != isNumber || err != nil || math.IsNaN(v) || v < lo || v > hi {
		r.fail(n.line, path, "want a number from %v to %v, got %s", lo, hi, n.what())
		return lo
	}
	return v
}

// integer reads a whole number from lo to hi; 0 where it is missing.
func (rec record) integer(key string, lo, hi int64) int64 {
	n := rec.get(key)
	if n == nil {
		return 0
	}
	return rec.r.integer(n, join(rec.path, key), lo, hi)
}

func (r *reader) integer(n *node, path string, lo, hi int64) int64 {
	v, err := strconv.ParseInt(n.text, 10, 64)
	if n.kind != isNumber || err != nil || v < lo || v > hi {
		r.fail(n.line, path, "want a whole number from %d to %d, got %s", lo, hi, n.what())
		return lo
	}
	return v
}

// list calls read for each item of a list; a missing key was reported before.
func (rec record) list(key string, most int, read func(n *node, path string)) {
	n := rec.get(key)
	path := join(rec.path, key)
	switch {
	case n == nil:
	case n.kind != isList:
		rec.r.fail(n.line, path, "want a list, got %s", n.what())
	case len(n.items) > most:
		rec.r.fail(n.line, path, "has %d entries, want at most %d", len(n.items), most)
	default:
		for i, item := range n.items {
			read(item, index(path, i))
		}
	}
}

// texts reads a list of texts.
func (rec record) texts(key string) []string {
	var out []string
	rec.list(key, 64, func(n *node, path string) { out = append(out, rec.r.text(n, path)) })
	return out
}
