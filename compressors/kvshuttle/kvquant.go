package kvshuttle

import (
	"encoding/binary"
	"math"
	"slices"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// kvquantFlat is kvquant_2bit: 2 bits with one scale and zero per layer, beside one whole channel
// of largest mean magnitude kept in float16. KVQuant's non-uniform code book, per-channel pre-RoPE
// keys, sparse outliers and calibration are absent; compressors' kvquant has them.
type kvquantFlat struct{}

func init() {
	define("kvquant_2bit", "2 bits per layer beside the strongest channel in float16; no code book",
		compressors.Capabilities{}, kvquantFlat{})
}

// kvquantOutliers is how many channels of d stay in float16: one per cent, at least one.
func kvquantOutliers(d int) int { return max(1, int(float64(d)*1.0/100)) }

func kvquantLen(s kv.Shape, side kv.Side) int {
	d := s.Dim(side)
	no, rows := kvquantOutliers(d), s.Layers*s.Heads*s.Tokens
	return 28 + 8 + 4*d + 2*rows*no + (rows*(d-no)+3)/4 + 8*s.Layers
}

func (kvquantFlat) compress(w *work, dst, meta []byte) ([]byte, []byte, error) {
	start := len(dst)
	dst = kvquantSide(w, dst, kv.K)
	keys := len(dst) - start
	dst = kvquantSide(w, dst, kv.V)
	o := newObject(meta)
	o.shapes(w.Shape)
	o.int("bits", 2)
	o.float("outlier_pct", 1.0)
	o.int("k_len", keys)
	return dst, o.close(), nil
}

// kvquantChannels returns the outlier channels, in order of their mean magnitude as KVShuttle
// stores them, and the others in increasing order.
func kvquantChannels(w *work, side kv.Side) (outliers, normal []int) {
	d := w.Dim(side)
	w.more = grow(w.more, d)
	mean := w.more
	clear(mean)
	for l := range w.Layers {
		xs := w.layer(side, l)
		for ; len(xs) >= d; xs = xs[d:] {
			for c, x := range xs[:d] {
				mean[c] += math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
			}
		}
	}
	count := float32(w.Elements(side) / d)
	for c := range mean {
		mean[c] /= count
	}
	w.ints[0] = argsort(w.ints[0], mean)
	outliers, normal = w.ints[0][d-kvquantOutliers(d):], w.ints[1][:0]
	for c := range d {
		if !slices.Contains(outliers, c) {
			normal = append(normal, c)
		}
	}
	w.ints[1] = normal
	return outliers, normal
}

func kvquantSide(w *work, dst []byte, side kv.Side) []byte {
	outliers, normal := kvquantChannels(w, side)
	d, rows := w.Dim(side), w.Layers*w.Heads*w.Tokens
	no, nn := len(outliers), len(normal)
	for _, n := range [...]int{8, 4 * no, 4 * nn, 2 * rows * no, (rows*nn + 3) / 4,
		4 * w.Layers, 4 * w.Layers} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(no))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(nn))
	for _, c := range outliers {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(c))
	}
	for _, c := range normal {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(c))
	}
	for l := range w.Layers {
		xs := w.layer(side, l)
		for ; len(xs) >= d; xs = xs[d:] {
			for _, c := range outliers {
				dst = binary.LittleEndian.AppendUint16(dst, kern.F32ToF16(xs[c]))
			}
		}
	}
	w.f32 = grow(w.f32, 2*w.Layers)
	p := packer2{dst: dst}
	for l := range w.Layers {
		w.f32[l], w.f32[w.Layers+l] = kvquantLayer(w, &p, w.layer(side, l), normal, d)
	}
	return appendFloats(p.dst, w.f32)
}

// kvquantLayer packs the codes of one layer's normal channels.
func kvquantLayer(w *work, p *packer2, xs []float32, normal []int, d int) (scale, zero float32) {
	if len(normal) == 0 {
		return 1, 0
	}
	lo, hi := xs[normal[0]], xs[normal[0]]
	for at := 0; at < len(xs); at += d {
		for _, c := range normal {
			x := xs[at+c]
			if x < lo || x != x {
				lo = x
			}
			if x > hi || x != x {
				hi = x
			}
		}
	}
	scale = step(lo, hi, 3)
	// All channels are coded and the normal ones moved together, which is quicker than picking them.
	w.codes = grow(w.codes, len(xs))
	kern.DivideCodes(w.codes, xs, lo, scale, none, 0, 3)
	next := 0
	for at := 0; at < len(xs); at += d {
		row := w.codes[at : at+d]
		for _, c := range normal {
			w.codes[next] = row[c]
			next++
		}
	}
	p.addAll(w.codes[:next])
	return scale, lo
}

func (kvquantFlat) decompress(w *work, payload, _ []byte) error {
	nk, nv := kvquantLen(w.Shape, kv.K), kvquantLen(w.Shape, kv.V)
	if len(payload) != nk+nv {
		return errLength
	}
	if err := kvquantRestore(w, payload[:nk], kv.K); err != nil {
		return err
	}
	return kvquantRestore(w, payload[nk:], kv.V)
}

func kvquantRestore(w *work, b []byte, side kv.Side) error {
	d, rows := w.Dim(side), w.Layers*w.Heads*w.Tokens
	no := kvquantOutliers(d)
	nn := d - no
	c := cutter{b}
	c.take(28 + 8) // section lengths, which the shape fixes
	w.ints[0] = grow(w.ints[0], d)
	channels := w.ints[0]
	for i := range channels {
		channels[i] = int(binary.LittleEndian.Uint32(c.take(4)))
		if channels[i] >= d || slices.Contains(channels[:i], channels[i]) {
			return errLength
		}
	}
	kept := c.take(2 * rows * no)
	codes := c.take((rows*nn + 3) / 4)
	w.f32 = floats(w.f32, c.b)
	scale, zero := w.f32[:w.Layers], w.f32[w.Layers:]
	next := 0
	for l := range w.Layers {
		xs := w.layerRoom(side)
		for row := xs; len(row) >= d; row = row[d:] {
			for _, c := range channels[:no] {
				row[c] = kern.F16ToF32(binary.LittleEndian.Uint16(kept))
				kept = kept[2:]
			}
			for _, c := range channels[no:] {
				row[c] = float32(code2(codes, next)*scale[l]) + zero[l]
				next++
			}
		}
		w.storeLayer(side, l, xs)
	}
	return nil
}
