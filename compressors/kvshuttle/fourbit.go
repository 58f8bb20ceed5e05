package kvshuttle

import (
	"kvgauge/compressors"
	"kvgauge/compressors/kv"
)

// int4Flat is uniform_int4: groups of 128 of the flattened tensor with float32 scale and zero.
// With a head dimension other than 128 groups straddle tokens and heads.
type int4Flat struct{}

// mixed is mixed_k8v4: keys as uniform_int8, values as uniform_int4.
type mixed struct{}

func init() {
	define("uniform_int4", "4 bits in groups of 128 of the flattened tensor",
		compressors.Capabilities{FixedRate: false}, int4Flat{})
	define("mixed_k8v4", "keys at 8 bits, values at 4", compressors.Capabilities{}, mixed{})
}

// q4Sides quantises both sides into payload order: K codes, V codes, K scales, V scales, K zeros,
// V zeros.
func q4Sides(w *work, dst []byte, k, v []float32) []byte {
	gk, gv := q4Groups(len(k)), q4Groups(len(v))
	w.f32 = grow(w.f32, 2*(gk+gv))
	ks, vs := w.f32[:gk], w.f32[gk:gk+gv]
	kz, vz := w.f32[gk+gv:2*gk+gv], w.f32[2*gk+gv:]
	dst = q4(dst, k, ks, kz)
	dst = q4(dst, v, vs, vz)
	return appendFloats(dst, w.f32)
}

// q4Flat appends the codes of a whole side, flattened. Groups straddle layers only where a layer
// is no whole number of them; then the side is widened as a whole.
func q4Flat(w *work, dst []byte, side kv.Side, scale, zero []float32) []byte {
	n := w.Heads * w.Tokens * w.Dim(side)
	if n%q4Group != 0 {
		w.side[side] = grow(w.side[side], w.Elements(side))
		for l := range w.Layers {
			copy(w.side[side][l*n:], w.layer(side, l))
		}
		return q4(dst, w.side[side], scale, zero)
	}
	for l := range w.Layers {
		from, to := l*n/q4Group, (l+1)*n/q4Group
		dst = q4(dst, w.layer(side, l), scale[from:to], zero[from:to])
	}
	return dst
}

// unq4Flat undoes q4Flat into the output.
func unq4Flat(w *work, side kv.Side, codes []byte, scale, zero []float32) {
	n := w.Heads * w.Tokens * w.Dim(side)
	if n%q4Group != 0 {
		w.side[side] = grow(w.side[side], w.Elements(side))
		unq4(w.side[side], codes, scale, zero)
	}
	for l := range w.Layers {
		if n%q4Group != 0 {
			w.storeLayer(side, l, w.side[side][l*n:(l+1)*n])
			continue
		}
		xs, from := w.layerRoom(side), l*n/q4Group
		unq4(xs, codes[l*n/2:], scale[from:], zero[from:])
		w.storeLayer(side, l, xs)
	}
}

// unq4Sides undoes q4Sides into k and v; it returns an error for a payload of another length.
func unq4Sides(w *work, payload []byte, k, v []float32) error {
	gk, gv := q4Groups(len(k)), q4Groups(len(v))
	if len(payload) != (gk+gv)*(q4Group/2+8) {
		return errLength
	}
	c := cutter{payload}
	kc, vc := c.take(gk*q4Group/2), c.take(gv*q4Group/2)
	w.f32 = floats(w.f32, c.b)
	unq4(k, kc, w.f32[:gk], w.f32[gk+gv:2*gk+gv])
	unq4(v, vc, w.f32[gk:gk+gv], w.f32[2*gk+gv:])
	return nil
}

func (int4Flat) compress(w *work, dst, meta []byte) ([]byte, []byte, error) {
	gk, gv := q4Groups(w.Elements(kv.K)), q4Groups(w.Elements(kv.V))
	w.f32 = grow(w.f32, 2*(gk+gv))
	dst = q4Flat(w, dst, kv.K, w.f32[:gk], w.f32[gk+gv:2*gk+gv])
	dst = q4Flat(w, dst, kv.V, w.f32[gk:gk+gv], w.f32[2*gk+gv:])
	dst = appendFloats(dst, w.f32)
	o := newObject(meta)
	o.shapes(w.Shape)
	o.int("key_packed_len", gk*q4Group/2)
	o.int("val_packed_len", gv*q4Group/2)
	o.int("k_scales_len", 4*gk)
	o.int("v_scales_len", 4*gv)
	o.int("k_zeros_len", 4*gk)
	o.int("num_k_groups", gk)
	o.int("num_v_groups", gv)
	o.int("group_size", q4Group)
	o.int("bits", 4)
	return dst, o.close(), nil
}

func (int4Flat) decompress(w *work, payload, _ []byte) error {
	gk, gv := q4Groups(w.Elements(kv.K)), q4Groups(w.Elements(kv.V))
	if len(payload) != (gk+gv)*(q4Group/2+8) {
		return errLength
	}
	c := cutter{payload}
	kc, vc := c.take(gk*q4Group/2), c.take(gv*q4Group/2)
	w.f32 = floats(w.f32, c.b)
	unq4Flat(w, kv.K, kc, w.f32[:gk], w.f32[gk+gv:2*gk+gv])
	unq4Flat(w, kv.V, vc, w.f32[gk:gk+gv], w.f32[2*gk+gv:])
	return nil
}

func (mixed) compress(w *work, dst, meta []byte) ([]byte, []byte, error) {
	gv := q4Groups(w.Elements(kv.V))
	w.f32 = grow(w.f32, w.Layers+2*gv)
	scales := w.f32[:w.Layers]
	for l := range w.Layers {
		dst, scales[l] = q8(dst, w.layer(kv.K, l))
	}
	vs, vz := w.f32[w.Layers:w.Layers+gv], w.f32[w.Layers+gv:]
	dst = q4Flat(w, dst, kv.V, vs, vz)
	dst = appendFloats(appendFloats(dst, vs), vz)
	o := newObject(meta)
	o.shapes(w.Shape)
	o.floats("k_scales", scales)
	o.int("kq_len", w.Elements(kv.K))
	o.int("vp_len", gv*q4Group/2)
	o.int("vs_len", 4*gv)
	o.int("num_v_groups", gv)
	o.int("group_size", q4Group)
	return dst, o.close(), nil
}

func (mixed) decompress(w *work, payload, meta []byte) error {
	nk, nv := w.Elements(kv.K), w.Elements(kv.V)
	gv := q4Groups(nv)
	if len(payload) != nk+gv*(q4Group/2+8) {
		return errLength
	}
	scales, err := metaFloats(w.more, meta, "k_scales", w.Layers)
	if err != nil {
		return err
	}
	w.more = scales
	c := cutter{payload}
	n := nk / w.Layers
	for l := range w.Layers {
		xs := w.layerRoom(kv.K)
		unq8(xs, c.take(n), scales[l])
		w.storeLayer(kv.K, l, xs)
	}
	codes := c.take(gv * q4Group / 2)
	w.f32 = floats(w.f32, c.b)
	unq4Flat(w, kv.V, codes, w.f32[:gv], w.f32[gv:])
	return nil
}
