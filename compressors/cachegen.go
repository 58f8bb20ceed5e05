package compressors

import (
	"fmt"
	"slices"

	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// cacheGen is CacheGen (Liu et al., SIGCOMM 2024, arXiv 2310.07240, section 5) as the paper has it;
// cachegen_lmcache is what its authors ship. Tokens are cut into chunks, chunks into groups of 10
// tokens. A group's first token is its anchor: 8 bits a value, with a scale for its row, which is
// what it has in all heads of a layer. The others are kept as differences from the anchor, not from
// one another, so that they decode independently. Differences are rounded to bins that grow with the
// layer: those of the first third of the layers are 0.5 wide, of the second 1, of the last 1.5. All
// codes are entropy-coded, with one distribution per layer and channel for anchors and one for
// differences, fitted once and shared out of band.
//
// Departures. Bins are in units of the fitted deviation of the differences of a layer's channel; the
// thirds are ⌊L/3⌋ layers, the last has the rest. Differences are from the anchor as it comes back.
// rANS takes the place of the arithmetic coder. Distributions are counts, to which a little of a
// heavy-tailed curve of their mean and deviation is added, so that what the calibration never met can
// be coded. A difference beyond 31 bins is kept in 16 bits. Adapting the level to the link, and
// sending text instead, is for whoever chooses codecs.
//
// State: shape; per layer, keys then values, the width of every channel's bins, as float32; then
// every channel's table of anchors and of differences, in integers.
//
// Payload: the scales of anchors as float32 (keys then values, layer, token); per chunk, side and
// layer a stream behind its uvarint length; then the values kept in 16 bits. Symbols stand channel
// by channel, anchors first.
type cacheGen struct {
	cacheGenParams
	state *State
	to    fittedTo
	sides [2][]cacheGenLayer // per layer
}

type cacheGenParams struct {
	Group int     `param:"group" doc:"tokens that share an anchor"`
	Chunk int     `param:"chunk" doc:"tokens that are coded together"`
	Bin   float64 `param:"bin" doc:"width of the bins of the first third of layers, in deviations"`
}

// The alphabets: anchors are codes + cacheGenTop, differences levels + cacheGenMid or the escape.
const (
	cacheGenTop     = 127
	cacheGenAnchors = 2*cacheGenTop + 1
	cacheGenMid     = 31
	cacheGenEscape  = 2*cacheGenMid + 1
	cacheGenDeltas  = cacheGenEscape + 1
)

// cacheGenThirds are the widths of bins over that of the first third of layers.
var cacheGenThirds = [3]float64{1, 2, 3}

func init() {
	Register(registry.Family[Codec, cacheGenParams]{
		Name:     "cachegen",
		Doc:      "CacheGen as published: anchors, differences, fitted distributions per channel",
		Source:   "Liu et al., SIGCOMM 2024, arXiv 2310.07240",
		Tags:     []string{"quantiser", "entropy-coded", "fitted"},
		Defaults: cacheGenParams{Group: 10, Chunk: 1500, Bin: .5},
		Variants: []cacheGenParams{{Group: 10, Chunk: 128, Bin: .25}},
		New: func(p cacheGenParams) (Codec, error) {
			switch {
			case p.Chunk < 1 || p.Chunk > 1<<20:
				return nil, fmt.Errorf("chunk is %d, want 1 to 1048576", p.Chunk)
			case p.Group < 1 || p.Group > p.Chunk:
				return nil, fmt.Errorf("group is %d, want 1 to the chunk's %d", p.Group, p.Chunk)
			case !(p.Bin >= 1e-3 && p.Bin <= 1e3):
				return nil, fmt.Errorf("bin is %v, want 0.001 to 1000", p.Bin)
			}
			return &cacheGen{cacheGenParams: p}, nil
		},
	})
	anchors := func(spec string, bits, nmse float64) []Anchor {
		const from = "computed independently: squared error, and entropies of codes, 5·2^20 values"
		return []Anchor{
			{Spec: spec, Source: Drifting, Measure: NMSE, Want: nmse, Within: nmseTolerance * nmse, Basis: Oracle,
				From: from},
			{Spec: spec, Source: Drifting, Measure: BitsPerValue, Want: bits, Within: .02 * bits, Basis: Oracle,
				From: from},
		}
	}
	Certify("cachegen", Certificate{
		Deviations: []string{
			"bins are in units of the fitted deviation of the differences of a layer's channel",
			"the first two thirds of the layers are ⌊L/3⌋ each, the last has the rest",
			"differences are from the anchor as it comes back, so that errors do not add up",
			"rANS with tables of 15 bits takes the place of the arithmetic coder",
			"distributions are counts and a little of a heavy-tailed curve",
			"a difference beyond 31 bins is kept in 16 bits",
			"the level of a chunk does not follow the link: whoever chooses codecs sees to that",
		},
		Anchors: slices.Concat(anchors("cachegen", 2.7895, .06719),
			anchors("cachegen:bin=0.25", 3.6484, .01698), cacheGenClaim()),
		Beyond: []Claim{
			{"3.5 to 4.3 times smaller than with 8-bit quantisation at a negligible loss, on the paper's " +
				"models (arXiv 2310.07240, abstract)", "models of 7B to 70B and their benchmarks on a GPU"},
		},
		UseWhen: "a model's keys and values change little from token to token; measure that first",
	})
}

// cacheGenClaim is what the paper's abstract says, put to caches of a small model, where it does not
// hold. A loss is taken as negligible up to 2 % of perplexity.
func cacheGenClaim() []Anchor {
	const from = "arXiv 2310.07240, abstract: 3.5 to 4.3 times smaller than quantised to 8 bits at a " +
		"negligible loss"
	return []Anchor{
		{Source: SmolLM2BF16, Measure: UnderEightBits, Want: 3.9, Within: .4, Basis: Published, From: from,
			Departs: &Departure{2.95, .15, "differences between tokens vary more in SmolLM2's caches than " +
				"values about their means do, so that taking them costs bits"}},
		{Source: SmolLM2BF16, Measure: LnPPLRatio, Want: .02, Bound: AtMost, Basis: Published, From: from,
			Departs: &Departure{.1, .05, "bins of 0.5 to 1.5 deviations of differences err by a fifth of " +
				"the values' energy, which a model of 135M feels"}},
		{Spec: "cachegen:bin=0.125", Source: SmolLM2BF16, Measure: UnderEightBits, Want: 3.9, Within: .4,
			Basis: Published, From: from + "; here with bins narrow enough for that loss",
			Departs: &Departure{1.79, .1, "as above, where the loss is negligible"}},
		{Spec: "cachegen:bin=0.125", Source: SmolLM2BF16, Measure: LnPPLRatio, Want: .02, Bound: AtMost,
			Basis: Published, From: from + "; here with bins a quarter as wide"},
	}
}

// Capabilities implements Codec.
func (c *cacheGen) Capabilities() Capabilities {
	return Capabilities{NeedsFit: true, KeyOnly: true, Streaming: "group"}
}

// State implements Stateful.
func (c *cacheGen) State() *State { return c.state }

// anchors returns how many of n tokens are anchors.
func (c *cacheGen) anchors(n int) int {
	return n/c.Chunk*ceilDiv(c.Chunk, c.Group) + ceilDiv(n%c.Chunk, c.Group)
}

// bin returns the width of the bins of a layer in deviations.
func (c *cacheGen) bin(l, layers int) float64 {
	third := 2
	if n := layers / 3; n > 0 {
		third = min(l/n, 2)
	}
	return c.Bin * cacheGenThirds[third]
}

// scaleBytes returns the size of the scales of a tensor.
func (c *cacheGen) scaleBytes(t kv.Tensor) int {
	sides := 0
	for _, side := range kv.Sides {
		if t.Dim(side) > 0 {
			sides++
		}
	}
	return 4 * sides * t.Layers * c.anchors(t.Tokens)
}

// ready returns an error if the codec cannot take t.
func (c *cacheGen) ready(t kv.Tensor) error {
	if c.state == nil {
		return ErrUnfitted
	}
	return c.to.check(t)
}

// chunks returns into how many chunks n tokens are cut.
func (c *cacheGen) chunks(n int) int { return ceilDiv(n, c.Chunk) }
