package quant

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// rows are what the kernels are compared on: ordinary values, extremes of either sign, zeros,
// subnormals, of lengths with every remainder.
func rows(d kv.DType) [][]uint16 {
	var out [][]uint16
	state := uint64(1)
	next := func() uint64 {
		state = state*6364136223846793005 + 1442695040888963407
		return state >> 33
	}
	for n := range 100 {
		row := make([]uint16, n)
		for i := range row {
			switch next() % 8 {
			case 0: // any finite pattern
				row[i] = uint16(next())
				if !d.Finite(row[i]) {
					row[i] &= 0x8fff
				}
			case 1:
				row[i] = uint16(next() & 0x8007) // zeros and subnormals
			case 2:
				row[i] = d.Bits(d.Max()) | uint16(next()&1)<<15
			default:
				row[i] = d.Bits(float32(int64(next()%2000)-1000) / 300)
			}
		}
		out = append(out, row)
	}
	return out
}

// both runs f with vectors and without and wants equal bytes.
func both(t *testing.T, what string, f func() []byte) {
	t.Helper()
	fast := f()
	defer kern.SetLevel(kern.Generic)()
	if slow := f(); !bytes.Equal(fast, slow) {
		at := 0
		for fast[at] == slow[at] {
			at++
		}
		t.Fatalf("%s: byte %d of %d is %#x with vectors, %#x without", what, at, len(fast), fast[at], slow[at])
	}
}

func patterns(row []uint16) []byte {
	var out []byte
	for _, b := range row {
		out = append(out, byte(b), byte(b>>8))
	}
	return out
}

func TestVectorsGiveTheBytesOfTheReference(t *testing.T) {
	if !kern.Vectors() {
		t.Skip("this processor has no vectors that the kernels use")
	}
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		for _, row := range rows(d) {
			both(t, "MinMax", func() []byte {
				lo, hi := MinMax(row)
				top := AbsMax(row)
				return []byte{byte(lo), byte(lo >> 8), byte(lo >> 16), byte(hi), byte(hi >> 8), byte(hi >> 16),
					byte(top), byte(top >> 8)}
			})
			checkGrids(t, d, row)
			checkFloat8(t, d, row)
			checkHalves(t, d, row)
		}
	}
}

func checkGrids(t *testing.T, d kv.DType, row []uint16) {
	if len(row) == 0 {
		return
	}
	lo, hi := MinMax(row)
	for _, q := range []Quantizer{{4, ScaleF16, ZeroMin}, {8, ScaleF32, ZeroMin}, {2, ScaleF32, ZeroInt},
		{3, ScaleF32, ZeroNone}} {
		a, ok := q.Fit(d, lo, hi)
		if !ok {
			continue
		}
		var c Columns
		for i := range row {
			low, high := min(Key(row[i]), 0), max(Key(row[i]), Key(d.Bits(1)))
			if b, ok := q.Fit(d, low, high); ok {
				c.Set(i, &b)
			}
		}
		both(t, "Quantize", func() []byte {
			codes, cols := make([]byte, len(row)), make([]byte, len(row))
			Quantize(d, codes, row, &a)
			QuantizeColumns(d, cols, row, &c)
			packed := make([]byte, PackedBytes(len(row), q.Bits))
			Pack(packed, codes, q.Bits)
			back, vals, more := make([]byte, len(row)), make([]uint16, len(row)), make([]uint16, len(row))
			Unpack(back, packed, q.Bits)
			if !bytes.Equal(back, codes) {
				t.Fatalf("%d bits: unpacked %v, packed %v", q.Bits, back, codes)
			}
			Dequantize(d, vals, codes, &a)
			DequantizeColumns(d, more, cols, &c)
			return slices.Concat(codes, cols, packed, patterns(vals), patterns(more))
		})
	}
	both(t, "MinMaxColumns", func() []byte {
		lows, highs := make([]int32, len(row)), make([]int32, len(row))
		MinMaxColumns(lows, highs, row)
		var out []byte
		for i := range lows {
			out = append(out, byte(lows[i]), byte(lows[i]>>8), byte(highs[i]), byte(highs[i]>>8))
		}
		return out
	})
}

func checkFloat8(t *testing.T, d kv.DType, row []uint16) {
	for _, f := range []*Float8{E4M3, E5M2} {
		_, most := f.ScaleFor(d.Float(AbsMax(row)))
		for _, less := range []float32{1, 0.37, 1e-6} {
			both(t, "Float8", func() []byte {
				plain, scaled := make([]byte, len(row)), make([]byte, len(row))
				f.Cast(d, plain, row)
				f.Scale(d, scaled, row, most*less)
				if !f.Valid(plain) || !f.Valid(scaled) {
					t.Fatal("a code is no number")
				}
				vals := make([]uint16, len(row))
				f.Decode(d, vals, plain, true)
				return slices.Concat(plain, scaled, patterns(vals))
			})
		}
	}
}

// Rows of every length that matters, in numbers that eight does not divide, with scales up to those
// that cut values off.
func TestRowsOfFloat8AgreeWithVectors(t *testing.T) {
	for _, f := range []*Float8{E4M3, E5M2} {
		for _, d := range []kv.DType{kv.F16, kv.BF16} {
			var all []uint16
			for _, row := range rows(d) {
				all = append(all, row...)
			}
			for _, dim := range []int{1, 31, 32, 64, 80, 128} {
				n := len(all) / dim
				src := all[:n*dim]
				both(t, "rows", func() []byte {
					codes, scales := make([]byte, len(src)), make([]byte, 4*n)
					if !f.ScaleRows(d, codes, scales, src, dim, Measured) || !f.Valid(codes) {
						t.Fatal("finite values do not scale")
					}
					back, more := make([]uint16, len(src)), make([]uint16, len(src))
					if !f.RestoreRows(d, back, codes, scales, dim) {
						t.Fatal("rows do not come back")
					}
					for i := 3; i < len(scales); i += 20 {
						scales[i] |= 0x3f // large scales
						scales[i] &= 0x7e
					}
					if !f.RestoreRows(d, more, codes, scales, dim) {
						t.Fatal("rows of large scales do not come back")
					}
					return slices.Concat(codes, scales, patterns(back), patterns(more))
				})
			}
		}
	}
}

func TestFloat8SaysWhereThereIsNoNumber(t *testing.T) {
	for _, f := range []*Float8{E4M3, E5M2} {
		for _, d := range []kv.DType{kv.F16, kv.BF16} {
			for _, at := range []int{0, 31, 32, 250, 255, 256, 299} {
				src, codes, scales := make([]uint16, 300), make([]byte, 300), make([]byte, 1200)
				src[at] = d.Bits(float32(math.Inf(-1)))
				if f.Cast(d, codes, src) || f.ScaleRows(d, codes[:288], scales, src[:288], 32, Measured) && at < 288 {
					t.Errorf("an infinity at %d passes", at)
				}
				clear(codes)
				codes[at] = 0xff
				if f.Decode(d, src, codes, true) || f.RestoreRows(d, src[:288], codes[:288], scales, 32) && at < 288 {
					t.Errorf("NaN at %d passes", at)
				}
				clear(codes)
				clear(scales)
				scales[at/32*4+3] = 0x80 // -0 is a scale, less is none
				if !f.RestoreRows(d, src[:288], codes[:288], scales, 32) {
					t.Errorf("a scale of -0 at %d does not pass", at)
				}
				if scales[at/32*4+3] = 0xbf; f.RestoreRows(d, src[:288], codes[:288], scales, 32) && at < 288 {
					t.Errorf("a negative scale at %d passes", at)
				}
			}
		}
	}
}

func checkHalves(t *testing.T, d kv.DType, row []uint16) {
	both(t, "Widen and narrow", func() []byte {
		wide := make([]float32, len(row))
		d.Widen(wide, row)
		var out []byte
		for i, x := range wide {
			b := math.Float32bits(x)
			out = append(out, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
			wide[i] = x * 1.2345 // beyond the range where x was the largest
		}
		back := make([]uint16, len(row))
		d.NarrowSaturated(back, wide)
		return append(out, patterns(back)...)
	})
}

func TestAllCodesAndPatternsOfFloat8AgreeWithVectors(t *testing.T) {
	for _, f := range []*Float8{E4M3, E5M2} {
		for _, d := range []kv.DType{kv.F16, kv.BF16} {
			both(t, "all patterns", func() []byte {
				var all []uint16
				for b := range 1 << 16 {
					if d.Finite(uint16(b)) {
						all = append(all, uint16(b))
					}
				}
				codes := make([]byte, len(all))
				f.Cast(d, codes, all)
				back := make([]uint16, len(all))
				f.Decode(d, back, codes, true)
				return append(codes, patterns(back)...)
			})
		}
	}
}
