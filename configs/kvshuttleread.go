package configs

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// experiment reads the keys of a KVShuttle file. Those that KVShuttle does not read itself, or
// that have no meaning here, become notes.
func (r *reader) experiment(root *node, x *experiment) {
	r.fields(root, "", map[string]func(*node, string){
		"experiment":      func(n *node, p string) { r.title(n, p, x) },
		"backend":         func(n *node, p string) { x.backend = r.oneOf(n, p, "mlx", "torch") },
		"load_in_4bit":    func(n *node, p string) { x.fourBit = r.flag(n, p) },
		"models":          func(n *node, p string) { r.modelNames(n, p, x) },
		"compressors":     func(n *node, p string) { r.compressors(n, p, x) },
		"bandwidths_gbps": func(n *node, p string) { x.links = r.bandwidths(n, p) },
		"prompts":         func(n *node, p string) { r.prompts(n, p, x) },
		"evaluation":      func(n *node, p string) { r.evaluation(n, p, x) },
		"output":          func(n *node, p string) { r.output(n, p, x) },
		"router":          func(n *node, p string) { r.routerBlock(n, p, x) },
	})
	r.required(root, "", "models", "compressors", "bandwidths_gbps", "prompts", "output")
}

// required reports keys that a KVShuttle file must have.
func (r *reader) required(n *node, path string, keys ...string) {
	for _, key := range keys {
		if n.kind == yaml.MappingNode && n.get(key) == nil {
			r.fail(n, path, "no key %q: a KVShuttle experiment has one", key)
		}
	}
}

func (r *reader) title(n *node, path string, x *experiment) {
	r.fields(n, path, map[string]func(*node, string){
		"name":        func(n *node, p string) { x.name, _ = r.text(n, p) },
		"description": func(n *node, p string) { x.description, _ = r.text(n, p) },
	})
	r.required(n, path, "name")
}

func (r *reader) oneOf(n *node, path string, words ...string) string {
	text, ok := r.text(n, path)
	if ok && !slices.Contains(words, text) {
		r.fail(n, path, "want %s, got %q", strings.Join(words, " or "), clip(text))
	}
	return text
}

func (r *reader) flag(n *node, path string) bool {
	if n.kind != yaml.ScalarNode || n.quoted || n.tag != "!!bool" {
		r.fail(n, path, "want true or false, got %s", n.what())
	}
	return strings.EqualFold(n.text, "true")
}

func (r *reader) modelNames(n *node, path string, x *experiment) {
	seen := map[string]bool{}
	r.list(n, path, func(n *node, path string) {
		text, ok := r.text(n, path)
		switch {
		case !ok:
		case strings.ContainsAny(text, ":,=()+ \t\n"):
			r.fail(n, path, "want a model's name, got %q", clip(text))
		case seen[text]:
			r.fail(n, path, "%q is given twice", text)
		case len(x.models) == maxLinks:
			r.fail(n, path, "more than %d models", maxLinks)
		default:
			seen[text] = true
			x.models = append(x.models, n)
		}
	})
	if n.kind == yaml.SequenceNode && len(n.items) == 0 {
		r.fail(n, path, "the list is empty: want at least one")
	}
}

// compressors reads names of KVShuttle's. Its accelerator variants give the bytes of the plain
// codecs, and are refused so that nobody takes their times for a GPU's.
func (r *reader) compressors(n *node, path string, x *experiment) {
	r.list(n, path, func(n *node, path string) {
		text, ok := r.text(n, path)
		if !ok {
			return
		}
		for _, prefix := range []string{"torch_", "mlx_"} {
			if name, is := strings.CutPrefix(text, prefix); is {
				r.fail(n, path, "%s runs on an accelerator, which is not used here; "+
					"%s gives the same bytes", text, name)
				return
			}
		}
		if strings.ContainsAny(text, ":,=()+ \t\n") {
			r.fail(n, path, "want the name of a codec, got %q", clip(text))
			return
		}
		x.codecs = append(x.codecs, Entry{Spec: "kvshuttle/" + text, Line: n.line, Path: path, from: n.from})
	})
	if len(x.codecs) > maxEntries {
		r.fail(n, path, "more than %d codecs", maxEntries)
	} else if n.kind == yaml.SequenceNode && len(n.items) == 0 {
		r.fail(n, path, "the list is empty: want at least one")
	}
}

func (r *reader) bandwidths(n *node, path string) []float64 {
	links := r.links(n, path)
	if len(links) == 0 {
		r.fail(n, path, "want at least one bandwidth")
	}
	return links
}

func (r *reader) prompts(n *node, path string, x *experiment) {
	r.fields(n, path, map[string]func(*node, string){
		"source": func(n *node, p string) {
			x.source, x.sourceNode = r.oneOf(n, p, "synthetic", "wikitext", "gsm8k", "c4"), n
		},
		"count":      func(n *node, p string) { x.count = r.integer(n, p, 1, maxPrompts) },
		"min_tokens": func(n *node, p string) { x.minTokens = r.integer(n, p, 1, 1<<20) },
		"max_tokens": func(n *node, p string) { x.maxTokens = r.integer(n, p, 1, 1<<20) },
	})
	r.required(n, path, "count")
	if x.minTokens > x.maxTokens {
		r.fail(n, join(path, "min_tokens"), "%d is more than max_tokens, %d", x.minTokens, x.maxTokens)
	}
}

func (r *reader) evaluation(n *node, path string, x *experiment) {
	r.fields(n, path, map[string]func(*node, string){
		"attention_error": func(n *node, p string) { x.cosine = r.flag(n, p) },
		"perplexity":      func(n *node, p string) { x.ppl = r.flag(n, p) },
		"token_agreement": func(n *node, p string) { x.ta = r.flag(n, p) },
		"generation": func(n *node, p string) {
			x.note("%s is not used, as KVShuttle never reads it", p)
		},
	})
}

func (r *reader) output(n *node, path string, x *experiment) {
	r.fields(n, path, map[string]func(*node, string){
		"dir": func(n *node, p string) {
			if dir, ok := r.text(n, p); ok {
				x.note("%s (%s) is not used: -o says where the run goes", p, clip(dir))
			}
		},
		"save_per_layer": func(n *node, p string) { x.perLayer = r.flag(n, p) },
	})
	r.required(n, path, "dir")
}

// routerBlock takes what no script of KVShuttle's reads either.
func (r *reader) routerBlock(n *node, path string, x *experiment) {
	r.fields(n, path, map[string]func(*node, string){
		"quality_threshold": func(n *node, p string) { r.number(n, p, 0, 1) },
		"train_split":       func(n *node, p string) { r.number(n, p, 0, 1) },
		"models":            func(n *node, p string) { r.list(n, p, func(n *node, p string) { r.text(n, p) }) },
	})
	x.note("%s is not used, as KVShuttle never reads it", path)
}

func (x *experiment) note(format string, args ...any) {
	x.notes = append(x.notes, fmt.Sprintf(format, args...))
}
