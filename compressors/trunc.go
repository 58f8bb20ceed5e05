package compressors

import (
	"fmt"
	"sync"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// trunc rounds the last bits of every fraction away, to nearest even, and codes what is left
// without loss: the simplest error-bounded codec there is, relative error at most 2^-(8-bits) in
// bfloat16 and 2^-(11-bits) in binary16 for normal numbers. Serving projects put the like of it
// before DEFLATE in hardware (LMCache's serde for Intel QuickAssist, 1 to 3 bits).
//
// Values that would round to infinity are cut instead. Departure: the coder is one of this
// package's instead of DEFLATE, lossless_split's byte planes or lossless_exp's fields, which drops
// the zeros altogether.
//
// Payload: that of the coder.
type trunc struct {
	bits uint
	next layerCoder
}

type truncParams struct {
	Bits  int    `param:"bits" doc:"fraction bits that are rounded away, 1 to 6"`
	Coder string `param:"coder" doc:"what codes the rest: split (lossless_split) or exp (lossless_exp)"`
}

func init() {
	Register(registry.Family[Codec, truncParams]{
		Name: "trunc", Doc: "fractions rounded to fewer bits, then coded without loss",
		Source: "LMCache, serde for Intel QuickAssist, pull request 4264", Tags: []string{"quantiser"},
		Defaults: truncParams{3, "split"},
		Variants: []truncParams{{1, "split"}, {6, "split"}, {3, "exp"}},
		New: func(p truncParams) (Codec, error) {
			if p.Bits < 1 || p.Bits > 6 {
				return nil, fmt.Errorf("bits is %d, want 1 to 6", p.Bits)
			}
			switch p.Coder {
			case "split":
				return byLayers(trunc{uint(p.Bits), split{}}), nil
			case "exp":
				return byLayers(trunc{uint(p.Bits), exponent{classes: 8, rans: true}}), nil
			}
			return nil, fmt.Errorf("coder is %q, want split or exp", p.Coder)
		},
	})
	Certify("trunc", Certificate{
		Deviations: []string{
			"the coder is lossless_split's or lossless_exp's, where LMCache has DEFLATE",
			"bits are rounded away to nearest even, where LMCache sets them to zero",
		},
		Anchors: []Anchor{
			truncError("trunc:bits=1", White, 2.589e-7), truncError("trunc", White, 2.849e-6),
			truncError("trunc:bits=6", White, 1.766e-4), truncError("trunc", WhiteBF16, 1.820e-4),
			{Spec: "trunc:coder=exp", Measure: BitsPerValue, Source: White, Want: 3.5448 + 7, Within: .05,
				Basis: Rate, From: "the entropy of sign and exponent, and seven bits of the fraction"},
		},
		UseWhen: "the relative error of every value has to be bounded",
	})
}

func truncError(spec string, source Source, want float64) Anchor {
	return Anchor{Spec: spec, Source: source, Measure: NMSE, Want: want, Within: nmseTolerance * want,
		Basis: Oracle, From: Independently}
}

// Capabilities implements Codec.
func (trunc) Capabilities() Capabilities {
	return Capabilities{KeyOnly: true, Streaming: "layer"}
}

// workBytes implements worker.
func (c trunc) workBytes(head kv.Tensor) int {
	if w, ok := c.next.(worker); ok {
		return w.workBytes(head)
	}
	return 0
}

var truncPool = sync.Pool{New: func() any { return new([]uint16) }}

// check implements layerCoder.
func (trunc) check(src kv.Tensor) error { return checkFinite(src) }

// appendLayer implements layerCoder.
func (c trunc) appendLayer(dst []byte, src kv.Tensor, side kv.Side, layer int) []byte {
	buf := truncPool.Get().(*[]uint16)
	defer truncPool.Put(buf)
	*buf = growTo(*buf, src.Elements(side)/src.Layers)
	one := kv.Tensor{Shape: src.Shape, DType: src.DType, Stride: src.Tokens}
	one.Layers, one.Bits[side] = 1, *buf
	for h := range src.Heads {
		c.round(one.Plane(side, 0, h), src.Plane(side, layer, h), src.DType)
	}
	return c.next.appendLayer(dst, one, side, 0)
}

// round writes src to dst with the last bits of fractions rounded away. A carry into the exponent
// is what rounding up to a power of two needs.
func (c trunc) round(dst, src []uint16, d kv.DType) {
	inf, low := uint16(0x7c00), uint16(1)<<c.bits-1
	if d == kv.BF16 {
		inf = 0x7f80
	}
	half := low >> 1
	n := kern.Truncate(dst, src, c.bits, inf)
	dst, src = dst[n:], src[n:]
	for i, b := range src {
		r := b + half + b>>c.bits&1
		if r&0x7fff >= inf {
			r = b
		}
		dst[i] = r &^ low
	}
}

// afterLayer implements layerCoder.
func (c trunc) afterLayer(head kv.Tensor, side kv.Side, src []byte) (rest []byte, ok bool) {
	return c.next.afterLayer(head, side, src)
}

// readLayer implements layerCoder.
func (c trunc) readLayer(dst kv.Tensor, side kv.Side, layer int, src []byte) bool {
	return c.next.readLayer(dst, side, layer, src)
}

// AppendSections implements Sectioner.
func (c trunc) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	return c.next.AppendSections(dst, head, payload)
}
