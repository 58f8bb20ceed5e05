package compressors

import (
	"fmt"
	"math/bits"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// exponent codes a cache without loss by its fields: exponents are few and uneven and get codes,
// what is nearly random stays as it is. The coded symbol is the exponent of a bfloat16, 8 bits,
// or sign and exponent of a binary16, 6 bits; raw are sign and fraction, 8 bits, or the fraction,
// 10 bits. That the exponent is what can be had of floats is DFloat11's finding (Zhang et al.,
// arXiv 2504.11651); what a cache adds is that each channel has its own magnitude. Tables per
// channel would cost what they gain, so channels of like mean exponent form classes, fewer in
// small layers, and a class shares a table.
//
// Fractions that end in zeros, as those of values computed in bfloat16 and held in binary16 do,
// lose these zeros. Subnormal numbers, infinities and NaNs, which would hide them, carry their
// last bits apart where that is shorter.
//
// Payload, for each layer of K, then of V:
//
//	u8         zeros at the end of the fractions, + 0x80 if special numbers' bits are apart
//	4 bits     class of each channel of each head; absent if classes=1
//	blocks     per class: the symbols of heads, tokens, channels, up to 131,072 a block
//	bits       the raw bits of heads, tokens, channels
//	u32, bits  if apart: bytes that follow; of the special numbers in this order, the bits in the
//	           place of the zeros
//
// A block is one of bytecode.AppendBlock; with coder=rans, a coded one holds a frequency table and
// eight interleaved rANS states instead of huff0's.
type exponent struct {
	classes int
	rans    bool
}

type exponentParams struct {
	Classes int    `param:"classes" doc:"tables per layer, shared by channels of like mean exponent"`
	Coder   string `param:"coder" doc:"rans, near the entropy, or huff0, faster"`
}

const maxExponentClasses = 16

func init() {
	Register(registry.Family[Codec, exponentParams]{
		Name: "lossless_exp", Doc: "codes for exponents, with tables for classes of channels",
		Source: "this repository; DFloat11, arXiv 2504.11651", Tags: []string{"lossless"},
		Defaults: exponentParams{8, "rans"},
		Variants: []exponentParams{{8, "huff0"}, {1, "rans"}, {1, "huff0"}},
		New: func(p exponentParams) (Codec, error) {
			c, err := p.coder()
			return byLayers(c), err
		},
	})
	Certify("lossless_exp", Certificate{
		Deviations: []string{"DFloat11 codes weights, one table each; here channels of like mean exponent " +
			"share tables, made of the cache itself"},
		Anchors: []Anchor{
			exactOn(White, byDefinition, Oracle), exactOn(WhiteBF16, byDefinition, Oracle),
			entropyOn(White, 3.5448+10), entropyOn(WhiteBF16, 2.5448+8),
			smolRatio("lossless_exp", SmolLM2BF16, 1.51), smolRatio("lossless_exp", SmolLM2F16, 1.17),
			smolRatio("lossless_exp", SmolLM2BF16InF16, 1.5),
			smolRatio("lossless_exp:coder=huff0", SmolLM2BF16, 1.5),
			smolRatio("lossless_exp:coder=huff0", SmolLM2F16, 1.16),
			smolRatio("lossless_exp:classes=1", SmolLM2BF16, 1.48),
		},
		UseWhen: "not a bit may change, and every byte counts: the smallest of the lossless codecs",
	})
}

func (p exponentParams) coder() (exponent, error) {
	if p.Classes < 1 || p.Classes > maxExponentClasses {
		return exponent{}, fmt.Errorf("classes is %d, want 1 to %d", p.Classes, maxExponentClasses)
	}
	if p.Coder != "rans" && p.Coder != "huff0" {
		return exponent{}, fmt.Errorf("coder is %q, want rans or huff0", p.Coder)
	}
	return exponent{p.Classes, p.Coder == "rans"}, nil
}

// Capabilities implements Codec.
func (exponent) Capabilities() Capabilities {
	return Capabilities{Lossless: true, KeyOnly: true, Streaming: "layer"}
}

// workBytes implements worker: the symbols of a layer.
func (exponent) workBytes(head kv.Tensor) int {
	return max(layerBytes(head, kv.K), layerBytes(head, kv.V)) / 2
}

// A field says how patterns of a type divide.
type field struct {
	fraction uint   // bits of the fraction; what is above them is the symbol
	raw      uint   // raw bits of a value: the fraction, and of bfloat16 the sign
	top      uint16 // the greatest exponent: infinities and NaNs
}

func fieldOf(d kv.DType) field {
	if d == kv.BF16 {
		return field{fraction: 7, raw: 8, top: 0xff}
	}
	return field{fraction: 10, raw: 10, top: 0x1f}
}

// special says whether b is zero, subnormal, infinite or NaN.
func (f field) special(b uint16) bool {
	e := b >> f.fraction & f.top
	return e == 0 || e == f.top
}

// apart flags that special numbers' last bits follow.
const exponentApart = 0x80

// zeros returns how many bits at the end of all fractions of a layer are zero, and whether the
// special numbers are not among them.
func (f field) zeros(src kv.Tensor, side kv.Side, layer int) (n uint, apart bool) {
	ordinary, all, specials, values := uint16(1)<<f.fraction, uint16(0), 0, 0
	for h := range src.Heads {
		plane := src.Plane(side, layer, h)
		values += len(plane)
		for _, b := range plane {
			all |= b
			if f.special(b) {
				specials++
			} else if ordinary |= b; ordinary&1 != 0 {
				return 0, false // ordinary caches end here, after a few values
			}
		}
	}
	n = uint(bits.TrailingZeros16(ordinary))
	if k := uint(bits.TrailingZeros16(all | ordinary)); k < n {
		if uint(specials)*n >= uint(values)*(n-k) {
			return k, false
		}
		return n, true
	}
	return n, false
}

// check implements layerCoder.
func (exponent) check(kv.Tensor) error { return nil }

// appendLayer implements layerCoder.
func (c exponent) appendLayer(dst []byte, src kv.Tensor, side kv.Side, layer int) []byte {
	s := newExponentScratch(src, side)
	defer s.release()
	return c.appendFields(dst, src, side, layer, s)
}

func (c exponent) appendFields(dst []byte, src kv.Tensor, side kv.Side, l int,
	s *exponentScratch) []byte {
	f := fieldOf(src.DType)
	zeros, apart := f.zeros(src, side, l)
	mark := byte(zeros)
	if apart {
		mark |= exponentApart
	}
	dst = append(dst, mark)
	s.classify(src, side, l, c.classes)
	dst = s.appendClasses(dst, c.classes)
	s.order(src.Heads, c.classes)
	s.gather(src, side, l, func(_ int, dst []byte, src []uint16) { kern.TakeFields(dst, src, f.fraction) })
	dst = c.appendSymbols(dst, src.Tokens, s)
	dst = f.appendRaw(dst, src, side, l, zeros)
	if apart {
		dst = f.appendApart(dst, src, side, l, zeros)
	}
	return dst
}

// appendSymbols appends the blocks of all classes.
func (c exponent) appendSymbols(dst []byte, tokens int, s *exponentScratch) []byte {
	at := 0
	for k := range c.classes {
		end := at + s.size[k]*tokens
		dst = c.appendBlocks(dst, s.symbols[at:end], s)
		at = end
	}
	return dst
}
