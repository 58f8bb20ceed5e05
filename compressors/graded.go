package compressors

import (
	"fmt"
	"math"
	"sync"

	"kvgauge/compressors/internal/rotate"
	"kvgauge/compressors/kv"
	"kvgauge/internal/nprand"
	"kvgauge/internal/rope"
)

// A graded source is what a fitted transform is made for, with a known answer: rows of a Gaussian
// whose variances along some orthonormal directions fall evenly, in decibels, from the first to
// the last, around a mean. Their average is 1. The directions are drawn once for each span of
// layers and heads of a side, and are the same in what codecs are fitted to. Keys are rotated
// after that, at positions 0, 1, 2, …
type graded struct {
	db            float64 // first variance over last
	layers, heads int     // of a span
	shape         kv.Shape
	fitTokens     int
}

// gradedHaar is how wide rows have directions of no structure; making those takes the cube. Those of
// wider rows are a randomised Hadamard matrix's.
const gradedHaar = 256

// gradedRows is 2^19 values in rows of 64, and 64 tokens to fit on for each channel.
func gradedRows(db float64) *graded {
	return &graded{db: db, layers: 1, heads: 1, fitTokens: 4096,
		shape: kv.Shape{Layers: 1, Heads: 2, Tokens: 2048, KeyDim: 64, ValueDim: 64}}
}

// source returns the source, under a name that says what it is.
func (g *graded) source() Source {
	s := g.shape
	what := fmt.Sprintf("Gaussian of %g dB over %d channels, f16, %d×%d×%d×%d", g.db, g.width(),
		s.Layers, s.Heads, s.Tokens, s.KeyDim)
	return Source{Name: what, Make: sync.OnceValue(func() kv.Tensor { return g.make(1, s.Tokens) }),
		Fit: sync.OnceValue(func() []kv.Tensor { return []kv.Tensor{g.make(2, g.fitTokens)} })}
}

func (g *graded) width() int { return g.layers * g.heads * g.shape.KeyDim }

// variances returns those of one span's components, largest first.
func (g *graded) variances() []float64 {
	out, sum := make([]float64, g.width()), 0.0
	for i := range out {
		out[i] = math.Pow(10, -g.db/10*float64(i)/float64(max(1, len(out)-1)))
		sum += out[i]
	}
	for i := range out {
		out[i] *= float64(len(out)) / sum
	}
	return out
}

func (g *graded) make(seed uint64, tokens int) kv.Tensor {
	shape := g.shape
	shape.Tokens = tokens
	t := kv.New(shape, kv.F16)
	t.Meta = &kv.Meta{Rope: &kv.Rope{Theta: 1e4, Dim: shape.KeyDim, Applied: true}}
	table := rope.For(1e4, shape.KeyDim, false).Upto(tokens)
	rng := nprand.Stream(seed, "graded source")
	for _, side := range kv.Sides {
		for i, s := range spansOf(shape, side, g.layers, g.heads) {
			g.fill(t, s, uint64(2*i+int(side)), rng, table)
		}
	}
	return t
}

// fill draws the rows of one span.
func (g *graded) fill(t kv.Tensor, s span, directions uint64, rng *nprand.Generator, table rope.Table) {
	width, dim := g.width(), t.Dim(s.side)
	turn := func(dst, src []float32) {
		copy(dst, src)
		rotations.get(width, directions).Inverse(dst)
	}
	if width <= gradedHaar {
		turn = rotate.NewHaar(width, directions).Inverse
	}
	means := make([]float64, width)
	nprand.Stream(directions, "means").FillNormal(means)
	z, x := make([]float32, width), make([]float32, width)
	deviations := g.variances()
	for i, v := range deviations {
		deviations[i] = math.Sqrt(v)
	}
	for token := range t.Tokens {
		for i, d := range deviations {
			z[i] = float32(d * rng.Normal())
		}
		turn(x, z)
		for i := range x {
			x[i] += float32(means[i])
		}
		for i := range s.layers * s.heads {
			row := x[i*dim : (i+1)*dim]
			if s.side == kv.K {
				table.Turn(row, int32(token), false)
			}
			t.DType.Narrow(t.Row(s.side, s.layer+i/s.heads, s.head+i%s.heads, token), row)
		}
	}
}

// gap is bits per value of the whole frame less the rate at which the best of all codecs reaches
// the same error: by reverse water-filling, components above a level get ½·log2 of how far each is
// above it, and the others nothing (Cover and Thomas, section 10.3).
func (g *graded) gap() Measure {
	return Measure{"bits above the water-filling bound", func(p Pass) (float64, error) {
		ratio, err := frameRatio(p)
		if err != nil {
			return 0, err
		}
		return 16/ratio - waterFilling(g.variances(), meanSquare(p)), nil
	}}
}

// errorOverVariance is the mean squared error: the variance of the source is 1 on average.
var errorOverVariance = Measure{"error over variance", func(p Pass) (float64, error) {
	return meanSquare(p), nil
}}

func meanSquare(p Pass) float64 {
	d, n := 0.0, 0
	for _, side := range kv.Sides {
		for i, b := range p.Src.Bits[side] {
			e := float64(p.Src.DType.Float(b)) - float64(p.Got.DType.Float(p.Got.Bits[side][i]))
			d += float64(e * e)
			n++
		}
	}
	return d / float64(n)
}

// tail returns what share of the variance lies beyond the first rank components.
func (g *graded) tail(rank int) float64 {
	sum := 0.0
	for _, v := range g.variances()[rank:] {
		sum += v
	}
	return sum / float64(g.width())
}

// waterFilling returns the fewest bits a value at which components of these variances can be told
// with a mean squared error of d.
func waterFilling(variances []float64, d float64) float64 {
	lo, hi := 0.0, variances[0]
	for range 200 {
		mid, sum := (lo+hi)/2, 0.0
		for _, v := range variances {
			sum += min(mid, v)
		}
		if sum < d*float64(len(variances)) {
			lo = mid
		} else {
			hi = mid
		}
	}
	bits := 0.0
	for _, v := range variances {
		bits += max(0, math.Log2(v/lo)/2)
	}
	return bits / float64(len(variances))
}
