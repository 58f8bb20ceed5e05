package compressors

import (
	"fmt"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// kvarn is KVarN (Müller et al., 2026, arXiv 2606.03458; Huawei's vLLM backend of that name). A tile is
// 128 tokens of a head. Its rows are rotated by Sylvester's Hadamard matrix, without signs; then the
// deviations of tokens and of channels are evened out by turns, 16 times, as Sinkhorn's algorithm
// evens out sums. What is left is quantised with a minimum and maximum per channel for keys and per
// token for values. Of the scales that undo all this, the one along those is merged with the
// quantiser's, so that
//
//	keys    x = (code·scale[channel] + zero[channel]) · scale[token]
//	values  x = (code·scale[token] + zero[token]) · scale[channel]
//
// with all five in binary16. The first 128 tokens of a sequence, and those that fill no tile, stay in
// 16 bits. The released presets are k4v2_g128, which is the default here, k4v4 and g64.
//
// Evening out, exactly: scales of tokens first, then of channels; a deviation is that of a sample, cut
// to [1e-3, 1e3]; a scale is cut to [e^-0.3, e^10]. Of the scales after each turn, and of none at all,
// those are kept whose largest deviation over the least, of tokens plus of channels, is least, the
// later in a tie.
//
// Departures: scales are multiplied where the authors add logarithms; codes come from the stored
// scales, not from those before rounding; any group and head dimension will do.
//
// Payload: keys then values, layer, head: for each tile the scales, the zeros, the scales of the other
// axis, the codes (keys channel by channel, values token by token); then the tokens that stay in 16
// bits. Bits per value of a tile of g tokens: bits + 32/g + 16/D for keys, bits + 32/D + 16/g for values.
type kvarn struct {
	kvarnParams
	workers int // 0 is one
}

type kvarnParams struct {
	KeyBits   int `param:"keys" doc:"width of a key's code, 2 to 8"`
	ValueBits int `param:"values" doc:"width of a value's code, 2 to 8"`
	Group     int `param:"group" doc:"tokens of a tile"`
	Turns     int `param:"turns" doc:"how often deviations are evened out"`
	Sink      int `param:"sink" doc:"first tokens of a sequence, kept in 16 bits"`
}

func init() {
	Register(registry.Family[Codec, kvarnParams]{
		Name:     "kvarn",
		Doc:      "KVarN: Hadamard, then even deviations of tokens and channels in tiles; 4-bit keys, 2-bit values",
		Source:   "Müller et al., arXiv 2606.03458; huawei-csl/KVarN on GitHub",
		Tags:     []string{"quantiser"},
		Defaults: kvarnParams{KeyBits: 4, ValueBits: 2, Group: 128, Turns: 16, Sink: 128},
		Variants: []kvarnParams{{4, 4, 64, 16, 64}, {KeyBits: 4, ValueBits: 2, Group: 50, Turns: 8}},
		New: func(p kvarnParams) (Codec, error) {
			for name, bits := range map[string]int{"keys": p.KeyBits, "values": p.ValueBits} {
				if bits < 2 || bits > 8 {
					return nil, fmt.Errorf("%s is %d, want 2 to 8 bits", name, bits)
				}
			}
			switch {
			case p.Group < 2 || p.Group > 1<<12:
				return nil, fmt.Errorf("group is %d, want 2 to 4096", p.Group)
			case p.Turns < 0 || p.Turns > 1000:
				return nil, fmt.Errorf("turns is %d, want 0 to 1000", p.Turns)
			case p.Sink < 0:
				return nil, fmt.Errorf("sink is %d, want 0 or more", p.Sink)
			}
			return &kvarn{kvarnParams: p}, nil
		},
	})
	Certify("kvarn", Certificate{
		Deviations: []string{
			"scales are multiplied where the authors add logarithms",
			"codes come from the stored scales, not from those before rounding to binary16",
			"any group and any head dimension will do: Hadamard's matrix then has blocks of the largest power " +
				"of two that divides it",
		},
		Anchors: append(OnWhite("computed independently, from 2^20 values and by the authors' formulas",
			WhiteRow{Spec: "kvarn:sink=0", Bits: 3.375, Keys: .00979, Values: .2462},
			WhiteRow{Spec: "kvarn:sink=0,values=4", Bits: 4.375, Keys: .00979, Values: .00979}),
			Anchor{Spec: "kvarn:sink=0", Measure: BytesPerTokenHead, Want: 13824. / 128, Basis: Published,
				From: "bytes of a tile of the released k4v2_g128, by its layout (26880 at 256 channels)"}),
		Beyond: []Claim{
			{"accuracy of 16 bits on AIME 2025 with 3 to 5 times the capacity, Qwen3-32B (arXiv 2606.03458, and " +
				"the authors' repository)", "a model of 32B on GPUs"},
		},
		UseWhen: "2-bit values and 4-bit keys must do without a calibration, and compress time does not matter",
	})
}

// Capabilities implements Codec.
func (c *kvarn) Capabilities() Capabilities {
	return Capabilities{FixedRate: true, KeyOnly: true, Streaming: "group"}
}

// sinks returns how many tokens at the front stay in 16 bits, tiles how many tiles follow.
func (c *kvarn) sinks(t kv.Tensor) int {
	n := 0
	for n < min(t.Tokens, c.Sink) && int(t.Meta.Position(n)) < c.Sink {
		n++
	}
	return n
}

func (c *kvarn) tiles(t kv.Tensor) int { return (t.Tokens - c.sinks(t)) / c.Group }

// A kvarnTile is how a tile is laid out: it has rows of columns values, keys the channels as rows.
type kvarnTile struct{ rows, columns, bits int }

func (c *kvarn) tile(side kv.Side, dim int) kvarnTile {
	if side == kv.K {
		return kvarnTile{dim, c.Group, c.KeyBits}
	}
	return kvarnTile{c.Group, dim, c.ValueBits}
}

func (y kvarnTile) scales() int { return 2 * (2*y.rows + y.columns) }
func (y kvarnTile) codes() int  { return quant.PackedBytes(y.rows*y.columns, y.bits) }

// sizes returns the bytes of scales, codes and raw tokens.
func (c *kvarn) sizes(t kv.Tensor) (scales, codes, raw int) {
	tiles := c.tiles(t)
	for _, side := range kv.Sides {
		dim, planes := t.Dim(side), t.Layers*t.Heads
		if dim == 0 {
			continue
		}
		y := c.tile(side, dim)
		scales += planes * tiles * y.scales()
		codes += planes * tiles * y.codes()
		raw += planes * 2 * dim * (t.Tokens - tiles*c.Group)
	}
	return scales, codes, raw
}

// PredictedBytes implements Sizer.
func (c *kvarn) PredictedBytes(head kv.Tensor) int {
	scales, codes, raw := c.sizes(head)
	return scales + codes + raw
}

// AppendSections implements Sectioner. Kinds alternate: the sizes are totals.
func (c *kvarn) AppendSections(dst []Section, head kv.Tensor, _ []byte) ([]Section, error) {
	scales, codes, raw := c.sizes(head)
	return append(dst, Section{Scales, scales}, Section{Codes, codes}, Section{Raw, raw}), nil
}

// spread implements spreader.
func (c *kvarn) spread(workers int) Codec { return &kvarn{c.kvarnParams, workers} }

// AppendCompress implements Codec.
func (c *kvarn) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if err := checkFinite(src); err != nil {
		return dst, err
	}
	return compressPlanes(dst, c, c.workers, src)
}

// Decompress implements Codec.
func (c *kvarn) Decompress(dst kv.Tensor, src []byte) error {
	return restorePlanes(dst, c, c.workers, src)
}
