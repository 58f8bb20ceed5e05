package compressors

import (
	"math"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

func (*int4PerTokenHead) rowBytes(_ kv.Side, dim int) (scales, codes int) {
	return 4, quant.PackedBytes(dim, 4)
}

func (p *int4PerTokenHead) compressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	return p.compressVals(w, len(w.vals), scales, codes)
}

func (p *int4PerTokenHead) decompressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	return p.decompressVals(w, len(w.vals), scales, codes)
}

// compressRows implements manyRows.
func (p *int4PerTokenHead) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) int {
	return compressTurned(p, d, dim, scales, codes, rows)
}

// decompressRows implements manyRows.
func (p *int4PerTokenHead) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) int {
	return decompressTurned(p, d, dim, rows, scales, codes)
}

func (p *int4PerTokenHead) compressVals(w *rowScratch, dim int, scales, codes []byte) bool {
	rows := len(w.vals) / dim
	w.lengths, w.norms = growTo(w.lengths, rows), growTo(w.norms, rows)
	rotations.get(dim, p.seed).Forward(w.vals)
	kern.Ranges(w.lengths, w.norms, w.vals, dim)
	for r, lo := range w.lengths {
		s := max((w.norms[r]-lo)/15, 1e-6)
		if s-s != 0 {
			return false
		}
		zero := kern.Nibble(-lo / s)
		kern.ZeroPointCodes(w.codes[r*dim:(r+1)*dim], w.vals[r*dim:(r+1)*dim], 1/s, float32(zero))
		putFloat(scales[4*r:], math.Float32frombits(math.Float32bits(s)&^15|uint32(zero)))
	}
	packRows(codes, quant.PackedBytes(dim, 4), w.codes, dim, 4)
	return true
}

// Scales above tall, whose rows might overflow while they are turned, are made smaller by tallness for
// the time.
const tall, tallness = 0x1p80, 0x1p40

func (p *int4PerTokenHead) decompressVals(w *rowScratch, dim int, scales, codes []byte) bool {
	unpackRows(w.codes, codes, quant.PackedBytes(dim, 4), dim, 4)
	isTall := false
	for r := 0; r*dim < len(w.vals); r++ {
		s, zero := zeroPoint(scales[4*r:])
		if !positive(s) {
			return false
		}
		if s > tall {
			s, isTall = s/tallness, true
		}
		var to [16]float32
		for c := range to {
			to[c] = (float32(c) - zero) * s
		}
		kern.Values(w.vals[r*dim:(r+1)*dim], w.codes[r*dim:(r+1)*dim], len(to), &to)
	}
	rotations.get(dim, p.seed).Inverse(w.vals)
	for i := 0; isTall && i < len(w.vals); i++ {
		if s, _ := zeroPoint(scales[4*(i/dim):]); s > tall {
			w.vals[i] *= tallness
		}
	}
	return true
}

// zeroPoint returns the scale and the zero point of a row.
func zeroPoint(scale []byte) (s, zero float32) {
	bits := math.Float32bits(getFloat(scale))
	return math.Float32frombits(bits &^ 15), float32(bits & 15)
}
