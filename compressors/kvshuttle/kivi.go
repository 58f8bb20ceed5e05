package kvshuttle

import (
	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// kiviWhole is kivi_2bit: keys per channel over the whole prompt, values per token over the whole
// head, float32 scales and zeros. KIVI's groups of tokens and its residual window, both central to
// the paper, are absent; compressors' kivi has them.
type kiviWhole struct{}

func init() {
	define("kivi_2bit", "2 bits: keys per channel over the whole prompt, values per token; no groups, "+
		"no window", compressors.Capabilities{}, kiviWhole{})
}

// kiviSizes returns the number of scales of keys and of values.
func kiviSizes(s kv.Shape) (nk, nv int) {
	return s.Layers * s.Heads * s.KeyDim, s.Layers * s.Heads * s.Tokens
}

func (kiviWhole) compress(w *work, dst, meta []byte) ([]byte, []byte, error) {
	nk, nv := kiviSizes(w.Shape)
	w.f32 = grow(w.f32, 2*(nk+nv))
	ks, vs := w.f32[:nk], w.f32[nk:nk+nv]
	kz, vz := w.f32[nk+nv:2*nk+nv], w.f32[2*nk+nv:]
	dst = kiviKeys(w, dst, ks, kz)
	dst = kiviValues(w, dst, vs, vz)
	dst = appendFloats(dst, w.f32)
	o := newObject(meta)
	o.shapes(w.Shape)
	o.int("bits", 2)
	o.int("kp_len", (w.Elements(kv.K)+3)/4)
	o.int("vp_len", (w.Elements(kv.V)+3)/4)
	o.int("ks_len", 4*nk)
	o.int("vs_len", 4*nv)
	o.int("kz_len", 4*nk)
	o.ints("k_scales_shape", w.Layers, w.Heads, w.KeyDim)
	o.ints("v_scales_shape", w.Layers, w.Heads, w.Tokens)
	return dst, o.close(), nil
}

func kiviKeys(w *work, dst []byte, scale, zero []float32) []byte {
	p := packer2{dst: dst}
	d := w.KeyDim
	for l := range w.Layers {
		for h := range w.Heads {
			xs := w.slice(kv.K, l, h)
			at := (l*w.Heads + h) * d
			s, z := scale[at:at+d], zero[at:at+d]
			channelRange(xs, z, s)
			for c := range s {
				s[c] = step(z[c], s[c], 3)
			}
			w.codes = grow(w.codes, len(xs))
			for at := 0; at < len(xs); at += d {
				codes := w.codes[at : at+d]
				for c, x := range xs[at : at+d] {
					codes[c] = kern.CutCode((x-z[c])/s[c], 0, 3)
				}
			}
			p.addAll(w.codes)
		}
	}
	return p.dst
}

// channelRange sets lo and hi to each channel's extremes over the rows of xs.
func channelRange(xs, lo, hi []float32) {
	d := len(lo)
	copy(lo, xs[:d])
	copy(hi, xs[:d])
	for at := d; at < len(xs); at += d {
		for c, x := range xs[at : at+d] {
			if x < lo[c] || x != x {
				lo[c] = x
			}
			if x > hi[c] || x != x {
				hi[c] = x
			}
		}
	}
}

func kiviValues(w *work, dst []byte, scale, zero []float32) []byte {
	p := packer2{dst: dst}
	d := w.ValueDim
	var xs []float32
	for r := range scale {
		if t := r % w.Tokens; t == 0 {
			row := r / w.Tokens
			xs = w.slice(kv.V, row/w.Heads, row%w.Heads)
		}
		row := xs[:d]
		xs = xs[d:]
		lo, hi := minMax(row)
		s := step(lo, hi, 3)
		scale[r], zero[r] = s, lo
		w.codes = grow(w.codes, d)
		kern.DivideCodes(w.codes, row, lo, s, none, 0, 3)
		p.addAll(w.codes)
	}
	return p.dst
}

func (kiviWhole) decompress(w *work, payload, _ []byte) error {
	nk, nv := kiviSizes(w.Shape)
	kp, vp := (w.Elements(kv.K)+3)/4, (w.Elements(kv.V)+3)/4
	if len(payload) != kp+vp+8*(nk+nv) {
		return errLength
	}
	c := cutter{payload}
	kc, vc := c.take(kp), c.take(vp)
	params := floats(w.f32, c.b)
	w.f32 = params
	kiviRestore(w, kv.K, kc, params[:nk], params[nk+nv:2*nk+nv])
	kiviRestore(w, kv.V, vc, params[nk:nk+nv], params[2*nk+nv:])
	return nil
}

// kiviRestore undoes kiviKeys or kiviValues into the output.
func kiviRestore(w *work, side kv.Side, codes []byte, scale, zero []float32) {
	d, next := w.Dim(side), 0
	for row := range w.Layers * w.Heads {
		xs := w.sliceRoom(side)
		for t := range w.Tokens {
			at := row * d // of the first channel's scale
			for c := range xs[t*d : (t+1)*d] {
				i := at + c
				if side == kv.V {
					i = row*w.Tokens + t
				}
				xs[t*d+c] = float32(code2(codes, next)*scale[i]) + zero[i]
				next++
			}
		}
		w.store(side, row/w.Heads, row%w.Heads, xs)
	}
}
