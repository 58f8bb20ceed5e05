package compressors

import (
	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// turnedRows is how many rows are turned by a matrix at a time: what stays in the first-level cache.
const turnedRows = 32

// A turnedFormat works on many rows of float32, of one side, as on one.
type turnedFormat interface {
	// rowBytes is that of rowFormat, for the side of these rows.
	rowBytes(side kv.Side, dim int) (scales, codes int)

	// compressVals writes the scales and codes of the rows of w.vals, of dim channels each, and
	// returns false if a scale is beyond its type.
	compressVals(w *rowScratch, dim int, scales, codes []byte) bool

	// decompressVals sets w.vals, and returns false for scales and codes that no row has.
	decompressVals(w *rowScratch, dim int, scales, codes []byte) bool
}

// compressTurned is compressRows of a turnedFormat.
func compressTurned(f turnedFormat, d kv.DType, dim int, scales, codes []byte,
	rows []uint16) int {
	w := rowPool.Get().(*rowScratch)
	defer rowPool.Put(w)
	ns, nc := f.rowBytes(kv.K, dim)
	n := 0
	for len(rows) >= dim {
		k := min(len(rows)/dim, turnedRows)
		vals, _ := w.room(k * dim)
		d.Widen(vals, rows[:k*dim])
		if !d.Finite(quant.AbsMax(rows[:k*dim])) ||
			!f.compressVals(w, dim, scales[n*ns:(n+k)*ns], codes[n*nc:(n+k)*nc]) {
			return n
		}
		n, rows = n+k, rows[k*dim:]
	}
	return n
}

// decompressTurned is decompressRows of a turnedFormat.
func decompressTurned(f turnedFormat, d kv.DType, dim int, rows []uint16,
	scales, codes []byte) int {
	w := rowPool.Get().(*rowScratch)
	defer rowPool.Put(w)
	ns, nc := f.rowBytes(kv.K, dim)
	n := 0
	for len(rows) >= dim {
		k := min(len(rows)/dim, turnedRows)
		vals, _ := w.room(k * dim)
		if !f.decompressVals(w, dim, scales[n*ns:(n+k)*ns], codes[n*nc:(n+k)*nc]) {
			return n
		}
		d.NarrowSaturated(rows[:k*dim], vals)
		n, rows = n+k, rows[k*dim:]
	}
	return n
}

// putLengths writes the lengths of rows as the first of their scales, and returns them, in w.lengths,
// and false if one is beyond binary16.
func (w *rowScratch) putLengths(vals []float32, dim int, scales []byte, perRow int) bool {
	w.lengths = growTo(w.lengths, len(vals)/dim)
	kern.Lengths(w.lengths, vals, dim)
	for r, l := range w.lengths {
		if _, ok := putNorm(scales[r*perRow:], l); !ok {
			return false
		}
	}
	return true
}

// getLengths sets w.lengths to the first scales of so many rows.
func (w *rowScratch) getLengths(rows int, scales []byte, perRow int) bool {
	w.lengths = growTo(w.lengths, rows)
	for r := range w.lengths {
		l, ok := getNorm(scales[r*perRow:])
		if !ok {
			return false
		}
		w.lengths[r] = l
	}
	return true
}

// packRows packs rows of codes, each to the front of its perRow bytes.
func packRows(dst []byte, perRow int, codes []byte, dim, bits int) {
	if perRow*8 == dim*bits {
		quant.Pack(dst, codes, bits)
		return
	}
	for r := 0; r*dim < len(codes); r++ {
		quant.Pack(dst[r*perRow:][:quant.PackedBytes(dim, bits)], codes[r*dim:(r+1)*dim], bits)
	}
}

// unpackRows undoes packRows.
func unpackRows(codes, src []byte, perRow, dim, bits int) {
	if perRow*8 == dim*bits {
		quant.Unpack(codes, src, bits)
		return
	}
	for r := 0; r*dim < len(codes); r++ {
		quant.Unpack(codes[r*dim:(r+1)*dim], src[r*perRow:][:quant.PackedBytes(dim, bits)], bits)
	}
}
