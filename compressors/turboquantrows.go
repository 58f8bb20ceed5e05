package compressors

import (
	"math"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

func (t *turboQuant) compressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	return t.compressVals(w, len(w.vals), scales, codes)
}

func (t *turboQuant) decompressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	return t.decompressVals(w, len(w.vals), scales, codes)
}

// compressRows implements manyRows.
func (t *turboQuant) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) int {
	return compressTurned(t, d, dim, scales, codes, rows)
}

// decompressRows implements manyRows.
func (t *turboQuant) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) int {
	return decompressTurned(t, d, dim, rows, scales, codes)
}

func (t *turboQuant) compressVals(w *rowScratch, dim int, scales, codes []byte) bool {
	ns, nc := t.rowBytes(kv.K, dim)
	if !w.putLengths(w.vals, dim, scales, ns) {
		return false
	}
	w.more, w.codes = growTo(w.more, len(w.vals)), growTo(w.codes, len(w.vals))
	haar(dim, t.seed).Forward(w.more, w.vals)
	if t.bits > 0 {
		for r, n := range w.lengths {
			t.book.Codes(w.codes[r*dim:(r+1)*dim], w.more[r*dim:(r+1)*dim], float32(math.Sqrt(float64(dim)))/n)
		}
		packRows(codes, nc, w.codes, dim, t.bits)
	}
	ok := !t.prod || t.sketch(w, dim, scales, codes)
	for r, n := range w.lengths {
		if n == 0 {
			clear(codes[r*nc : (r+1)*nc])
		}
	}
	return ok
}

// sketch writes length and signs of what w.codes leave of the turned rows in w.more; w.vals is room.
// That of a row of zeros is 0.
func (t *turboQuant) sketch(w *rowScratch, dim int, scales, codes []byte) bool {
	ns, nc := t.rowBytes(kv.K, dim)
	turned, est := w.more, w.vals
	clear(est)
	var to quant.Scaled
	for r, n := range w.lengths {
		toUnit := float32(math.Sqrt(float64(dim))) / n
		for i, c := range t.book.Centroids {
			to[i] = c / toUnit
		}
		if t.bits > 0 {
			t.book.Values(est[r*dim:(r+1)*dim], w.codes[r*dim:(r+1)*dim], &to)
		}
	}
	for i, x := range turned {
		est[i] = x - est[i]
	}
	w.norms = growTo(w.norms, len(w.lengths))
	kern.Lengths(w.norms, est, dim)
	for r, n := range w.norms {
		if _, ok := putNorm(scales[r*ns+2:], n); !ok {
			return false
		}
	}
	haar(dim, t.seed+1).Forward(turned, est)
	for r := range w.lengths {
		kern.SignBits(codes[r*nc+quant.PackedBytes(dim, t.bits):(r+1)*nc], turned[r*dim:(r+1)*dim])
	}
	return true
}

func (t *turboQuant) decompressVals(w *rowScratch, dim int, scales, codes []byte) bool {
	ns, nc := t.rowBytes(kv.K, dim)
	rows := len(w.vals) / dim
	if !w.getLengths(rows, scales, ns) {
		return false
	}
	w.more, w.codes = growTo(w.more, len(w.vals)), growTo(w.codes, len(w.vals))
	if t.bits > 0 {
		unpackRows(w.codes, codes, nc, dim, t.bits)
		t.levels(w, dim)
	} else {
		clear(w.more)
	}
	if t.prod && !t.addSketch(w, dim, scales, codes) {
		return false
	}
	haar(dim, t.seed).Inverse(w.vals, w.more)
	return true
}

// levels sets w.more to what w.codes stand for in rows of w.lengths.
func (t *turboQuant) levels(w *rowScratch, dim int) {
	var to quant.Scaled
	f := func(n float32) float32 { return n / float32(math.Sqrt(float64(dim))) }
	set := func(r int) {
		t.book.Values(w.more[r*dim:(r+1)*dim], w.codes[r*dim:(r+1)*dim], &to)
	}
	for r, n := range w.lengths {
		for i, c := range t.book.Centroids {
			to[i] = c * f(n)
		}
		set(r)
	}
	if !t.nc {
		return
	}
	w.norms = growTo(w.norms, len(w.lengths))
	kern.Lengths(w.norms, w.more, dim)
	for r, n := range w.lengths {
		if l := w.norms[r]; l > 0 {
			for i, c := range t.book.Centroids {
				to[i] = float32(c*f(n)) * (n / l)
			}
			set(r)
		}
	}
}

// addSketch adds to w.more the estimate of what the codes left.
func (t *turboQuant) addSketch(w *rowScratch, dim int, scales, codes []byte) bool {
	ns, nc := t.rowBytes(kv.K, dim)
	unpackRows(w.codes, codes[quant.PackedBytes(dim, t.bits):], nc, dim, 1)
	signs := w.vals
	for r := range w.lengths {
		n, ok := getNorm(scales[r*ns+2:])
		if !ok {
			return false
		}
		step := n * float32(math.Sqrt(math.Pi/2/float64(dim)))
		kern.Values(signs[r*dim:(r+1)*dim], w.codes[r*dim:(r+1)*dim], 2, &[16]float32{-step, step})
	}
	w.most = growTo(w.most, len(signs))
	haar(dim, t.seed+1).Inverse(w.most, signs)
	kern.Add32(w.more, w.most)
	return true
}
