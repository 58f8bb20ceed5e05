package registry

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

type thing struct{ text string }

type params struct {
	Bits  int     `param:"bits" doc:"code width"`
	Clip  float64 `param:"clip"`
	Sym   bool    `param:"symmetric"`
	Inner string  `param:"k"`
}

func newSet() *Set[thing] {
	s := NewSet[thing]("codec")
	Add(s, Family[thing, params]{
		Name: "uniform", Defaults: params{Bits: 4, Clip: 1, Inner: "q8_0"},
		Variants: []params{{Bits: 8, Clip: 1, Inner: "q8_0"}},
		New: func(p params) (thing, error) {
			if p.Bits < 2 || p.Bits > 8 {
				return thing{}, fmt.Errorf("bits is %d, want 2 to 8", p.Bits)
			}
			return thing{fmt.Sprint(p)}, nil
		},
	})
	return s
}

func TestSpecsPrintInCanonicalFormAndSurviveTheRoundTrip(t *testing.T) {
	s := newSet()
	for in, want := range map[string]Spec{
		"uniform":                               "uniform",
		"uniform:bits=4":                        "uniform",
		"uniform:symmetric=true,bits=2":         "uniform:bits=2,symmetric=true",
		"uniform:k=(a:b=1,c=(d:e=2)),clip=0.50": "uniform:clip=0.5,k=(a:b=1,c=(d:e=2))",
	} {
		spec, v, err := s.Open(in)
		if err != nil || spec != want {
			t.Fatalf("Open(%q) = %q, %v, want %q", in, spec, err, want)
		}
		again, v2, err := s.Open(string(spec))
		if err != nil || again != spec || v2 != v {
			t.Errorf("Open(%q) again = %q, %v", spec, again, err)
		}
	}
}

func TestMistakesAreNamedInTheUsersTerms(t *testing.T) {
	s := newSet()
	for in, want := range map[string]string{
		"unifrom":                 `did you mean "uniform"?`,
		"zzzzzzzzz":               "have uniform",
		"uniform:bit=4":           `did you mean "bits"?`,
		"uniform:bits=x":          "want a whole number",
		"uniform:bits=08":         "want a whole number",
		"uniform:clip=NaN":        "want a number",
		"uniform:symmetric=yes":   "want true or false",
		"uniform:bits=9":          "bits is 9, want 2 to 8",
		"uniform:bits=4,bits=5":   "given twice",
		"uniform:bits":            "want param=value",
		"uniform:k=(a":            "without its ')'",
		":":                       "no name",
		strings.Repeat("a", 5000): "longer than",
	} {
		_, _, err := s.Open(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%.20q) = %v, want an error with %q", in, err, want)
		}
	}
	if _, _, err := s.Open("nope"); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown name does not wrap ErrUnknown: %v", err)
	}
}

func TestRegisteringANameTwicePanics(t *testing.T) {
	s := newSet()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Add(s, Family[thing, params]{Name: "uniform", Defaults: params{Bits: 4},
		New: func(params) (thing, error) { return thing{}, nil }})
}

func FuzzOpen(f *testing.F) {
	s := newSet()
	for _, text := range []string{"uniform:bits=2", "a:b=(c", "uniform:k=(x:y=1)", "::=,"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spec, _, err := s.Open(text)
		if err != nil {
			return
		}
		if again, _, err := s.Open(string(spec)); err != nil || again != spec {
			t.Errorf("Open(%q) gave %q, which opens as %q, %v", text, spec, again, err)
		}
	})
}
