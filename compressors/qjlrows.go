package compressors

import (
	"math"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// rowsOf implements sidedRows.
func (q *qjlRows) rowsOf(side kv.Side) manyRows {
	if side == kv.K {
		return qjlKeys{q}
	}
	return qjlValues{q}
}

// qjlKeys are keys as signs of projections.
type qjlKeys struct{ *qjlRows }

// compressRows implements manyRows.
func (k qjlKeys) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) int {
	return compressTurned(k, d, dim, scales, codes, rows)
}

// decompressRows implements manyRows.
func (k qjlKeys) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) int {
	return decompressTurned(k, d, dim, rows, scales, codes)
}

func (k qjlKeys) compressVals(w *rowScratch, dim int, scales, codes []byte) bool {
	if !w.putLengths(w.vals, dim, scales, 2) {
		return false
	}
	_, nc := k.rowBytes(kv.K, dim)
	w.more, w.codes = growTo(w.more, len(w.vals)), growTo(w.codes, len(w.lengths)*k.m)
	for at := 0; at < k.m; at += dim {
		haar(dim, k.seed+uint64(at/dim)).Forward(w.more, w.vals)
		signs := min(dim, k.m-at)
		for r := range w.lengths {
			row := w.more[r*dim:][:signs]
			if dim%8 == 0 {
				kern.SignBits(codes[r*nc+at/8:][:(signs+7)/8], row)
				continue
			}
			for i, x := range row {
				w.codes[r*k.m+at+i] = 0
				if x >= 0 {
					w.codes[r*k.m+at+i] = 1
				}
			}
		}
	}
	if dim%8 != 0 {
		packRows(codes, nc, w.codes, k.m, 1)
	}
	return true
}

func (k qjlKeys) decompressVals(w *rowScratch, dim int, scales, codes []byte) bool {
	rows := len(w.vals) / dim
	if !w.getLengths(rows, scales, 2) {
		return false
	}
	_, nc := k.rowBytes(kv.K, dim)
	w.codes, w.more, w.most = growTo(w.codes, rows*k.m), growTo(w.more, len(w.vals)), growTo(w.most, len(w.vals))
	unpackRows(w.codes, codes, nc, k.m, 1)
	clear(w.vals)
	signs, back := w.more, w.most
	for at := 0; at < k.m; at += dim {
		clear(signs)
		for r, n := range w.lengths {
			step := n * float32(math.Sqrt(math.Pi/2*float64(dim))) / float32(k.m)
			some := w.codes[r*k.m+at:][:min(dim, k.m-at)]
			kern.Values(signs[r*dim:][:len(some)], some, 2, &[16]float32{-step, step})
		}
		haar(dim, k.seed+uint64(at/dim)).Inverse(back, signs)
		kern.Add32(w.vals, back)
	}
	return true
}

// qjlValues are values by range.
type qjlValues struct{ *qjlRows }

// groups returns how many groups a row has, and false if kernels do not suit them.
func (v qjlValues) groups(dim int) (n int, ok bool) {
	return dim / v.group, kern.Vectors() && dim%v.group == 0 && v.group%32 == 0
}

// affineRun is how many groups kernels are given at a time.
const affineRun = 128

// compressRows implements manyRows.
func (v qjlValues) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) (n int) {
	perRow, ok := v.groups(dim)
	if !ok || perRow > affineRun {
		return 0
	}
	var s, m [2 * affineRun]byte
	for len(rows) >= dim {
		k := min(len(rows)/dim, affineRun/perRow)
		did := kern.QuantizeGroups(d == kv.BF16, false, v.bits, v.group, codes, s[:], m[:], rows[:k*dim]) / perRow
		for i := range did * perRow {
			scales[4*i], scales[4*i+1], scales[4*i+2], scales[4*i+3] = s[2*i], s[2*i+1], m[2*i], m[2*i+1]
		}
		n += did
		if did < k {
			break
		}
		scales, codes, rows = scales[4*did*perRow:], codes[did*dim*v.bits/8:], rows[did*dim:]
	}
	return n
}

// decompressRows implements manyRows.
func (v qjlValues) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) (n int) {
	perRow, ok := v.groups(dim)
	if !ok || perRow > affineRun {
		return 0
	}
	var s, m [2 * affineRun]byte
	for len(rows) >= dim {
		k := min(len(rows)/dim, affineRun/perRow)
		for i := range k * perRow {
			s[2*i], s[2*i+1], m[2*i], m[2*i+1] = scales[4*i], scales[4*i+1], scales[4*i+2], scales[4*i+3]
		}
		did := kern.DequantizeGroups(d == kv.BF16, false, v.bits, v.group, rows[:k*dim], codes, s[:], m[:]) / perRow
		n += did
		if did < k {
			break
		}
		scales, codes, rows = scales[4*did*perRow:], codes[did*dim*v.bits/8:], rows[did*dim:]
	}
	return n
}
