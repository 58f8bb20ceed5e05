package workloads

import (
	"kvgauge/internal/registry"
)

// Options bind a source to the run that opens it.
type Options struct {
	Seed   uint64            // the run's seed, from which every draw follows
	Models map[string]string // paths of models that the run names, by name
	Smoke  bool              // cut to one sample and at most SmokeTokens tokens
}

// SmokeTokens is the length to which a smoke run cuts prefixes and continuations.
const SmokeTokens = 64

// A Builder opens a source for a run. It is cheap: nothing is loaded or drawn before Shape or
// Sample asks for it.
type Builder func(Options) (Source, error)

var sources = registry.NewSet[Builder]("cache source")

// Register enters a family of sources under its name; see registry.Family. It panics on a
// duplicate.
func Register[P any](f registry.Family[Builder, P]) { registry.Add(sources, f) }

// Open opens the source that text names, such as "synthetic:shape=llama-3.1-8b,tokens=2048",
// and returns it with its canonical spec.
func Open(text string, o Options) (registry.Spec, Source, error) {
	spec, build, err := sources.Open(text)
	if err != nil {
		return "", nil, err
	}
	src, err := build(o)
	if err != nil {
		return "", nil, err
	}
	return spec, src, nil
}

// Names returns the names of the families of sources in order.
func Names() []string { return sources.Names() }

// Describe returns what is known of the family of sources called name.
func Describe(name string) (registry.Info, error) { return sources.Describe(name) }

// cut returns n, or what a smoke run leaves of it.
func (o Options) cut(n, most int) int {
	if o.Smoke {
		return min(n, most)
	}
	return n
}
