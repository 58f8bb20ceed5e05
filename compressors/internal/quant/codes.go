package quant

import (
	"math"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// Quantize sets dst[i] to the code of src[i] on the grid a: round half to even of
// (x - Min)·Inv, plus Off, kept within the grid. dst is as long as src.
func Quantize(d kv.DType, dst []byte, src []uint16, a *Affine) {
	n := kern.Quantize(d == kv.BF16, dst, src, a.grid())
	if d == kv.BF16 {
		quantizeBF16(dst[n:], src[n:], *a)
		return
	}
	quantizeF16(dst[n:], src[n:], *a)
}

// grid is a in the terms of the kernels.
func (a *Affine) grid() kern.Grid {
	return kern.Grid{Min: a.Min, Inv: a.Inv, Scale: a.Scale, Off: a.Off, Lo: a.Lo, Hi: a.Hi}
}

func quantizeF16(dst []byte, src []uint16, a Affine) {
	dst = dst[:len(src)]
	off := a.Off - magicBits
	for i, h := range src {
		t := float32((widenF16(h) - a.Min) * a.Inv)
		q := int32(math.Float32bits(t+magic)) + off
		dst[i] = byte(min(max(q, a.Lo), a.Hi))
	}
}

func quantizeBF16(dst []byte, src []uint16, a Affine) {
	dst = dst[:len(src)]
	off := a.Off - magicBits
	for i, h := range src {
		t := float32((widenBF16(h) - a.Min) * a.Inv)
		q := int32(math.Float32bits(t+magic)) + off
		dst[i] = byte(min(max(q, a.Lo), a.Hi))
	}
}

// Dequantize sets dst[i] to the pattern of the value of code codes[i]; dst is as long as codes.
// Values beyond the dtype's range become its largest.
func Dequantize(d kv.DType, dst []uint16, codes []byte, a *Affine) {
	n := kern.Dequantize(d == kv.BF16, dst, codes, a.grid())
	dst, codes = dst[n:len(codes)], codes[n:]
	off, scale, low := a.Off, a.Scale, a.Min
	if d == kv.BF16 {
		for i, c := range codes {
			dst[i] = narrowBF16(float32(float32(int32(c)-off)*scale) + low)
		}
		return
	}
	for i, c := range codes {
		dst[i] = narrowF16(float32(float32(int32(c)-off)*scale) + low)
	}
}

// A Table holds the patterns of all codes of a grid.
type Table [256]uint16

// MakeTable fills the first n entries of t, those of the codes below n.
func MakeTable(t *Table, n int, d kv.DType, a *Affine) {
	Dequantize(d, t[:n], ramp[:n], a)
}

var ramp [256]byte

func init() {
	for i := range ramp {
		ramp[i] = byte(i)
	}
}

// Lookup sets dst[i] to t[codes[i]]; dst is as long as codes.
func Lookup(dst []uint16, codes []byte, t *Table) {
	dst = dst[:len(codes)]
	for i, c := range codes {
		dst[i] = t[c]
	}
}

// Span is how many columns a Columns holds: few enough for a stack.
const Span = 128

// Columns are the grids of up to Span neighbouring channels.
type Columns struct {
	Min, Scale, Inv [Span]float32
	Off             [Span]int32
	Lo, Hi          int32
}

// Set makes a the grid of column i.
func (c *Columns) Set(i int, a *Affine) {
	c.Min[i], c.Scale[i], c.Inv[i], c.Off[i] = a.Min, a.Scale, a.Inv, a.Off
	c.Lo, c.Hi = a.Lo, a.Hi
}

// QuantizeColumns is Quantize with a grid for every channel of a row of at most Span.
func QuantizeColumns(d kv.DType, dst []byte, src []uint16, c *Columns) {
	n := len(src)
	dst = dst[:n]
	low, inv, off := c.Min[:n], c.Inv[:n], c.Off[:n]
	done := kern.QuantizeColumns(d == kv.BF16, dst, src, c.columns(n))
	dst, src, low, inv, off = dst[done:], src[done:], low[done:], inv[done:], off[done:]
	if d == kv.BF16 {
		for i, h := range src {
			t := float32((widenBF16(h) - low[i]) * inv[i])
			q := int32(math.Float32bits(t+magic)) - magicBits + off[i]
			dst[i] = byte(min(max(q, c.Lo), c.Hi))
		}
		return
	}
	for i, h := range src {
		t := float32((widenF16(h) - low[i]) * inv[i])
		q := int32(math.Float32bits(t+magic)) - magicBits + off[i]
		dst[i] = byte(min(max(q, c.Lo), c.Hi))
	}
}

// columns is the first n grids of c in the terms of the kernels.
func (c *Columns) columns(n int) kern.Columns {
	return kern.Columns{Min: c.Min[:n], Inv: c.Inv[:n], Scale: c.Scale[:n], Off: c.Off[:n],
		Lo: c.Lo, Hi: c.Hi}
}

// DequantizeColumns undoes QuantizeColumns.
func DequantizeColumns(d kv.DType, dst []uint16, codes []byte, c *Columns) {
	n := len(codes)
	dst = dst[:n]
	low, scale, off := c.Min[:n], c.Scale[:n], c.Off[:n]
	done := kern.DequantizeColumns(d == kv.BF16, dst, codes, c.columns(n))
	dst, codes, low, scale, off = dst[done:], codes[done:], low[done:], scale[done:], off[done:]
	if d == kv.BF16 {
		for i, q := range codes {
			dst[i] = narrowBF16(float32(float32(int32(q)-off[i])*scale[i]) + low[i])
		}
		return
	}
	for i, q := range codes {
		dst[i] = narrowF16(float32(float32(int32(q)-off[i])*scale[i]) + low[i])
	}
}

// ColumnTables hold the patterns of all codes of up to Span channels' grids of at most 4 bits.
type ColumnTables [Span][16]uint16

// MakeColumnTables fills the tables of the first n columns for codes of the given width.
func MakeColumnTables(t *ColumnTables, n, bits int, d kv.DType, c *Columns) {
	for i := range n {
		a := Affine{Min: c.Min[i], Scale: c.Scale[i], Off: c.Off[i]}
		Dequantize(d, t[i][:1<<bits], ramp[:1<<bits], &a)
	}
}

// LookupColumns sets dst[i] to the pattern of code codes[i] in column i.
func LookupColumns(dst []uint16, codes []byte, t *ColumnTables) {
	dst = dst[:len(codes)]
	for i, c := range codes[:min(len(codes), Span)] {
		dst[i] = t[i][c&15]
	}
}
