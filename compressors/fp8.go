package compressors

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// fp8 casts every value to an 8-bit float, E4M3 or E5M2 (Micikevicius et al., arXiv 2209.05433),
// rounded to nearest even with subnormals, saturated at the largest number: 448 or 57344. It is
// what serving engines offer first for their caches.
//
//	scale=none    the plain cast, scale 1: an engine's default without calibration
//	scale=tensor  a scale per layer and side, as engines keep them (k_scale, v_scale), here
//	              measured on the cache itself
//	scale=head    a scale per head of a layer
//	scale=token   a scale per token of a head
//
// A scale is float32(amax/largest); the code is that of x·float32(1/scale). Payload:
//
//	codes of K, codes of V     one byte a value: layer, head, token, channel
//	scales of K, scales of V   float32, in the order of their groups
//
// Bits per value: 8 + 32/group.
type fp8 struct {
	format *quant.Float8
	unit   string
}

type fp8Params struct {
	Scale string `param:"scale" doc:"what shares a float32 scale: none, tensor, head or token"`
}

func init() {
	for _, f := range []struct {
		name, doc string
		format    *quant.Float8
	}{
		{"fp8_e4m3", "8-bit floats with 3 fraction bits, up to 448", quant.E4M3},
		{"fp8_e5m2", "8-bit floats with 2 fraction bits, up to 57344", quant.E5M2},
	} {
		Register(registry.Family[Codec, fp8Params]{
			Name: f.name, Doc: f.doc, Source: "Micikevicius et al., arXiv 2209.05433",
			Tags: []string{"quantiser"}, Defaults: fp8Params{"none"},
			Variants: []fp8Params{{"tensor"}, {"head"}, {"token"}},
			New: func(p fp8Params) (Codec, error) {
				if !slices.Contains([]string{"none", "tensor", "head", "token"}, p.Scale) {
					return nil, fmt.Errorf("scale is %q, want none, tensor, head or token", p.Scale)
				}
				return &fp8{f.format, p.Scale}, nil
			},
		})
	}
	fp8Deviation := []string{"a scale, where there is one, is measured on the cache itself; engines " +
		"calibrate theirs ahead of time"}
	Certify("fp8_e4m3", Certificate{
		Deviations: fp8Deviation,
		Anchors: OnWhite(Independently, WhiteRow{Spec: "fp8_e4m3", Bits: 8, NMSE: 7.0e-4},
			WhiteRow{Spec: "fp8_e4m3:scale=tensor", Bits: 8, NMSE: 7.0e-4}),
		Beyond: []Claim{{"94 to 99 % recovery on Llama and Qwen3 (vLLM, April 2026)",
			"these models and their benchmarks on a GPU"}},
		UseWhen: "the engine holds FP8 caches: the lossy baseline to beat",
	})
	Certify("fp8_e5m2", Certificate{
		Deviations: fp8Deviation,
		Anchors: OnWhite(Independently, WhiteRow{Spec: "fp8_e5m2", Bits: 8, NMSE: 2.78e-3},
			WhiteRow{Spec: "fp8_e5m2:scale=tensor", Bits: 8, NMSE: 2.78e-3}),
		UseWhen: "the engine's FP8 is E5M2, or range matters more than precision",
	})
}

// Capabilities implements Codec.
func (c *fp8) Capabilities() Capabilities {
	streaming := "token"
	if c.unit == "tensor" || c.unit == "head" {
		streaming = "layer"
	}
	return Capabilities{FixedRate: true, KeyOnly: true, Streaming: streaming}
}

// groups returns how many scales a side has.
func (c *fp8) groups(t kv.Tensor, side kv.Side) int {
	switch {
	case t.Dim(side) == 0:
		return 0
	case c.unit == "tensor":
		return t.Layers
	case c.unit == "head":
		return t.Layers * t.Heads
	case c.unit == "token":
		return t.Layers * t.Heads * t.Tokens
	}
	return 0
}

// PredictedBytes implements Sizer.
func (c *fp8) PredictedBytes(head kv.Tensor) int {
	return head.RawBytes()/2 + 4*(c.groups(head, kv.K)+c.groups(head, kv.V))
}

// AppendSections implements Sectioner.
func (c *fp8) AppendSections(dst []Section, head kv.Tensor, _ []byte) ([]Section, error) {
	dst = append(dst, Section{Codes, head.RawBytes() / 2})
	if scales := c.PredictedBytes(head) - head.RawBytes()/2; scales > 0 {
		dst = append(dst, Section{Scales, scales})
	}
	return dst, nil
}

// AppendCompress implements Codec.
func (c *fp8) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	base, size := len(dst), c.PredictedBytes(src)
	dst = slices.Grow(dst, size)[:base+size]
	codes, scales := dst[base:base+src.RawBytes()/2], dst[base+src.RawBytes()/2:]
	var next topSeeker
	switch c.unit {
	case "tensor":
		next.begin(src, src.Heads)
	case "head":
		next.begin(src, 1)
	}
	for _, side := range kv.Sides {
		if src.Dim(side) == 0 {
			continue
		}
		for l := range src.Layers {
			if c.unit == "tensor" && !c.putScale(scales[:4], src.DType, next.finish()) {
				return dst[:base], checkFinite(src)
			}
			for h := range src.Heads {
				plane := src.Plane(side, l, h)
				if scales = c.plane(codes[:len(plane)], scales, src, side, plane, &next); scales == nil {
					return dst[:base], checkFinite(src)
				}
				codes = codes[len(plane):]
			}
			if c.unit == "tensor" {
				scales = scales[4:]
			}
		}
	}
	return dst, nil
}

// plane writes the codes of one head and its scales, and returns the scales that are left; nil
// says that a value is not finite.
func (c *fp8) plane(codes, scales []byte, t kv.Tensor, side kv.Side, plane []uint16, next *topSeeker) []byte {
	switch c.unit {
	case "none":
		if !c.format.Cast(t.DType, codes, plane) {
			return nil
		}
	case "tensor":
		c.scale(t.DType, codes, plane, inverse(scales), next)
	case "head":
		if !c.putScale(scales, t.DType, next.finish()) {
			return nil
		}
		c.scale(t.DType, codes, plane, inverse(scales), next)
		scales = scales[4:]
	case "token":
		if !c.format.ScaleRows(t.DType, codes, scales, plane, t.Dim(side), quant.Measured) {
			return nil
		}
		scales = scales[4*t.Tokens:]
	}
	return scales
}

// scale writes codes of one head under a scale, and seeks through as much of what is next.
func (c *fp8) scale(d kv.DType, codes []byte, plane []uint16, inv float32, next *topSeeker) {
	for len(plane) > 0 {
		n := min(len(plane), seekPiece)
		c.format.ScaleAhead(d, codes[:n], plane[:n], next.ahead(n), inv)
		codes, plane = codes[n:], plane[n:]
	}
}

// putScale writes the scale for a largest magnitude; it returns false if that is not finite.
func (c *fp8) putScale(dst []byte, d kv.DType, amax uint16) bool {
	if !d.Finite(amax) {
		return false
	}
	scale, _ := c.format.ScaleFor(d.Float(amax))
	binary.LittleEndian.PutUint32(dst, math.Float32bits(scale))
	return true
}

func inverse(scale []byte) float32 {
	s := math.Float32frombits(binary.LittleEndian.Uint32(scale))
	if s == 0 {
		return 0
	}
	return 1 / s
}

// Decompress implements Codec.
func (c *fp8) Decompress(dst kv.Tensor, src []byte) error {
	if want := c.PredictedBytes(dst); len(src) != want {
		return corrupt("%d bytes, want %d", len(src), want)
	}
	codes, scales := src[:dst.RawBytes()/2], src[dst.RawBytes()/2:]
	stream := c.unit == "none" && dst.RawBytes() >= kern.StreamBytes
	if stream {
		defer kern.StreamFence()
	}
	for _, side := range kv.Sides {
		if dst.Dim(side) == 0 || dst.Tokens == 0 {
			continue
		}
		n := dst.Tokens * dst.Dim(side) // values per scale
		if c.unit == "token" {
			n = dst.Dim(side)
		}
		for p := range dst.Layers * dst.Heads {
			plane := dst.Plane(side, p/dst.Heads, p%dst.Heads)
			ok := false
			if c.unit == "none" {
				ok = c.format.Decode(dst.DType, plane, codes[:len(plane)], stream)
			} else {
				ok = c.format.RestoreRows(dst.DType, plane, codes, scales, n)
			}
			if !ok {
				return corrupt("a code or scale that is not a number, in %v, layer %d, head %d",
					side, p/dst.Heads, p%dst.Heads)
			}
			codes = codes[len(plane):]
			if c.unit == "token" || c.unit == "head" || p%dst.Heads == dst.Heads-1 {
				scales = scales[min(4*len(plane)/n, len(scales)):]
			}
		}
	}
	return nil
}
