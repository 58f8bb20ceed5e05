package compressors

import (
	"fmt"
	"math"
	"sync"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// gear is GEAR (Kang et al., arXiv 2403.05527): X ≈ S + Q + L for the plane of a head. S is the
// outliers, taken out first: of every vector, which is a channel of keys or a token of values, the
// share outliers/2 that is largest and as many that are smallest. Q is what integers with a range
// per group of that vector make of X − S. L, of low rank, is made of what is left, X − S − Q.
// gear_l leaves out S, as the paper's GEAR-L does. The last buffer tokens stay in 16 bits.
//
// Departures: entries of S count neither for ranges nor for the residual, and come back exactly;
// L is the truncated singular value decomposition, which the authors approach by power iteration;
// its rank is one for all tokens. More than 65,536 tokens are cut into chunks of that many, each
// with S, Q and L of its own, so that an index has 16 bits.
//
// Payload: keys then values, layer, head: for each chunk the binary16 scales and minima, packed
// codes, outliers (16-bit patterns, then indices in their vectors, the smallest first), L's left
// and right factors in binary16; then the buffer. Bits per value of a chunk of S tokens: bits +
// 32/group + 32·outliers + 16·rank·(S + D)/(S·D).
type gear struct {
	gearParams
	workers int // 0 is one
}

type gearParams struct {
	Bits     int     `param:"bits" doc:"width of a code, 1 to 8"`
	Group    int     `param:"group" doc:"values per scale: tokens of a key channel, channels of a value"`
	Outliers float64 `param:"outliers" doc:"share of values kept apart, 0 to 0.5"`
	Rank     int     `param:"rank" doc:"of the residual's factors; 0 keeps none"`
	Buffer   int     `param:"buffer" doc:"recent tokens in 16 bits"`
}

// gearChunk is the most tokens that 16-bit indices count.
const gearChunk = 1 << 16

func init() {
	for _, f := range []struct {
		name, doc string
		outliers  float64
	}{
		{"gear", "GEAR: outliers apart, integers, and a low-rank residual", .02},
		{"gear_l", "GEAR-L: integers and a low-rank residual", 0},
	} {
		Register(registry.Family[Codec, gearParams]{
			Name: f.name, Doc: f.doc, Source: "Kang et al., arXiv 2403.05527",
			Tags:     []string{"quantiser", "window"},
			Defaults: gearParams{Bits: 2, Group: 64, Outliers: f.outliers, Rank: 4, Buffer: 20},
			Variants: []gearParams{{Bits: 4, Group: 32, Outliers: f.outliers, Rank: 2}},
			New:      newGear,
		})
	}
	anchor := func(spec string, bits, values float64) []Anchor {
		out := OnWhite("computed independently, with another decomposition, from 3·2^18 values",
			WhiteRow{Spec: spec, Bits: bits, Values: values})
		for i := range out {
			out[i].Source = WhiteLong
		}
		return out
	}
	beyond := []Claim{{"4 bits nearly without loss, 2.29 times less peak memory (arXiv 2403.05527, abstract)",
		"models of 7B and their benchmarks on a GPU"}}
	deviations := []string{
		"the low-rank part is the truncated singular value decomposition, which the authors approach by " +
			"power iteration",
		"its rank is one for all tokens, where the paper has 4 for the prompt and 2 for new tokens",
	}
	Certify("gear", Certificate{
		Deviations: append(deviations, "outliers count neither for ranges nor for the residual"),
		Anchors: append(anchor("gear:buffer=0", 3.59375, .1502),
			anchor("gear:bits=4,buffer=0,group=32", 6.09375, .00474)...),
		Beyond:  beyond,
		UseWhen: "single values stick out and compress time does not matter",
	})
	Certify("gear_l", Certificate{
		Deviations: deviations,
		Anchors: append(anchor("gear_l:buffer=0", 3.03125, .1924),
			anchor("gear_l:buffer=0,group=32", 3.53125, .1469)...),
		Beyond:  beyond,
		UseWhen: "the residual is of low rank and compress time does not matter",
	})
}

func newGear(p gearParams) (Codec, error) {
	switch {
	case p.Bits < 1 || p.Bits > 8:
		return nil, fmt.Errorf("bits is %d, want 1 to 8", p.Bits)
	case p.Group < 1:
		return nil, fmt.Errorf("group is %d, want 1 or more", p.Group)
	case !(p.Outliers >= 0 && p.Outliers <= .5):
		return nil, fmt.Errorf("outliers is %v, want 0 to 0.5", p.Outliers)
	case p.Rank < 0:
		return nil, fmt.Errorf("rank is %d, want 0 or more", p.Rank)
	case p.Buffer < 0:
		return nil, fmt.Errorf("buffer is %d, want 0 or more", p.Buffer)
	}
	return &gear{p, 1}, nil
}

// Capabilities implements Codec.
func (c *gear) Capabilities() Capabilities {
	return Capabilities{FixedRate: true, KeyOnly: true, RecentWindow: c.Buffer > 0, Streaming: "tensor"}
}

// A gearLayout is how a chunk of rows × dim values is laid out.
type gearLayout struct {
	rows, dim int
	channels  bool // vectors are channels, not tokens
	groups    int  // scales
	vectors   int
	apart     int // outliers of a vector at either end
	rank      int
}

func (c *gear) layout(rows, dim int, side kv.Side) gearLayout {
	y := gearLayout{rows: rows, dim: dim, channels: side == kv.K, rank: min(c.Rank, rows, dim)}
	long := dim
	if y.vectors = rows; y.channels {
		long, y.vectors = rows, dim
	}
	y.groups = y.vectors * ceilDiv(long, c.Group)
	y.apart = min(int(math.Round(c.Outliers/2*float64(long))), long/2)
	return y
}

// gearSizes are the bytes of each kind.
type gearSizes struct{ scales, codes, values, indices, factors int }

func (y *gearLayout) sizes(bits int) gearSizes {
	apart := 2 * y.vectors * 2 * y.apart
	return gearSizes{4 * y.groups, quant.PackedBytes(y.rows*y.dim, bits), apart, apart,
		2 * y.rank * (y.rows + y.dim)}
}

func (s gearSizes) total() int { return s.scales + s.codes + s.values + s.indices + s.factors }

// body returns how many tokens are not in the buffer.
func (c *gear) body(t kv.Tensor) int { return max(t.Tokens-c.Buffer, 0) }

// sizes returns the bytes of each kind in a payload; the buffer's are among values.
func (c *gear) sizes(t kv.Tensor) gearSizes {
	var sum gearSizes
	for _, side := range kv.Sides {
		dim, planes := t.Dim(side), t.Layers*t.Heads
		for at := 0; at < c.body(t) && dim > 0; at += gearChunk {
			y := c.layout(min(gearChunk, c.body(t)-at), dim, side)
			s := y.sizes(c.Bits)
			sum.scales += planes * s.scales
			sum.codes += planes * s.codes
			sum.values += planes * s.values
			sum.indices += planes * s.indices
			sum.factors += planes * s.factors
		}
		sum.values += planes * 2 * dim * (t.Tokens - c.body(t))
	}
	return sum
}

// PredictedBytes implements Sizer.
func (c *gear) PredictedBytes(head kv.Tensor) int { return c.sizes(head).total() }

// AppendSections implements Sectioner. Kinds alternate: the sizes are totals.
func (c *gear) AppendSections(dst []Section, head kv.Tensor, _ []byte) ([]Section, error) {
	s := c.sizes(head)
	return append(dst, Section{Scales, s.scales}, Section{Codes, s.codes + s.factors},
		Section{Raw, s.values}, Section{Indices, s.indices}), nil
}

var gearPool = sync.Pool{New: func() any { return new(gearScratch) }}

// AppendCompress implements Codec.
func (c *gear) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if err := checkFinite(src); err != nil {
		return dst, err
	}
	return compressPlanes(dst, c, c.workers, src)
}

// Decompress implements Codec.
func (c *gear) Decompress(dst kv.Tensor, src []byte) error {
	return restorePlanes(dst, c, c.workers, src)
}

// spread implements spreader.
func (c *gear) spread(workers int) Codec { return &gear{c.gearParams, workers} }

// planeBytes implements planeCoder.
func (c *gear) planeBytes(t kv.Tensor, side kv.Side) payloadRuns {
	n, dim := 0, t.Dim(side)
	for at := 0; at < c.body(t); at += gearChunk {
		y := c.layout(min(gearChunk, c.body(t)-at), dim, side)
		n += y.sizes(c.Bits).total()
	}
	return payloadRuns{n + 2*dim*(t.Tokens-c.body(t))}
}

// compressPlane implements planeCoder.
func (c *gear) compressPlane(src kv.Tensor, side kv.Side, layer, head int, parts [3][]byte) bool {
	w := gearPool.Get().(*gearScratch)
	defer gearPool.Put(w)
	out, rest := parts[0], src.Plane(side, layer, head)
	for left := c.body(src); left > 0; left = max(left-gearChunk, 0) {
		y := c.layout(min(left, gearChunk), src.Dim(side), side)
		n, size := y.sizes(c.Bits).total(), y.rows*y.dim
		if !w.compress(out[:n], &y, c.gearParams, src.DType, rest[:size]) {
			return false
		}
		out, rest = out[n:], rest[size:]
	}
	putBits(out, rest)
	return true
}

// restorePlane implements planeCoder.
func (c *gear) restorePlane(dst kv.Tensor, side kv.Side, layer, head int, parts [3][]byte) bool {
	w := gearPool.Get().(*gearScratch)
	defer gearPool.Put(w)
	in, rest := parts[0], dst.Plane(side, layer, head)
	for left := c.body(dst); left > 0; left = max(left-gearChunk, 0) {
		y := c.layout(min(left, gearChunk), dst.Dim(side), side)
		n, size := y.sizes(c.Bits).total(), y.rows*y.dim
		if !w.decompress(rest[:size], in[:n], &y, c.gearParams, dst.DType) {
			return false
		}
		in, rest = in[n:], rest[size:]
	}
	readBits(rest, in)
	return true
}
