package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"kvgauge/compressors"
	"kvgauge/configs"
	"kvgauge/internal/registry"
	"kvgauge/internal/store"
	"kvgauge/transfermodel"
	"kvgauge/workloads"
	"kvgauge/workloads/data/tiny"
)

// A listing is one kind of thing that has names.
type listing struct {
	names func() []string
	about func(name string) (any, error) // a value that prints as JSON; unknown names are errors
	line  func(any) string               // one line for people

	// detail adds to what about returned what show tells and list does not; it may be nil.
	detail func(ctx context.Context, v any, slow bool) (any, error)
}

// listings holds the kinds, by the word that list and show take. A new kind is one
// entry, here or from the init of its own verb.
var listings = map[string]listing{
	"codec":    codecListing,
	"config":   configListing,
	"dataset":  pulled(store.Dataset),
	"model":    modelListing,
	"shape":    shapeListing,
	"source":   registered(workloads.Names, workloads.Describe),
	"trace":    pulled(store.Trace),
	"transfer": registered(transfermodel.Names, transfermodel.Describe),
}

// registered lists a registry.Set by its methods.
func registered(names func() []string, about func(string) (registry.Info, error)) listing {
	return listing{
		names: names,
		about: func(name string) (any, error) { return about(name) },
		line:  func(v any) string { return v.(registry.Info).Doc },
	}
}

var codecListing = func() listing {
	l := registered(compressors.Names, compressors.Describe)
	l.detail = detailCodec
	return l
}()

// pulled lists what the store knows.
func pulled(kind string) listing {
	return listing{
		names: func() []string {
			var names []string
			for _, e := range store.Catalogue(kind) {
				names = append(names, e.Name)
			}
			return names
		},
		about: func(name string) (any, error) { return store.Find(kind, name) },
		line:  func(v any) string { return v.(store.Entry).Doc },
	}
}

// tinyModel is the embedded model as listings show it, beside those of the store.
var tinyModel = func() store.Entry {
	_, size := tiny.GGUF()
	return store.Entry{Kind: store.Model, Name: tiny.Name, Licence: "Apache-2.0", Bytes: size,
		Doc: "in the binary: a small llama of our own, trained from scratch"}
}()

var modelListing = listing{
	names: func() []string { return append([]string{tiny.Name}, pulled(store.Model).names()...) },
	about: func(name string) (any, error) {
		if name == tiny.Name {
			return tinyModel, nil
		}
		return store.Find(store.Model, name)
	},
	line: func(v any) string { return v.(store.Entry).Doc },
}

// shapeInfo is the cache of an open model as listings show it.
type shapeInfo struct {
	Name          string `json:"name"`
	Layers        int    `json:"layers"`
	KVHeads       int    `json:"kv_heads"`
	KeyDim        int    `json:"key_dim"`
	ValueDim      int    `json:"value_dim"`
	BytesPerToken int    `json:"bytes_per_token"`
}

var shapeListing = listing{
	names: func() []string {
		var names []string
		for _, m := range workloads.ModelShapes() {
			names = append(names, m.Name)
		}
		return names
	},
	about: func(name string) (any, error) {
		m, err := workloads.LookupShape(name)
		return shapeInfo{m.Name, m.Layers, m.Heads, m.KeyDim, m.ValueDim,
			2 * m.Layers * m.Heads * (m.KeyDim + m.ValueDim)}, err
	},
	line: func(v any) string {
		s := v.(shapeInfo)
		dim := strconv.Itoa(s.KeyDim)
		if s.ValueDim != s.KeyDim {
			dim += "/" + strconv.Itoa(s.ValueDim)
		}
		return fmt.Sprintf("%d layers, %d KV heads of %s, %d bytes a token in 16 bits",
			s.Layers, s.KVHeads, dim, s.BytesPerToken)
	},
}

// configInfo is an embedded config.
type configInfo struct {
	Name     string `json:"name"`
	Question string `json:"question"` // its first line
	Text     string `json:"text"`
}

var configListing = listing{
	names: configs.Names,
	about: func(name string) (any, error) {
		text, err := configs.Text(name)
		if err != nil {
			if near := registry.Nearest(name, configs.Names()); near != "" {
				return nil, fmt.Errorf("no config named %q (did you mean %q?)", name, near)
			}
			return nil, fmt.Errorf("no config named %q; have %s", name, strings.Join(configs.Names(), ", "))
		}
		first, _, _ := strings.Cut(string(text), "\n")
		return configInfo{name, strings.TrimLeft(first, "# "), string(text)}, nil
	},
	line: func(v any) string { return v.(configInfo).Question },
}
