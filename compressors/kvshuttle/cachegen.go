package kvshuttle

import (
	"encoding/binary"
	"slices"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// cachegenOpen is cachegen: per chunk of ten tokens an 8-bit anchor and 4-bit differences from the
// unquantised anchor, so that the anchor's error leaks into the chunk. CacheGen's entropy coder
// and its levels by depth are absent; compressors' cachegen has them.
type cachegenOpen struct{}

const cachegenChunk = 10

func init() {
	define("cachegen", "8-bit anchors and 4-bit deltas in chunks of ten tokens; no entropy coder",
		compressors.Capabilities{}, cachegenOpen{})
}

// cachegenSizes returns the chunks, anchor bytes and delta bytes of one head of one layer.
func cachegenSizes(tokens, d int) (chunks, anchors, deltas int) {
	chunks = (tokens + cachegenChunk - 1) / cachegenChunk
	return chunks, chunks * d, ((tokens-chunks)*d + 1) / 2
}

func cachegenLen(s kv.Shape, side kv.Side) int {
	chunks, anchors, deltas := cachegenSizes(s.Tokens, s.Dim(side))
	return s.Layers * s.Heads * (12 + anchors + deltas + 16*chunks)
}

func (cachegenOpen) compress(w *work, dst, meta []byte) ([]byte, []byte, error) {
	for _, side := range kv.Sides {
		for l := range w.Layers {
			for h := range w.Heads {
				dst = cachegenSlice(w, dst, w.slice(side, l, h), w.Dim(side))
			}
		}
	}
	o := newObject(meta)
	o.shapes(w.Shape)
	o.int("chunk_size", cachegenChunk)
	o.int("anchor_bits", 8)
	o.int("delta_bits", 4)
	o.int("key_bytes_len", cachegenLen(w.Shape, kv.K))
	return dst, o.close(), nil
}

func cachegenSlice(w *work, dst []byte, xs []float32, d int) []byte {
	tokens := len(xs) / d
	chunks, anchors, deltas := cachegenSizes(tokens, d)
	for _, n := range []int{anchors, deltas, 4 * chunks} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	}
	w.f32 = grow(w.f32, 4*chunks)
	w.codes = w.codes[:0]
	for c := range chunks {
		chunk := xs[c*cachegenChunk*d : min(len(xs), (c+1)*cachegenChunk*d)]
		anchor, rest := chunk[:d], chunk[d:]
		lo, hi := minMax(anchor)
		s := step(lo, hi, 255)
		base := len(dst)
		dst = slices.Grow(dst, d)[:base+d]
		kern.DivideCodes(dst[base:], anchor, lo, s, none, 0, 255)
		params := w.f32[4*c : 4*c+4]
		params[0], params[1] = s, lo
		params[2], params[3] = w.deltaCodes(anchor, rest)
	}
	return appendFloats(appendNibbles(dst, w.codes), w.f32)
}

// deltaCodes appends the codes of rest − anchor to w.codes and returns their scale and zero.
func (w *work) deltaCodes(anchor, rest []float32) (scale, zero float32) {
	if len(rest) == 0 {
		return 1, 0
	}
	d := len(anchor)
	lo, hi := rest[0]-anchor[0], rest[0]-anchor[0]
	w.more = grow(w.more, len(rest))
	for at := 0; at < len(rest); at += d {
		deltas := w.more[at : at+d]
		for c, x := range rest[at : at+d] {
			delta := x - anchor[c]
			deltas[c] = delta
			if delta < lo || delta != delta {
				lo = delta
			}
			if delta > hi || delta != delta {
				hi = delta
			}
		}
	}
	scale = step(lo, hi, 15)
	base := len(w.codes)
	w.codes = slices.Grow(w.codes, len(rest))[:base+len(rest)]
	kern.DivideCodes(w.codes[base:], w.more, lo, scale, none, 0, 15)
	return scale, lo
}

func (cachegenOpen) decompress(w *work, payload, _ []byte) error {
	if len(payload) != cachegenLen(w.Shape, kv.K)+cachegenLen(w.Shape, kv.V) {
		return errLength
	}
	c := cutter{payload}
	for _, side := range kv.Sides {
		d := w.Dim(side)
		chunks, anchors, deltas := cachegenSizes(w.Tokens, d)
		for l := range w.Layers {
			for h := range w.Heads {
				c.take(12) // section lengths, which the shape fixes
				a, codes := c.take(anchors), c.take(deltas)
				w.f32 = floats(w.f32, c.take(16*chunks))
				xs := w.sliceRoom(side)
				cachegenRestore(xs, a, codes, w.f32, d)
				w.store(side, l, h, xs)
			}
		}
	}
	return nil
}

func cachegenRestore(dst []float32, anchors, codes []byte, params []float32, d int) {
	next := 0
	for i := range dst {
		token, ch := i/d, i%d
		c := token / cachegenChunk
		p := params[4*c : 4*c+4]
		x := float32(float32(anchors[c*d+ch])*p[0]) + p[1]
		if token%cachegenChunk != 0 {
			code := codes[next/2]
			if next%2 == 0 {
				code >>= 4
			}
			next++
			x += float32(float32(code&15)*p[2]) + p[3]
		}
		dst[i] = x
	}
}
