// Package registry keeps named families of things with typed parameters: codecs, sources,
// traces, transfer models, policies, devices. One text form serves them all:
//
//	name
//	name:param=value,param=value
//
// A value that itself holds commas, colons or equals signs stands in parentheses, as in
// asym:k=(uniform:bits=8),v=q4_0. The canonical form of a spec prints only the parameters that
// differ from their defaults, sorted by name, so that equal specs have equal text.
package registry

import (
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"
)

// ErrUnknown is wrapped by the error for a name that no family has.
var ErrUnknown = errors.New("unknown name")

// A Spec is the canonical text of a family and its parameters. Specs are comparable and survive
// a round trip through Open.
type Spec string

// Name returns the family's name: the text before the first colon.
func (s Spec) Name() string {
	name, _, _ := strings.Cut(string(s), ":")
	return name
}

// A Family is a T whose parameters P are still open. P is a struct; its exported fields are the
// parameters, of kind int, float64, bool or string, named by the tag `param:"name"` and
// explained by the tag `doc:"..."`. If P has a method Canonical() (P, error), parameters go
// through it first: for values that have several spellings, such as specs.
type Family[T, P any] struct {
	Name     string             // as configs spell it: lower case, no spaces
	Doc      string             // one line for people
	Source   string             // paper or project it comes from, or "this repository"
	Tags     []string           // groups for listings and tests, such as "lossless"
	Defaults P                  // the parameters of the bare name
	Variants []P                // other settings that tests and quick sweeps cover
	New      func(P) (T, error) // builds and checks; its error says what was wanted
}

// Info describes a family to people and to listings.
type Info struct {
	Name     string   `json:"name"`
	Doc      string   `json:"doc"`
	Source   string   `json:"source"`
	Tags     []string `json:"tags,omitempty"`
	Params   []Param  `json:"params"`
	Variants []Spec   `json:"variants,omitempty"`
}

// A Param describes one parameter of a family.
type Param struct {
	Name    string `json:"name"`
	Type    string `json:"type"` // int, float, bool or string
	Default string `json:"default"`
	Doc     string `json:"doc"`
}

type entry[T any] struct {
	info Info
	open func(args []arg) (Spec, T, error)
}

// A Set holds the families of one kind. The zero value is not ready: use NewSet.
type Set[T any] struct {
	kind    string
	entries map[string]entry[T]
}

// NewSet returns an empty set; kind is the word that errors use, such as "codec".
func NewSet[T any](kind string) *Set[T] {
	return &Set[T]{kind: kind, entries: map[string]entry[T]{}}
}

// Add enters f into s. It panics if the name is taken, or if the defaults or a variant do not
// build: both are mistakes in the program, not in its input.
func Add[T, P any](s *Set[T], f Family[T, P]) {
	if _, taken := s.entries[f.Name]; taken || f.Name == "" {
		panic(fmt.Sprintf("registry: %s %q is registered twice or has no name", s.kind, f.Name))
	}
	e := entry[T]{info: Info{
		Name: f.Name, Doc: f.Doc, Source: f.Source, Tags: f.Tags, Params: describe(f.Defaults),
	}}
	e.open = func(args []arg) (Spec, T, error) {
		p := f.Defaults
		var none T
		if err := set(reflect.ValueOf(&p).Elem(), args); err != nil {
			return "", none, fmt.Errorf("%s %q: %w", s.kind, f.Name, err)
		}
		if c, ok := any(p).(interface{ Canonical() (P, error) }); ok {
			var err error
			if p, err = c.Canonical(); err != nil {
				return "", none, fmt.Errorf("%s %q: %w", s.kind, f.Name, err)
			}
		}
		v, err := f.New(p)
		if err != nil {
			return "", none, fmt.Errorf("%s %q: %w", s.kind, f.Name, err)
		}
		return canonical(f.Name, f.Defaults, p), v, nil
	}
	s.entries[f.Name] = e
	check := append([]P{f.Defaults}, f.Variants...)
	for i, p := range check {
		if _, err := f.New(p); err != nil {
			panic(fmt.Sprintf("registry: %s %q does not build: %v", s.kind, f.Name, err))
		}
		if i > 0 {
			e.info.Variants = append(e.info.Variants, canonical(f.Name, f.Defaults, p))
		}
	}
	s.entries[f.Name] = e
}

// Open parses text and builds what it names. The Spec is text in canonical form.
func (s *Set[T]) Open(text string) (Spec, T, error) {
	var none T
	name, args, err := parse(text)
	if err != nil {
		return "", none, fmt.Errorf("%s %q: %w", s.kind, text, err)
	}
	e, ok := s.entries[name]
	if !ok {
		return "", none, s.unknown(name)
	}
	return e.open(args)
}

// Names returns the registered names in order.
func (s *Set[T]) Names() []string {
	names := make([]string, 0, len(s.entries))
	for name := range s.entries {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Has says whether name is registered.
func (s *Set[T]) Has(name string) bool {
	_, ok := s.entries[name]
	return ok
}

// Describe returns what is known of the family called name.
func (s *Set[T]) Describe(name string) (Info, error) {
	e, ok := s.entries[name]
	if !ok {
		return Info{}, s.unknown(name)
	}
	return e.info, nil
}

// Specs returns every family's bare name and its variants, in order: what conformance tests
// run over.
func (s *Set[T]) Specs() []Spec {
	var out []Spec
	for _, name := range s.Names() {
		out = append(out, Spec(name))
		out = append(out, s.entries[name].info.Variants...)
	}
	return out
}

func (s *Set[T]) unknown(name string) error {
	names := s.Names()
	if near := Nearest(name, names); near != "" {
		return fmt.Errorf("no %s named %q (did you mean %q?): %w", s.kind, name, near, ErrUnknown)
	}
	return fmt.Errorf("no %s named %q; have %s: %w",
		s.kind, name, strings.Join(names, ", "), ErrUnknown)
}
