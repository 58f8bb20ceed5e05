package compressors

import (
	"fmt"
	"slices"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// svdq is SVDq (Hong et al., arXiv 2502.15304, section 4): the keys of a request, as they were before
// rotation, are projected on their own singular directions, and the latent channels, in eight blocks
// from the strongest on, get fewer and fewer bits. Every latent channel has a range per group of
// tokens. Values stay in 16 bits unless they get a schedule of their own.
//
// Departures: a mean is taken off and sent; integers of 1 bit decode to the mean less or plus the mean
// deviation, since the ends of a range would do worse than nothing; the paper's choice of tokens by
// attention is left to token droppers. A span that comes out worse than zeros is kept in 16 bits, which
// comes on top of the payload.
//
// Payload: keys then values, layer, head, in this order in each run: a byte per span (the rows of a
// head, or of a layer) that says how it is kept; per coded span the mean in float32, directions by rows
// and, per latent channel and group of tokens, scale and minimum in binary16, then packed codes, by
// channel; the 16-bit patterns of raw spans.
type svdq struct {
	svdqParams
	sides [2][]int // bits per block
}

type svdqParams struct {
	Schedule string `param:"schedule" doc:"bits of the eight blocks of latent key channels, a digit 0 to 8 each"`
	Values   string `param:"values" doc:"the same for values, or raw"`
	Scope    string `param:"scope" doc:"whose rows are projected: head or layer"`
	Group    int    `param:"group" doc:"tokens per scale of a latent channel; 0 for all"`
	PreRope  bool   `param:"prerope" doc:"take keys as they were before rotation"`
}

func init() {
	Register(registry.Family[Codec, svdqParams]{
		Name: "svdq", Doc: "SVDq: singular directions of each request's keys, with falling bits",
		Source: "Hong et al., arXiv 2502.15304", Tags: []string{"low rank", "quantiser"},
		Defaults: svdqParams{"84422110", "raw", "head", 128, true},
		Variants: []svdqParams{{"88444440", "84442200", "layer", 0, false}},
		New:      newSVDq,
	})
	g := &graded{db: 40, layers: 1, heads: 1,
		shape: kv.Shape{Layers: 1, Heads: 2, Tokens: 2048, KeyDim: 128, ValueDim: 128}}
	const codes, scales, directions = 22. / 8, 32. / 128 * 7 / 8, (16*112*128 + 32*128) / (128 * 2048.)
	Certify("svdq", Certificate{
		Deviations: []string{
			"a mean is taken off first",
			"integers of 1 bit decode to the mean less or plus the mean deviation",
			"no tokens are chosen by attention",
		},
		Anchors: []Anchor{
			{Source: g.source(), Measure: BitsPerValue, Want: (16 + codes + scales + directions) / 2,
				Within: .001, Basis: Rate, From: "codes, scales, directions over 2048 tokens, and raw values"},
			{Spec: "svdq:schedule=88888888", Source: g.source(), Measure: NMSEKeys, Want: 3.6e-5, Bound: AtMost,
				Basis: Oracle, From: "int8 of groups of 128, computed independently, in any orthonormal frame"},
		},
		Beyond: []Claim{{Says: "down to 1.25 bits a key value at little loss on RULER and LongBench (abstract)",
			Takes: "long contexts of Llama 3.1 on a GPU"}},
		UseWhen: "keys of one long request have few directions, and nothing can be fitted before",
	})
}

func newSVDq(p svdqParams) (Codec, error) {
	c := &svdq{svdqParams: p}
	for side, text := range []string{p.Schedule, p.Values} {
		if side == int(kv.V) && text == "raw" {
			continue
		}
		for _, digit := range text {
			c.sides[side] = append(c.sides[side], int(digit-'0'))
		}
		bad := slices.ContainsFunc(c.sides[side], func(n int) bool { return n < 0 || n > 8 })
		if len(c.sides[side]) != 8 || bad {
			return nil, fmt.Errorf("%q is no schedule, want eight digits 0 to 8", text)
		}
	}
	if p.Scope != "head" && p.Scope != "layer" {
		return nil, fmt.Errorf("scope is %q, want head or layer", p.Scope)
	}
	if p.Group < 0 {
		return nil, fmt.Errorf("group is %d, want 0 or more", p.Group)
	}
	return bySpans(c), nil
}

// Capabilities implements Codec.
func (c *svdq) Capabilities() Capabilities {
	return Capabilities{FixedRate: true, PreRope: c.PreRope, KeyOnly: true, Streaming: "layer"}
}

func (c *svdq) appendSpans(dst []span, shape kv.Shape) []span {
	heads := 1
	if c.Scope == "layer" {
		heads = shape.Heads
	}
	return appendSpans(appendSpans(dst, shape, kv.K, 1, heads), shape, kv.V, 1, heads)
}

// bitsOf returns the bits of latent channel k of rows of width channels.
func (c *svdq) bitsOf(side kv.Side, k, width int) int { return c.sides[side][k*8/width] }

// An svdqSizes is how the bytes of one span divide.
type svdqSizes struct{ rank, groups, basis, scales, codes int }

func (n svdqSizes) total() int { return n.basis + n.scales + n.codes }

// check implements spanCoder.
func (c *svdq) check(kv.Shape, []span) error { return nil }

// sizes implements spanCoder.
func (c *svdq) sizes(shape kv.Shape, s span) payloadRuns {
	return payloadRuns{c.divide(shape, s).total()}
}

// divide returns how the bytes of a span divide; all is zero for one that is never coded.
func (c *svdq) divide(shape kv.Shape, s span) (n svdqSizes) {
	width := s.channels(shape)
	if c.sides[s.side] == nil || shape.Tokens == 0 {
		return n
	}
	n.groups = 1
	if c.Group > 0 {
		n.groups = ceilDiv(shape.Tokens, c.Group)
	}
	for k := range min(width, shape.Tokens) {
		if bits := c.bitsOf(s.side, k, width); bits > 0 {
			n.rank = k + 1
			n.scales += 4 * n.groups
			n.codes += quant.PackedBytes(shape.Tokens, bits)
		}
	}
	n.basis = 4*width + 2*n.rank*width
	return n
}

// compress implements spanCoder.
func (c *svdq) compress(w *onlineScratch, src kv.Tensor, s span, turn *keyTurner, parts [3][]byte) byte {
	n, out := c.divide(src.Shape, s), parts[0]
	if w.fit(src, s, turn, n.rank, out[:n.basis], false) != pcaCoded {
		return pcaRaw
	}
	b := &w.basis
	s.load(w.rows, src, 0, src.Tokens, turn, &w.palu.span)
	energy := fastSquares(w.rows)
	w.latent, w.comps = growTo(w.latent, src.Tokens*n.rank), growTo(w.comps, src.Tokens*n.rank)
	b.forward(w.latent, w.rows, src.Tokens)
	kern.Transpose(w.comps, w.latent, src.Tokens, n.rank)
	sse := max(0, fastSquares(w.rows)-fastSquares(w.latent))
	scales, codes := out[n.basis:n.basis+n.scales], out[n.basis+n.scales:]
	for k := range n.rank {
		comp, bits := w.comps[k*src.Tokens:(k+1)*src.Tokens], c.bitsOf(s.side, k, b.width)
		if bits > 0 {
			size := quant.PackedBytes(src.Tokens, bits)
			if !c.codeChannel(w, comp, bits, scales[:4*n.groups], codes[:size]) {
				return pcaRaw
			}
			scales, codes = scales[4*n.groups:], codes[size:]
		}
		sse += fastSquares(comp)
	}
	switch {
	case energy == 0:
		return pcaZero
	case !(sse <= energy):
		return pcaRaw
	}
	return pcaCoded
}

// codeChannel writes one latent channel and leaves its errors in comp.
func (c *svdq) codeChannel(w *onlineScratch, comp []float32, bits int, scales, codes []byte) bool {
	w.codes = growTo(w.codes, len(comp))
	group := c.Group
	if group == 0 {
		group = len(comp)
	}
	for at := 0; at < len(comp); at += group {
		part := comp[at:min(at+group, len(comp))]
		lo, hi := svdqRange(part, bits)
		s, m, ok := affineF16(scales, lo, hi, bits)
		if !ok {
			return false
		}
		scales = scales[4:]
		quantiseRow(w.codes[at:at+len(part)], part, s, m, bits)
	}
	quant.Pack(codes, w.codes[:len(comp)], bits)
	return true
}

// svdqRange returns the ends of a range: those of the values, or, with two levels, a mean deviation on
// either side of the mean.
func svdqRange(x []float32, bits int) (lo, hi float32) {
	lo, hi = x[0], x[0]
	sum := 0.0
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
		sum += float64(v)
	}
	if bits > 1 {
		return lo, hi
	}
	mean, off := sum/float64(len(x)), 0.0
	for _, v := range x {
		off += max(float64(v)-mean, mean-float64(v))
	}
	off /= float64(len(x))
	return float32(mean - off), float32(mean + off)
}

// restore implements spanCoder.
func (c *svdq) restore(w *onlineScratch, dst kv.Tensor, s span, turn *keyTurner, parts [3][]byte) bool {
	n, in := c.divide(dst.Shape, s), parts[0]
	width := s.channels(dst.Shape)
	if !w.read(in, width, n.rank) {
		return false
	}
	w.rows, w.codes = growTo(w.rows, dst.Tokens*width), growTo(w.codes, dst.Tokens)
	w.latent, w.comps = growTo(w.latent, dst.Tokens*n.rank), growTo(w.comps, dst.Tokens*n.rank)
	scales, codes := in[n.basis:n.basis+n.scales], in[n.basis+n.scales:]
	for k := range n.rank {
		comp, bits := w.comps[k*dst.Tokens:(k+1)*dst.Tokens], c.bitsOf(s.side, k, width)
		if bits == 0 {
			clear(comp)
			continue
		}
		size := quant.PackedBytes(dst.Tokens, bits)
		quant.Unpack(w.codes, codes[:size], bits)
		codes = codes[size:]
		for g := range n.groups {
			a, ok1 := getNorm(scales)
			m, ok2 := getHalf(scales[2:])
			if !ok1 || !ok2 {
				return false
			}
			scales = scales[4:]
			from, to := 0, dst.Tokens
			if c.Group > 0 {
				from, to = g*c.Group, min((g+1)*c.Group, dst.Tokens)
			}
			for i := from; i < to; i++ {
				comp[i] = float32(float32(w.codes[i])*a) + m
			}
		}
	}
	kern.Transpose(w.latent, w.comps, n.rank, dst.Tokens)
	w.basis.inverse(w.rows, w.latent, dst.Tokens)
	s.store(dst, w.rows, 0, dst.Tokens, turn, &w.palu.span)
	return true
}

// AppendSections implements Sectioner. Kinds alternate: the sizes are totals.
func (c *svdq) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	spans, sum := c.appendSpans(nil, head.Shape), svdqSizes{}
	for _, s := range spans {
		n := c.divide(head.Shape, s)
		sum.basis += n.basis
		sum.scales += n.scales
		sum.codes += n.codes
	}
	return appendSpanSections(dst, payload, Section{Header, len(spans)}, Section{Tables, sum.basis},
		Section{Scales, sum.scales}, Section{Codes, sum.codes})
}
