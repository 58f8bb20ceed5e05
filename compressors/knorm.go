package compressors

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// knorm keeps, in every head, the tokens whose keys have the smallest Euclidean norms: such keys
// draw the most attention (Devoto et al., EMNLP 2024, arXiv 2406.11430, section 3; kvpress calls
// it Knorm). It needs no queries. Of n tokens left by what stands before it, it keeps
// max(1, ⌊keep·n⌋); of equal norms, the earlier token.
type knorm struct {
	keep float64
	pool *sync.Pool // of *[]uint64: squared norms, and the same sorted
}

type knormParams struct {
	Keep float64 `param:"keep" doc:"share of the tokens that are kept, above 0 and up to 1"`
}

func init() {
	RegisterDropper(registry.Family[Dropper, knormParams]{
		Name: "knorm", Doc: "keeps the tokens with the smallest key norms, per head",
		Source: "Devoto et al., EMNLP 2024, arXiv 2406.11430", Tags: []string{"dropper"},
		Defaults: knormParams{0.5}, Variants: []knormParams{{1}},
		New: func(p knormParams) (Dropper, error) {
			if !(p.Keep > 0 && p.Keep <= 1) {
				return nil, fmt.Errorf("keep is %g, want a share above 0 and up to 1", p.Keep)
			}
			return &knorm{p.Keep, &sync.Pool{New: func() any { return new([]uint64) }}}, nil
		},
	})
	Certify("knorm", Certificate{
		Anchors: []Anchor{{Spec: "knorm+identity", Measure: BitsPerValue, Want: 8, Within: .05, Basis: Rate,
			From: "half the tokens in 16 bits, and a bit for each"},
			{Spec: "knorm+identity", Measure: shorterDropped, Basis: Published,
				From: "arXiv 2406.11430: keep the keys of the smallest norms"}},
		Beyond: []Claim{{"language modelling loss of Llama-2 with half the keys (arXiv 2406.11430)",
			"Llama-2-7B on a GPU; sweeps with SmolLM2 measure it on a small model"}},
		UseWhen: "tokens may go, and no attention scores are at hand",
	})
}

// shorterDropped counts the tokens that a head lost though it kept one with a longer key.
var shorterDropped = Measure{"dropped before a longer key", func(p Pass) (float64, error) {
	keeper, ok := p.Codec.(Keeper)
	if !ok {
		return 0, fmt.Errorf("it drops no tokens")
	}
	kept, err := keeper.Kept(p.Src, p.Payload)
	if err != nil {
		return 0, err
	}
	n := 0
	for l := range p.Src.Layers {
		for h := range p.Src.Heads {
			n += shorterThan(p.Src, l, h, kept.At(l, h))
		}
	}
	return float64(n), nil
}}

// shorterThan counts the keys of a head that are shorter than the longest of those in list, and not
// in it.
func shorterThan(t kv.Tensor, l, h int, list []int32) int {
	norm := func(token int) uint64 { return squaredNorm(t.DType, t.Row(kv.K, l, h, token)) }
	longest := uint64(0)
	for _, token := range list {
		longest = max(longest, norm(int(token)))
	}
	n := 0
	for token := range t.Tokens {
		if !slices.Contains(list, int32(token)) && norm(token) < longest {
			n++
		}
	}
	return n
}

// Capabilities implements Dropper.
func (*knorm) Capabilities() Capabilities {
	return Capabilities{DropsTokens: true, Streaming: "tensor"}
}

// Drop implements Dropper.
func (d *knorm) Drop(kept *kv.Kept, src kv.Tensor) error {
	buf := d.pool.Get().(*[]uint64)
	defer d.pool.Put(buf)
	for l := range src.Layers {
		for h := range src.Heads {
			list := kept.At(l, h)
			if len(list) == 0 {
				continue
			}
			n := max(1, int(math.Floor(d.keep*float64(len(list)))))
			*buf = slices.Grow((*buf)[:0], 2*len(list))[:2*len(list)]
			norms, sorted := (*buf)[:len(list)], (*buf)[len(list):]
			for i, token := range list {
				norms[i] = squaredNorm(src.DType, src.Row(kv.K, l, h, int(token)))
			}
			copy(sorted, norms)
			slices.Sort(sorted)
			kept.Lists[l*kept.Heads+h] = smallest(list, norms, sorted, n)
		}
	}
	return nil
}

// squaredNorm returns Σx² as the bits of a float64, which order like the numbers. Squares of
// 16-bit floats are exact in float64, so that a fused addition changes nothing.
func squaredNorm(d kv.DType, row []uint16) uint64 {
	sum := 0.0
	for _, bits := range row {
		x := float64(d.Float(bits))
		sum += float64(x * x)
	}
	return math.Float64bits(sum)
}

// smallest shortens list to the n tokens of smallest norm, the earlier of equal ones.
func smallest(list []int32, norms, sorted []uint64, n int) []int32 {
	limit := sorted[n-1]
	ties := n
	for _, x := range sorted[:n] {
		if x < limit {
			ties--
		}
	}
	out := list[:0]
	for i, token := range list {
		if norms[i] == limit {
			if ties--; ties < 0 {
				continue
			}
		} else if norms[i] > limit {
			continue
		}
		out = append(out, token)
	}
	return out
}
