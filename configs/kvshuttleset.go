package configs

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// kvshuttleKeys are the keys of a KVShuttle file; a --set of any other is about the sweep that
// the file becomes.
var kvshuttleKeys = []string{"experiment", "backend", "load_in_4bit", "compressors",
	"bandwidths_gbps", "prompts", "evaluation", "output", "router"}

// setKVShuttle applies sets to a KVShuttle file, and returns those that it has no keys for as a
// map of their own. models is a list there and a map of paths here: an index means the list.
func (r *reader) setKVShuttle(root *node, sets []string) (overlay *node) {
	overlay = &node{kind: yaml.MappingNode}
	for _, set := range sets {
		first := set[:strings.IndexAny(set+"=", ".[=")]
		mine := slices.Contains(kvshuttleKeys, first) ||
			first == "models" && !strings.HasPrefix(set, "models.")
		if mine {
			r.set(root, set)
		} else {
			r.set(overlay, set)
		}
	}
	return overlay
}

// overlay reads what --set says of the sweep that a KVShuttle file becomes.
func (r *reader) overlay(n *node, s *Sweep) {
	r.fields(n, "", map[string]func(*node, string){
		"name":    func(n *node, p string) { s.Name = r.name(n, p) },
		"quality": func(n *node, p string) { s.Quality = r.words(n, p, Qualities) },
		"timing":  func(n *node, p string) { r.timing(n, p, &s.Timing) },
		"report":  func(n *node, p string) { s.Report = r.words(n, p, Formats) },
		"models":  func(n *node, p string) { s.Models = r.models(n, p) },
		"transfer": func(n *node, p string) {
			links := s.Transfer.LinksGbps
			if s.Transfer = r.transfer(n, p); n.get("links_gbps") == nil {
				s.Transfer.LinksGbps = links
			}
		},
	})
}

// experimentOf reads what a sweep keeps of the KVShuttle file that it came from.
func (r *reader) experimentOf(n *node, path string) *KVShuttle {
	k := &KVShuttle{}
	text := func(to *string) func(*node, string) {
		return func(n *node, p string) { *to, _ = r.text(n, p) }
	}
	r.fields(n, path, map[string]func(*node, string){
		"experiment":    text(&k.Experiment),
		"backend":       text(&k.Backend),
		"prompt_source": text(&k.PromptSource),
		"models": func(n *node, p string) {
			r.list(n, p, func(n *node, p string) {
				name, _ := r.text(n, p)
				k.Models = append(k.Models, name)
			})
		},
		"lengths": func(n *node, p string) {
			r.list(n, p, func(n *node, p string) {
				k.Lengths = append(k.Lengths, r.integer(n, p, 1, 1<<20))
			})
		},
		"per_layer": func(n *node, p string) { k.PerLayer = r.flag(n, p) },
	})
	return k
}

func kvshuttleSchema() object {
	text := object{"type": "string"}
	return object{
		"type": "object", "additionalProperties": false,
		"description": "kept of the KVShuttle experiment that the sweep was read from",
		"properties": object{
			"experiment": text, "backend": text, "prompt_source": text,
			"models":    object{"type": "array", "items": text},
			"lengths":   object{"type": "array", "items": object{"type": "integer", "minimum": 1}},
			"per_layer": object{"type": "boolean"},
		},
	}
}
