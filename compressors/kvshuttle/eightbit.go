package kvshuttle

import (
	"slices"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// int8Layer is uniform_int8: symmetric, one scale per layer, in the metadata text.
type int8Layer struct{}

// fp8Offset is fp8_e4m3, which is not FP8: codes are round(x/scale) + 128 on a uniform grid with
// scale amax/240, so that everything beyond 127/240 of the layer's largest magnitude saturates.
// True E4M3 is compressors' fp8_e4m3.
type fp8Offset struct{}

func init() {
	define("uniform_int8", "8 bits, one scale per layer", compressors.Capabilities{Streaming: "layer"},
		int8Layer{})
	define("fp8_e4m3", "not FP8: an offset 8-bit grid that saturates at 53 % of the layer's maximum",
		compressors.Capabilities{Streaming: "layer"}, fp8Offset{})
}

// q8 quantises one layer to ±127 and returns its scale.
func q8(dst []byte, xs []float32) ([]byte, float32) {
	scale := float32(1)
	if a := amax(xs); a != 0 {
		scale = a / 127
	}
	base := len(dst)
	dst = slices.Grow(dst, len(xs))[:base+len(xs)]
	kern.DivideCodes(dst[base:], xs, 0, scale, none, -127, 127)
	return dst, scale
}

// unq8 undoes q8.
func unq8(dst []float32, codes []byte, scale float32) {
	kern.RestoreCodes(dst, codes, 0x80, 128, scale, none)
}

func (int8Layer) compress(w *work, dst, meta []byte) ([]byte, []byte, error) {
	dst, scales := perLayer(w, dst, q8)
	o := perLayerMeta(w, meta, scales)
	o.int("bits", 8)
	return dst, o.close(), nil
}

// perLayerMeta writes the metadata that the codecs with a scale per layer share.
func perLayerMeta(w *work, meta []byte, scales [2][]float32) object {
	o := newObject(meta)
	o.shapes(w.Shape)
	o.floats("k_scales", scales[kv.K])
	o.floats("v_scales", scales[kv.V])
	o.int("key_bytes_len", w.Elements(kv.K))
	return o
}

// perLayer quantises every layer of both sides, keys first, and returns the scales, which live
// in w.f32.
func perLayer(w *work, dst []byte, quantise func([]byte, []float32) ([]byte, float32)) (
	[]byte, [2][]float32) {
	w.f32 = grow(w.f32, 2*w.Layers)
	scales := [2][]float32{w.f32[:w.Layers], w.f32[w.Layers:]}
	for _, side := range kv.Sides {
		for l := range w.Layers {
			dst, scales[side][l] = quantise(dst, w.layer(side, l))
		}
	}
	return dst, scales
}

func (int8Layer) decompress(w *work, payload, meta []byte) error {
	return decodePerLayer(w, payload, meta, unq8)
}

func quantiseOffset(dst []byte, xs []float32) ([]byte, float32) {
	scale := float32(1)
	if a := amax(xs); a != 0 {
		scale = a / 240
	}
	base := len(dst)
	dst = slices.Grow(dst, len(xs))[:base+len(xs)]
	kern.DivideCodes(dst[base:], xs, 0, scale, 128, 0, 255)
	return dst, scale
}

func (fp8Offset) compress(w *work, dst, meta []byte) ([]byte, []byte, error) {
	dst, scales := perLayer(w, dst, quantiseOffset)
	o := perLayerMeta(w, meta, scales)
	return dst, o.close(), nil
}

func (fp8Offset) decompress(w *work, payload, meta []byte) error {
	return decodePerLayer(w, payload, meta,
		func(dst []float32, codes []byte, scale float32) {
			kern.RestoreCodes(dst, codes, 0, 128, scale, none)
		})
}

// decodePerLayer undoes perLayer, with the scales that stand in the metadata text.
func decodePerLayer(w *work, payload, meta []byte,
	restore func(dst []float32, codes []byte, scale float32)) error {
	if len(payload) != w.Elements(kv.K)+w.Elements(kv.V) {
		return errLength
	}
	c := cutter{payload}
	for i, side := range kv.Sides {
		scales, err := metaFloats(w.more, meta, [...]string{"k_scales", "v_scales"}[i], w.Layers)
		if err != nil {
			return err
		}
		w.more = scales
		n := w.Heads * w.Tokens * w.Dim(side)
		w.f32 = grow(w.f32, n)
		for l := range w.Layers {
			restore(w.f32, c.take(n), scales[l])
			w.storeLayer(side, l, w.f32)
		}
	}
	return nil
}
