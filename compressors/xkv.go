package compressors

import (
	"fmt"
	"math"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// xkv is xKV (Chang et al., arXiv 2503.18893, section 4): the keys of neighbouring layers, as they were
// before rotation, stand side by side, a row of all their heads per token, and so do their values; the
// truncated singular value decomposition of this request's rows gives them one basis of tokens to
// share, and each layer its right factor. The receiver multiplies, and turns keys back.
//
// Departures: the decomposition is exact up to rounding, where the authors' is randomised; factors
// beyond binary16 leave their layers in 16 bits, which comes on top of the payload.
//
// Payload: keys then values, groups of layers, in this order in each run: a byte per group that says
// how it is kept; per group the tokens' factor with singular values in it, by token, and the layers'
// factors, by rows, in binary16; the 16-bit patterns of raw groups. Bits per value of S tokens in rows
// of p channels: 16·r·(S + p)/(S·p), r being rank·p, at most S.
type xkv struct{ xkvParams }

type xkvParams struct {
	Layers    int     `param:"layers" doc:"that share a basis; the last group may be smaller"`
	KeyRank   float64 `param:"key_rank" doc:"rank as a share of a row's channels, of keys"`
	ValueRank float64 `param:"value_rank" doc:"the same of values"`
	PreRope   bool    `param:"prerope" doc:"take keys as they were before rotation"`
}

// xkvWidest bounds the shorter side of the rows of a group: a decomposition takes its cube.
const xkvWidest = 2048

func init() {
	Register(registry.Family[Codec, xkvParams]{
		Name: "xkv", Doc: "xKV: one basis of tokens for the rows of neighbouring layers, of low rank",
		Source: "Chang et al., arXiv 2503.18893", Tags: []string{"low rank"},
		Defaults: xkvParams{Layers: 4, KeyRank: .125, ValueRank: .1875, PreRope: true},
		Variants: []xkvParams{{Layers: 1, KeyRank: .5, ValueRank: .5}},
		New: func(p xkvParams) (Codec, error) {
			if p.Layers < 1 {
				return nil, fmt.Errorf("layers is %d, want 1 or more", p.Layers)
			}
			if !(p.KeyRank > 0 && p.KeyRank <= 1) || !(p.ValueRank > 0 && p.ValueRank <= 1) {
				return nil, fmt.Errorf("ranks are %v and %v, want more than 0, at most 1", p.KeyRank, p.ValueRank)
			}
			return bySpans(&xkv{p}), nil
		},
	})
	g := &graded{db: 60, layers: 4, heads: 2,
		shape: kv.Shape{Layers: 4, Heads: 2, Tokens: 512, KeyDim: 32, ValueDim: 32}}
	const spec = "xkv:key_rank=0.5,value_rank=0.5"
	Certify("xkv", Certificate{
		Deviations: []string{"the decomposition is exact, where the authors' is randomised"},
		Anchors: []Anchor{
			{Spec: spec, Source: g.source(), Measure: BitsPerValue, Want: 16 * 128 * (512 + 256) / (512 * 256.),
				Within: .001, Basis: Rate, From: "factors of rank 128 for rows of 256 channels, 512 tokens"},
			{Spec: spec, Source: g.source(), Measure: errorOverVariance, Want: g.tail(127), Bound: AtMost,
				Basis: Oracle, From: "variance beyond rank 127: means take one more direction"},
		},
		Beyond: []Claim{{Says: "up to 6.8 × the compression of the best technique across layers, RULER " +
			"(abstract, version 1; 8 × in version 2)",
			Takes: "long contexts of Llama 3.1 and Qwen 2.5 on a GPU"}},
		UseWhen: "neighbouring layers are alike and requests are much longer than rows are wide",
	})
}

// Capabilities implements Codec.
func (c *xkv) Capabilities() Capabilities {
	return Capabilities{FixedRate: true, PreRope: c.PreRope, KeyOnly: true, Streaming: "tensor"}
}

func (c *xkv) appendSpans(dst []span, shape kv.Shape) []span {
	dst = appendSpans(dst, shape, kv.K, c.Layers, shape.Heads)
	return appendSpans(dst, shape, kv.V, c.Layers, shape.Heads)
}

// rank returns that of a group's rows, and their width.
func (c *xkv) rank(shape kv.Shape, s span) (rank, width int) {
	share := c.KeyRank
	if s.side == kv.V {
		share = c.ValueRank
	}
	width = s.channels(shape)
	return min(max(1, int(math.Round(share*float64(width)))), width, shape.Tokens), width
}

// check implements spanCoder.
func (c *xkv) check(shape kv.Shape, spans []span) error {
	for _, s := range spans {
		if n := min(shape.Tokens, s.channels(shape)); n > xkvWidest {
			return fmt.Errorf("%w: a decomposition of rank %d, want at most %d: share fewer layers",
				ErrUnsupported, n, xkvWidest)
		}
	}
	return nil
}

// sizes implements spanCoder.
func (c *xkv) sizes(shape kv.Shape, s span) payloadRuns {
	rank, width := c.rank(shape, s)
	return payloadRuns{2 * rank * (shape.Tokens + width)}
}

// compress implements spanCoder.
func (c *xkv) compress(w *onlineScratch, src kv.Tensor, s span, turn *keyTurner, out [3][]byte) byte {
	rank, width := c.rank(src.Shape, s)
	w.rows = growTo(w.rows, src.Tokens*width)
	s.load(w.rows, src, 0, src.Tokens, turn, &w.palu.span)
	if squares(w.rows) == 0 {
		return pcaZero
	}
	w.left, w.right = growTo(w.left, src.Tokens*rank), growTo(w.right, rank*width)
	w.work.Top(w.rows, src.Tokens, width, rank, w.left, w.right)
	if !putHalves(out[0], w.left) || !putHalves(out[0][2*len(w.left):], w.right) {
		return pcaRaw
	}
	return pcaCoded
}

// restore implements spanCoder.
func (c *xkv) restore(w *onlineScratch, dst kv.Tensor, s span, turn *keyTurner, in [3][]byte) bool {
	rank, width := c.rank(dst.Shape, s)
	w.latent = growTo(w.latent, rank*(dst.Tokens+width))
	for k := range w.latent {
		x, ok := getHalf(in[0][2*k:])
		if !ok {
			return false
		}
		w.latent[k] = x
	}
	w.rows = growTo(w.rows, dst.Tokens*width)
	clear(w.rows)
	left, right := w.latent[:dst.Tokens*rank], w.latent[dst.Tokens*rank:]
	kern.AddProducts(w.rows, left, right, rank, width)
	s.store(dst, w.rows, 0, dst.Tokens, turn, &w.palu.span)
	return true
}

// AppendSections implements Sectioner. Kinds alternate: the sizes are totals.
func (c *xkv) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	spans, codes, tables := c.appendSpans(nil, head.Shape), 0, 0
	for _, s := range spans {
		rank, width := c.rank(head.Shape, s)
		codes += 2 * rank * head.Tokens
		tables += 2 * rank * width
	}
	return appendSpanSections(dst, payload, Section{Header, len(spans)}, Section{Codes, codes},
		Section{Tables, tables})
}
