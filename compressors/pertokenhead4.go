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
	turn := rotations.get(dim, p.seed)
	for r := 0; r*dim < len(w.vals); r++ {
		row := w.vals[r*dim : (r+1)*dim]
		turn.Forward(row)
		lo, hi := kern.Range(row)
		s := max((hi-lo)/15, 1e-6)
		if s-s != 0 {
			return false
		}
		zero := kern.Nibble(-lo / s)
		kern.ZeroPointCodes(w.codes[r*dim:(r+1)*dim], row, 1/s, float32(zero))
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
	turn := rotations.get(dim, p.seed)
	for r := 0; r*dim < len(w.vals); r++ {
		bits := math.Float32bits(getFloat(scales[4*r:]))
		s, zero := math.Float32frombits(bits&^15), float32(bits&15)
		if !positive(s) {
			return false
		}
		lift := float32(1)
		if s > tall {
			s, lift = s/tallness, tallness
		}
		var to [16]float32
		for c := range to {
			to[c] = (float32(c) - zero) * s
		}
		row := w.vals[r*dim : (r+1)*dim]
		kern.Values(row, w.codes[r*dim:(r+1)*dim], len(to), &to)
		turn.Inverse(row)
		if lift > 1 {
			for i := range row {
				row[i] *= lift
			}
		}
	}
	return true
}
