package compressors

import (
	"math"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// rowsOf implements sidedRows.
func (q *turboQuantVLLM) rowsOf(side kv.Side) manyRows {
	switch {
	case side == kv.V:
		return vllmValues{q}
	case q.keyBits < 8:
		return vllmKeys{q}
	}
	return vllmCasts{q}
}

// vllmKeys are keys under a code book.
type vllmKeys struct{ *turboQuantVLLM }

// compressRows implements manyRows.
func (k vllmKeys) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) int {
	return compressTurned(k, d, dim, scales, codes, rows)
}

// decompressRows implements manyRows.
func (k vllmKeys) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) int {
	return decompressTurned(k, d, dim, rows, scales, codes)
}

func (k vllmKeys) compressVals(w *rowScratch, dim int, scales, codes []byte) bool {
	if !w.putLengths(w.vals, dim, scales, 2) {
		return false
	}
	plainHadamard(dim).Forward(w.vals)
	for r, n := range w.lengths {
		row, out := w.vals[r*dim:(r+1)*dim], w.codes[r*dim:(r+1)*dim]
		k.book.Codes(out, row, float32(math.Sqrt(float64(dim)))/n)
		if n == 0 {
			clear(out)
		}
	}
	packRows(codes, quant.PackedBytes(dim, k.keyBits), w.codes, dim, k.keyBits)
	return true
}

func (k vllmKeys) decompressVals(w *rowScratch, dim int, scales, codes []byte) bool {
	rows := len(w.vals) / dim
	if !w.getLengths(rows, scales, 2) {
		return false
	}
	unpackRows(w.codes, codes, quant.PackedBytes(dim, k.keyBits), dim, k.keyBits)
	var to quant.Scaled
	copy(to[:], k.book.Centroids)
	k.book.Values(w.vals, w.codes, &to)
	w.norms = growTo(w.norms, rows)
	kern.Lengths(w.norms, w.vals, dim)
	for r, n := range w.lengths {
		f := n / w.norms[r] // centroids are not 0
		for i, c := range k.book.Centroids {
			to[i] = c * f
		}
		k.book.Values(w.vals[r*dim:(r+1)*dim], w.codes[r*dim:(r+1)*dim], &to)
	}
	plainHadamard(dim).Inverse(w.vals)
	return true
}

// vllmCasts are keys in E4M3.
type vllmCasts struct{ *turboQuantVLLM }

// compressRows implements manyRows.
func (vllmCasts) compressRows(d kv.DType, dim int, _, codes []byte, rows []uint16) int {
	return whileGood(len(rows)/dim, func(from, to int) bool {
		return quant.E4M3.Cast(d, codes[from*dim:to*dim], rows[from*dim:to*dim])
	})
}

// decompressRows implements manyRows.
func (vllmCasts) decompressRows(d kv.DType, dim int, rows []uint16, _, codes []byte) int {
	return whileGood(len(rows)/dim, func(from, to int) bool {
		return quant.E4M3.Decode(d, rows[from*dim:to*dim], codes[from*dim:to*dim], false)
	})
}

// whileGood calls f for runs of n rows until it returns false, and returns how many rows were good.
func whileGood(n int, f func(from, to int) bool) int {
	for from := 0; from < n; from += turnedRows {
		if !f(from, min(from+turnedRows, n)) {
			return from
		}
	}
	return n
}

// vllmValues are values by range.
type vllmValues struct{ *turboQuantVLLM }

// compressRows implements manyRows.
func (v vllmValues) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) (n int) {
	if !kern.Vectors() || dim%32 != 0 {
		return 0
	}
	w := rowPool.Get().(*rowScratch)
	defer rowPool.Put(w)
	_, out := w.room(dim)
	top, size := int32(1)<<v.valueBits-1, quant.PackedBytes(dim, v.valueBits)
	for ; len(rows) >= dim; rows = rows[dim:] {
		row := rows[:dim]
		least, most := quant.MinMax(row)
		lo, hi := d.Float(quant.Bits(least)), d.Float(quant.Bits(most))
		s, ok := putFloorAffine(scales[4*n:], lo, hi, v.valueBits)
		if !ok || hi-hi != 0 {
			break
		}
		kern.FloorCodes(d == kv.BF16, out, row, lo, s, top)
		quant.Pack(codes[n*size:(n+1)*size], out, v.valueBits)
		n++
	}
	return n
}

// decompressRows implements manyRows.
func (v vllmValues) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) (n int) {
	if !kern.Vectors() || dim%8 != 0 {
		return 0
	}
	w := rowPool.Get().(*rowScratch)
	defer rowPool.Put(w)
	_, in := w.room(dim)
	size := quant.PackedBytes(dim, v.valueBits)
	for ; len(rows) >= dim; rows = rows[dim:] {
		s, ok1 := getNorm(scales[4*n:])
		m, ok2 := getHalf(scales[4*n+2:])
		if !ok1 || !ok2 {
			break
		}
		quant.Unpack(in, codes[n*size:(n+1)*size], v.valueBits)
		kern.Dequantize(d == kv.BF16, rows[:dim], in, kern.Grid{Min: m, Scale: s})
		n++
	}
	return n
}
