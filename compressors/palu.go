package compressors

import (
	"bytes"
	"fmt"
	"math"

	"kvgauge/compressors/internal/lowrank"
	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/internal/rotate"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// palu keeps latents of low rank, after Palu (Chang et al., arXiv 2407.21118, sections 3.2 to 3.4).
// The rows of a group of heads of one layer lose their fitted mean and are projected on the
// directions in which the fit varies most; a Hadamard matrix, multiplied into those once, spreads
// the latent, and integers with a binary16 scale and minimum per token and group of latent channels
// hold it. Keys are taken as they were before rotation and turned back by the receiver.
//
// Departures: Palu factors the projection weights of a model and caches latents from the start; a
// codec has caches alone, so the directions are those of caches that it was fitted to, with one
// rank for all layers. A group of heads that comes out worse than zeros, because it resembles
// nothing in the fit, is kept in 16 bits, which comes on top of the payload.
//
// Payload: keys then values, layer, group of heads, in this order in each run: a byte per group of
// heads that says how it is kept; scales, by token; codes, by token, a row's packed together; the
// 16-bit patterns of raw groups. Bits per value: rank·(bits + 32/group), or 16·rank with bits=16,
// which leaves the latent in binary16.
type palu struct {
	paluParams
	fit     *paluFit // nil until fitted
	workers int      // 0 is one
}

// spread implements spreader.
func (c *palu) spread(workers int) Codec { return &palu{c.paluParams, c.fit, workers} }

type paluParams struct {
	Bits    int     `param:"bits" doc:"width of a code, 2 to 8, or 16 for a latent in binary16"`
	Rank    float64 `param:"rank" doc:"share of a row's channels that its latent has, to the nearest 16"`
	Heads   int     `param:"heads" doc:"heads of a layer that share a latent; the last group may be smaller"`
	Group   int     `param:"group" doc:"latent channels per scale; 0 for all of a row"`
	PreRope bool    `param:"prerope" doc:"take keys as they were before rotation"`
}

func init() {
	standard := paluParams{Bits: 4, Rank: .5, Heads: 4, PreRope: true}
	Register(registry.Family[Codec, paluParams]{
		Name: "palu", Doc: "Palu: fitted low-rank latents of groups of heads, Hadamard, integers",
		Source: "Chang et al., arXiv 2407.21118", Tags: []string{"low rank", "fitted"},
		Defaults: standard,
		Variants: []paluParams{{Bits: 3, Rank: .75, Heads: 1, Group: 16},
			{Bits: 16, Rank: .5, Heads: 2, PreRope: true}},
		New: func(p paluParams) (Codec, error) { return &palu{paluParams: p}, p.check() },
	})
	g := paluSource()
	Certify("palu", Certificate{
		Deviations: []string{
			"directions are those of caches that it is fitted to, where the paper factors weights",
			"one rank for all layers, where the paper shares a budget by Fisher information",
			"groups of heads that come out worse than zeros are kept in 16 bits",
		},
		Anchors: append(paluAnchors("palu", g, .05),
			Anchor{Spec: "palu:bits=16", Source: g.source(), Measure: FrameRatio, Want: 2, Within: .01,
				Basis: Published, From: "half the rank, half the cache: abstract and Table 1"}),
		Beyond:  paluClaims,
		UseWhen: "caches have few directions and compressing must cost little more than two products",
	})
}

var paluClaims = []Claim{{Says: "up to 1.19 lower perplexity than quantisation alone at like size (paper)",
	Takes: "factored weights and fine-tuned quantisers of Llama 2"}}

// paluSource is rows of 256 channels, four heads of 64, of which half the directions hold 99 % of
// the variance.
func paluSource() *graded {
	return &graded{db: 40, layers: 1, heads: 4, fitTokens: 8192,
		shape: kv.Shape{Layers: 1, Heads: 4, Tokens: 1024, KeyDim: 64, ValueDim: 64}}
}

// paluAnchors hold a codec to the error that half the rank and integers of 4 bits over 128 latent
// channels must leave, give or take a share of it: a fit of finite size raises the error, and latents
// of few strong directions lower it.
func paluAnchors(spec string, g *graded, more float64) []Anchor {
	want := g.tail(128) + .00996*(1-g.tail(128))
	return []Anchor{{Spec: spec, Source: g.source(), Measure: errorOverVariance, Want: want,
		Within: more * want, Basis: Oracle, From: "variance beyond rank 128, and int4 of groups of 128"}}
}

// paluAtMost is what directions of the cache itself must do: no others leave less of it.
func paluAtMost(g *graded) Anchor {
	a := paluAnchors("palu_online", g, .02)[0]
	a.Bound = AtMost
	return a
}

func (p paluParams) check() error {
	switch {
	case (p.Bits < 2 || p.Bits > 8) && p.Bits != 16:
		return fmt.Errorf("bits is %d, want 2 to 8, or 16", p.Bits)
	case !(p.Rank > 0 && p.Rank <= 1):
		return fmt.Errorf("rank is %v, want more than 0, at most 1", p.Rank)
	case p.Heads < 1:
		return fmt.Errorf("heads is %d, want 1 or more", p.Heads)
	case p.Group < 0:
		return fmt.Errorf("group is %d, want 0 or more", p.Group)
	}
	return nil
}

// rank returns the latent channels of rows of width channels.
func (p paluParams) rank(width int) int {
	return min(width, max(1, int(math.Round(p.Rank*float64(width)/16))*16))
}

// appendSpans appends the groups of heads in the payload's order.
func (p paluParams) appendSpans(dst []span, shape kv.Shape) []span {
	return appendSpans(appendSpans(dst, shape, kv.K, 1, p.Heads), shape, kv.V, 1, p.Heads)
}

// rowBytes returns the bytes that a latent of so many channels takes.
func (p paluParams) rowBytes(rank int) (scales, codes int) {
	if p.Bits == 16 {
		return 0, 2 * rank
	}
	return 4 * ceilDiv(rank, p.group(rank)), quant.PackedBytes(rank, p.Bits)
}

func (p paluParams) group(rank int) int {
	if p.Group == 0 {
		return max(rank, 1)
	}
	return p.Group
}

// Capabilities implements Codec.
func (c *palu) Capabilities() Capabilities {
	return Capabilities{FixedRate: true, NeedsFit: true, PreRope: c.PreRope, KeyOnly: true,
		Streaming: "token"}
}

// A paluFit is what a state says.
type paluFit struct {
	state *State
	shape kv.Shape
	spans []span
	bases []basis
	at    []paluSizes // scales and codes of a token in all spans before
}

func (c *palu) settings() []int {
	return []int{c.Heads, int(math.Round(c.Rank * 1e6)), asInt(c.PreRope)}
}

// State implements Stateful.
func (c *palu) State() *State {
	if c.fit == nil {
		return nil
	}
	return c.fit.state
}

// Fit implements Fitter. The state is, behind its head, per group of heads the mean in float32 and
// the directions, with the Hadamard matrix in them, by rows in binary16.
func (c *palu) Fit(caches []kv.Tensor) (Codec, error) {
	src, err := newFitSource(caches, c.PreRope)
	if err != nil {
		return nil, err
	}
	shape := caches[0].Shape
	spans := c.appendSpans(nil, shape)
	for _, s := range spans {
		if p := s.channels(shape); p > pcaWidest {
			return nil, fmt.Errorf("%w: rows of %d channels, want at most %d: group fewer heads",
				ErrUnsupported, p, pcaWidest)
		}
	}
	parts := make([][]byte, len(spans))
	kern.Parallel(len(spans), func(i int) {
		var w lowrank.Workspace
		mean := src.mean(spans[i])
		_, directions := src.principal(spans[i], mean, &w)
		rank := c.rank(len(mean))
		spread(directions[:rank*len(mean)], rank)
		parts[i] = appendHalves(appendFloats(nil, mean), roundedHalves(directions[:rank*len(mean)]))
	})
	state := appendStateHead(nil, "palu", shape, c.settings()...)
	for _, p := range parts {
		state = append(state, p...)
	}
	return c.WithState(state)
}

// spread multiplies directions, by rows, by a Hadamard matrix from the left, so that every latent
// channel gets a share of each.
func spread(directions []float64, rank int) {
	if rank == 0 {
		return
	}
	width := len(directions) / rank
	h := rotate.NewHadamard(rank, 0, false)
	column := make([]float32, rank)
	for c := range width {
		for k := range column {
			column[k] = float32(directions[k*width+c])
		}
		h.Forward(column)
		for k, x := range column {
			directions[k*width+c] = float64(x)
		}
	}
}

// WithState implements Fitter.
func (c *palu) WithState(state []byte) (Codec, error) {
	r := &frameReader{b: state}
	f := &paluFit{shape: readStateHead(r, "palu", c.settings()...)}
	if r.err == nil && f.shape.Layers*f.shape.Heads > len(state) {
		r.fail("cut short")
	}
	if r.err != nil {
		return nil, r.err
	}
	f.spans = c.appendSpans(nil, f.shape)
	var sum paluSizes
	for _, s := range f.spans {
		width := s.channels(f.shape)
		mean := r.floats(width)
		up := r.halves(c.rank(width) * width)
		if r.err != nil {
			return nil, r.err
		}
		f.bases, f.at = append(f.bases, newBasis(mean, up)), append(f.at, sum)
		scales, codes := c.rowBytes(c.rank(width))
		sum.scales += scales
		sum.codes += codes
	}
	if r.at != len(state) {
		r.fail("%d bytes left over", len(state)-r.at)
		return nil, r.err
	}
	f.state = NewState(bytes.Clone(state))
	return &palu{c.paluParams, f, c.workers}, nil
}

// paluSizes are the bytes of a payload's runs, but for raw groups.
type paluSizes struct{ modes, scales, codes int }

// sizes returns those of a tensor, whose groups of heads are spans.
func (p *paluParams) sizes(shape kv.Shape, spans []span) paluSizes {
	n := paluSizes{modes: len(spans)}
	for _, s := range spans {
		a, b := p.rowBytes(p.rank(s.channels(shape)))
		n.scales += a * shape.Tokens
		n.codes += b * shape.Tokens
	}
	return n
}

// PredictedBytes implements Sizer.
func (c *palu) PredictedBytes(head kv.Tensor) int {
	n := c.sizes(head.Shape, c.appendSpans(nil, head.Shape))
	return n.modes + n.scales + n.codes
}

// AppendCompress implements Codec.
func (c *palu) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if c.fit == nil {
		return dst, ErrUnfitted
	}
	turn, err := fittedTurner(src, c.fit.shape, c.PreRope)
	if err != nil {
		return dst, err
	}
	n, base := c.sizes(src.Shape, c.fit.spans), len(dst)
	dst = growBytes(dst, n.modes+n.scales+n.codes)
	c.call(src, turn, n, dst[base:], false)
	return appendRawSpans(dst, base, src, c.fit.spans), nil
}

// cut returns the runs of a payload.
func (n paluSizes) cut(b []byte) (modes, scales, codes []byte) {
	return b[:n.modes], b[n.modes : n.modes+n.scales], b[n.modes+n.scales : n.modes+n.scales+n.codes]
}

// Decompress implements Codec.
func (c *palu) Decompress(dst kv.Tensor, src []byte) error {
	if c.fit == nil {
		return ErrUnfitted
	}
	turn, err := fittedBackTurner(dst, c.fit.shape, c.PreRope)
	if err != nil {
		return err
	}
	n := c.sizes(dst.Shape, c.fit.spans)
	if err := restoreRawSpans(dst, c.fit.spans, src, n.modes+n.scales+n.codes); err != nil {
		return err
	}
	if !c.call(dst, turn, n, src, true) {
		return corrupt("palu: a scale or latent that no group has")
	}
	return nil
}

// AppendSections implements Sectioner.
func (c *palu) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	n := c.sizes(head.Shape, c.appendSpans(nil, head.Shape))
	return n.sections(dst, payload)
}

func (n paluSizes) sections(dst []Section, payload []byte) ([]Section, error) {
	raw := len(payload) - n.modes - n.scales - n.codes
	if raw < 0 {
		return dst, corrupt("%d bytes, want %d at least", len(payload), n.modes+n.scales+n.codes)
	}
	return append(dst, Section{Header, n.modes}, Section{Scales, n.scales}, Section{Codes, n.codes},
		Section{Raw, raw}), nil
}
