package compressors

import (
	"fmt"
	"slices"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// ggml is llama.cpp's cache types: blocks of 32 channels, byte for byte what the project's
// reference quantisers write (ggml-quants.c, quantize_row_*_ref), so codes come from the scale
// before it is rounded to binary16, and q8_0 rounds half away from zero:
//
//	q8_0   d f16, 32 × int8               d = max|x|/127         x' = q·d
//	q4_0   d f16, 16 bytes                d = x of max|x| / -8   x' = (q-8)·d
//	q4_1   d f16, m f16, 16 bytes         d = (max-min)/15       x' = q·d + m
//	q5_0   d f16, 32 bits, 16 bytes       d = x of max|x| / -16  x' = (q-16)·d
//	q5_1   d f16, m f16, 32 bits, 16 bytes   d = (max-min)/31    x' = q·d + m
//
// Byte i of the 16 holds the low four bits of value i in its low half and those of value i+16
// in its high half; bit i of the 32 is the fifth bit of value i. The payload is the blocks:
// keys then values; layer, head, token, channel.
//
// As in llama.cpp, a head dimension that 32 does not divide is refused. Departures: where a
// bfloat16 cache has a scale that binary16 cannot hold, that is an error instead of an infinity,
// and a block so small that 1/d overflows becomes zeros. rot=true is ggmlRows.
type ggml struct{ quant.Block }

// rotDeviation is where rot=true departs from llama.cpp.
const rotDeviation = "with rot=true keys and values are turned back on reading, where llama.cpp turns " +
	"queries and outputs"

func init() {
	for _, b := range []struct {
		block quant.Block
		name  string
		doc   string
	}{
		{quant.Q8_0, "q8_0", "llama.cpp's 8-bit blocks of 32, 8.5 bits a value"},
		{quant.Q4_0, "q4_0", "llama.cpp's 4-bit blocks of 32, 4.5 bits a value"},
		{quant.Q4_1, "q4_1", "llama.cpp's 4-bit blocks of 32 with a minimum, 5 bits a value"},
		{quant.Q5_0, "q5_0", "llama.cpp's 5-bit blocks of 32, 5.5 bits a value"},
		{quant.Q5_1, "q5_1", "llama.cpp's 5-bit blocks of 32 with a minimum, 6 bits a value"},
	} {
		Register(registry.Family[Codec, ggmlParams]{
			Name: b.name, Doc: b.doc, Source: "llama.cpp, ggml-quants.c", Tags: []string{"quantiser"},
			Variants: []ggmlParams{{Rot: true}},
			New: func(p ggmlParams) (Codec, error) {
				if !p.Rot {
					return &ggml{b.block}, nil
				}
				return newGGMLRows(ggmlBlocks{block: b.block, bytes: b.block.Bytes(),
					scales: b.block.ScaleBytes(), rot: true}), nil
			},
		})
	}
	for _, r := range []struct {
		name       string
		bits, nmse float64
		when       string
	}{
		{"q8_0", 8.5, 2.86e-5, "llama.cpp reads the cache, and it should be nearly exact"},
		{"q4_0", 4.5, .00740, "llama.cpp reads the cache"},
		{"q4_1", 5, .00613, "llama.cpp reads the cache, and values are not centred"},
		{"q5_0", 5.5, .00182, "llama.cpp reads the cache"},
		{"q5_1", 6, .00143, "llama.cpp reads the cache, and values are not centred"},
	} {
		Certify(r.name, Certificate{
			Deviations: []string{
				"a scale that binary16 cannot hold is an error instead of an infinity",
				"a block so small that 1/d overflows becomes zeros",
				rotDeviation,
			},
			Anchors: OnWhite(Independently, WhiteRow{Spec: r.name, Bits: r.bits, NMSE: r.nmse},
				WhiteRow{Spec: r.name + ":rot=true", Bits: r.bits, NMSE: r.nmse}),
			UseWhen: r.when,
		})
	}
}

// Capabilities implements Codec.
func (c *ggml) Capabilities() Capabilities {
	return Capabilities{FixedRate: true, KeyOnly: true, Streaming: "token"}
}

// PredictedBytes implements Sizer.
func (c *ggml) PredictedBytes(head kv.Tensor) int { return c.blocks(head) * c.Bytes() }

func (c *ggml) blocks(t kv.Tensor) int {
	return (t.Elements(kv.K) + t.Elements(kv.V)) / quant.BlockSize
}

// AppendSections implements Sectioner. Scales and codes alternate: the sizes are totals.
func (c *ggml) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	scales := c.blocks(head) * c.ScaleBytes()
	return append(dst, Section{Scales, scales}, Section{Codes, len(payload) - scales}), nil
}

// AppendCompress implements Codec.
func (c *ggml) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if err := checkBlocks(src); err != nil {
		return dst, err
	}
	base, size := len(dst), c.PredictedBytes(src)
	dst = slices.Grow(dst, size)[:base+size]
	out := dst[base:]
	for _, side := range kv.Sides {
		if src.Dim(side) == 0 {
			continue
		}
		for l := range src.Layers {
			for h := range src.Heads {
				plane := src.Plane(side, l, h)
				n, ok := c.Compress(src.DType, out, plane)
				if !ok {
					err := fmt.Errorf("%w: the scale of a block is more than binary16 holds, in %v, "+
						"layer %d, head %d, token %d", ErrNonFinite, side, l, h, n/src.Dim(side))
					return dst[:base], nonFiniteOr(src, err)
				}
				out = out[len(plane)/quant.BlockSize*c.Bytes():]
			}
		}
	}
	return dst, nil
}

// Decompress implements Codec.
func (c *ggml) Decompress(dst kv.Tensor, src []byte) error {
	if err := checkBlocks(dst); err != nil {
		return corrupt("%v", err)
	}
	if want := c.PredictedBytes(dst); len(src) != want {
		return corrupt("%d bytes, want %d", len(src), want)
	}
	for _, side := range kv.Sides {
		if dst.Dim(side) == 0 {
			continue
		}
		for l := range dst.Layers {
			for h := range dst.Heads {
				plane := dst.Plane(side, l, h)
				if !c.Block.Decompress(dst.DType, plane, src) {
					return corrupt("the scale of a block in %v, layer %d, head %d is not finite", side, l, h)
				}
				src = src[len(plane)/quant.BlockSize*c.Bytes():]
			}
		}
	}
	return nil
}
