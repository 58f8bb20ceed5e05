package compressors

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

func TestChainsOpenInCanonicalForm(t *testing.T) {
	for in, want := range map[string]Spec{
		"uniform:bits=4+zstd":                   "uniform+zstd",
		"knorm:keep=0.50+uniform:bits=4":        "knorm+uniform",
		"knorm+knorm:keep=0.25+kivi+huff0+lz4":  "knorm+knorm:keep=0.25+kivi+huff0+lz4",
		" identity + zstd:level=better ":        "identity+zstd:level=better",
		"knorm:keep=0.5+uniform:bits=8,group=0": "knorm+uniform:bits=8",
	} {
		spec, c, err := Open(in)
		if err != nil || spec != want {
			t.Fatalf("Open(%q) = %q, %v, want %q", in, spec, err, want)
		}
		if again, _, err := Open(string(spec)); err != nil || again != spec {
			t.Errorf("Open(%q) again = %q, %v", spec, again, err)
		}
		if c.Capabilities().DropsTokens != strings.Contains(in, "knorm") {
			t.Errorf("%s: drops tokens is %v", spec, c.Capabilities().DropsTokens)
		}
	}
}

func TestChainMistakesAreNamedInTheUsersTerms(t *testing.T) {
	for in, want := range map[string]string{
		"uniform+knorm":                          "it goes before uniform: write knorm+uniform",
		"zstd+uniform":                           "it goes after a codec: write identity+zstd",
		"zstd":                                   "write identity+zstd",
		"knorm":                                  "write knorm+identity",
		"knorm+zstd":                             "zstd codes bytes, so it goes after a codec",
		"uniform+kivi":                           "uniform and kivi are both codecs",
		"uniform+zstd+kivi":                      "both codecs",
		"unifrom+zstd":                           `did you mean "uniform"?`,
		"uniform+zsdt":                           `did you mean "zstd"?`,
		"uniform+qqqqqqqqqqqqqqqqqqqqq":          "; have ",
		"uniform+":                               "no stage named",
		"uniform:bits=9+zstd":                    "bits is 9, want 2 to 8",
		"uniform+zstd:level=x":                   "level is \"x\", want fastest",
		"knorm:keep=0+identity":                  "keep is 0, want a share",
		"uniform+(zstd":                          "without its ')'",
		strings.Repeat("knorm+", 9) + "identity": "10 stages, want 8",
	} {
		_, _, err := Open(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%.40q) = %v, want an error with %q", in, err, want)
		}
	}
	if _, _, err := Open("uniform+nosuchcoder"); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("an unknown stage does not wrap ErrUnknown: %v", err)
	}
}

func TestANameMeansOneStage(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a codec called zstd registers")
		}
	}()
	Register(registry.Family[Codec, struct{}]{Name: "zstd",
		New: func(struct{}) (Codec, error) { return identity{}, nil }})
}

func TestKnormKeepsTheSmallestKeysOfEachHead(t *testing.T) {
	src := kv.New(kv.Shape{Layers: 1, Heads: 2, Tokens: 5, KeyDim: 1, ValueDim: 1}, kv.BF16)
	for h, norms := range [][]float32{{5, -1, 3, -3, 0.5}, {2, 2, 2, 2, 2}} {
		for i, x := range norms {
			src.Row(kv.K, 0, h, i)[0] = kv.BF16.Bits(x)
			src.Row(kv.V, 0, h, i)[0] = kv.BF16.Bits(float32(10 + i))
		}
	}
	_, c, err := Open("knorm:keep=0.6+identity")
	if err != nil {
		t.Fatal(err)
	}
	payload, err := c.AppendCompress(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := c.(Keeper).Kept(src, payload)
	if err != nil || !slices.Equal(kept.At(0, 0), []int32{1, 2, 4}) ||
		!slices.Equal(kept.At(0, 1), []int32{0, 1, 2}) {
		t.Fatalf("kept %v, %v", kept, err)
	}
	// u8 mode, two bitmaps of one byte, 2 heads × 3 tokens × (key + value) × 2 bytes
	if len(payload) != 1+2+24 {
		t.Errorf("payload of %d bytes", len(payload))
	}
	dst := src.Clone()
	if err := c.Decompress(dst, payload); err != nil {
		t.Fatal(err)
	}
	if dst.Row(kv.V, 0, 0, 0)[0] != 0 || dst.Row(kv.V, 0, 0, 4)[0] != kv.BF16.Bits(14) {
		t.Error("dropped tokens are zeros, kept ones come back")
	}
}

// ragged keeps, in head h of layer l, tokens whose index is a multiple of 1+(what it is set to).
type ragged struct{ step func(l, h int) int }

func (d ragged) Capabilities() Capabilities { return Capabilities{DropsTokens: true} }

func (d ragged) Drop(kept *kv.Kept, _ kv.Tensor) error {
	for l := range kept.Layers {
		for h := range kept.Heads {
			list := kept.At(l, h)[:0]
			for _, t := range kept.At(l, h) {
				if n := d.step(l, h); n > 0 && int(t)%n == 0 {
					list = append(list, t)
				}
			}
			kept.Lists[l*kept.Heads+h] = list
		}
	}
	return nil
}

// TestHeadsMayKeepAsManyTokensAsTheyLike covers one payload for all, per layer and per head, and
// heads that lose everything.
func TestHeadsMayKeepAsManyTokensAsTheyLike(t *testing.T) {
	src := kv.New(kv.Shape{Layers: 3, Heads: 2, Tokens: 21, KeyDim: 32, ValueDim: 64}, kv.F16)
	src.Meta = &kv.Meta{Positions: make([]int32, 21)}
	for _, side := range kv.Sides {
		for i := range src.Bits[side] {
			src.Bits[side][i] = uint16(0x3000 + i%0x900)
		}
	}
	for name, step := range map[string]func(l, h int) int{
		"all":    func(int, int) int { return 2 },
		"layers": func(l, _ int) int { return l + 1 },
		"heads":  func(l, h int) int { return 1 + l + 2*h },
		"none":   func(l, h int) int { return l * h },
	} {
		for _, spec := range []string{"identity", "uniform:bits=8,scale=f32", "lossless_split"} {
			_, inner, _ := Open(spec)
			c := &chain{droppers: []Dropper{ragged{step}}, codec: inner}
			payload, err := c.AppendCompress(nil, src)
			if err != nil {
				t.Fatal(err)
			}
			dst := src.Clone()
			if err := c.Decompress(dst, payload); err != nil {
				t.Fatal(err)
			}
			kept, err := c.Kept(src, payload)
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s+%s", name, spec)
			checkRagged(t, what, src, dst, kept, step)
			sections, err := c.AppendSections(nil, src, payload)
			sum := 0
			for _, s := range sections {
				sum += s.Bytes
			}
			if err != nil || sum != len(payload) {
				t.Errorf("%s: sections %v of %d bytes, %v", what, sections, len(payload), err)
			}
		}
	}
}

func checkRagged(t *testing.T, what string, src, dst kv.Tensor, kept *kv.Kept,
	step func(l, h int) int) {
	t.Helper()
	for l := range src.Layers {
		for h := range src.Heads {
			for i := range src.Tokens {
				stays := step(l, h) > 0 && i%max(1, step(l, h)) == 0
				if slices.Contains(kept.At(l, h), int32(i)) != stays {
					t.Fatalf("%s: layer %d head %d token %d: kept is %v", what, l, h, i, !stays)
				}
				a := src.DType.Float(src.Row(kv.V, l, h, i)[3])
				b := src.DType.Float(dst.Row(kv.V, l, h, i)[3])
				if stays && (b < a-0.01 || b > a+0.01) || !stays && b != 0 {
					t.Fatalf("%s: layer %d head %d token %d: %g became %g", what, l, h, i, a, b)
				}
			}
		}
	}
}
