// Package quant holds the row kernels of the quantisers: smallest and largest of 16-bit floats,
// scales, codes, packing. They work on patterns of either dtype and write the same bytes on
// every platform: products are rounded before they are added to, and nothing is divided where a
// code depends on it.
package quant

import (
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// Keys order 16-bit floats as integers: a < b as floats if Key(a) < Key(b) as integers. -0 comes
// before +0, infinities and NaNs at the ends.
//
// NoLow and NoHigh start a search for the smallest and largest.
const (
	NoLow  = int32(1 << 20)
	NoHigh = -NoLow
)

// Key returns the key of a pattern.
func Key(bits uint16) int32 {
	i := int32(int16(bits))
	return i ^ (i>>31)&0x7fff
}

// Bits returns the pattern of a key.
func Bits(key int32) uint16 { return uint16(key ^ (key>>31)&0x7fff) }

// Finite says whether the smallest and largest key are those of finite numbers of d, hence all
// between.
func Finite(d kv.DType, lo, hi int32) bool {
	top := int32(0x7c00)
	if d == kv.BF16 {
		top = 0x7f80
	}
	return hi < top && lo > ^top
}

// MinMax returns the smallest and the largest key of row, or NoLow and NoHigh if it is empty.
func MinMax(row []uint16) (lo, hi int32) {
	lo2, hi2 := NoLow, NoHigh
	lo, hi, n := kern.MinMaxKeys(row)
	if n == 0 {
		lo, hi = NoLow, NoHigh
	}
	row = row[n:]
	for len(row) >= 4 {
		p := (*[4]uint16)(row)
		a, b, c, d := Key(p[0]), Key(p[1]), Key(p[2]), Key(p[3])
		lo, hi = min(lo, a), max(hi, a)
		lo2, hi2 = min(lo2, b), max(hi2, b)
		lo, hi = min(lo, c), max(hi, c)
		lo2, hi2 = min(lo2, d), max(hi2, d)
		row = row[4:]
	}
	for _, bits := range row {
		k := Key(bits)
		lo, hi = min(lo, k), max(hi, k)
	}
	return min(lo, lo2), max(hi, hi2)
}

// MinMaxColumns lowers lo[i] and raises hi[i] to the key of row[i]; the slices have equal length.
func MinMaxColumns(lo, hi []int32, row []uint16) {
	lo, hi = lo[:len(row)], hi[:len(row)]
	for i := kern.MinMaxColumns(lo, hi, row); i < len(row); i++ {
		k := Key(row[i])
		lo[i] = min(lo[i], k)
		hi[i] = max(hi[i], k)
	}
}

// AbsMax returns the largest pattern of row without its sign, which is that of the largest
// magnitude; 0 if row is empty.
func AbsMax(row []uint16) uint16 {
	var top2 uint16
	top, n := kern.AbsMaxBits(row)
	row = row[n:]
	for len(row) >= 2 {
		p := (*[2]uint16)(row)
		top, top2 = max(top, p[0]&0x7fff), max(top2, p[1]&0x7fff)
		row = row[2:]
	}
	for _, bits := range row {
		top = max(top, bits&0x7fff)
	}
	return max(top, top2)
}
