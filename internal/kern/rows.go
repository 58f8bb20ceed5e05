package kern

// The functions of this file do the front part of a row, a whole number of vectors, and return how
// many values that was: none where the processor has no vectors. What is left is the caller's, in
// plain Go, which is also the reference: both give the same bytes.

// MinMaxKeys returns the least and the greatest key of the first n patterns: as signed 16-bit
// integers with the lower 15 bits flipped in negative numbers, which order as the floats do.
func MinMaxKeys(src []uint16) (lo, hi int32, n int) {
	if n = len(src) &^ 15; n == 0 || level < AVX2 {
		return 0, 0, 0
	}
	lo, hi = minMaxAVX2(&src[0], n)
	return lo, hi, n
}

// wideRow is from how many patterns on a row is read at several places at once: when these are more
// than pages of memory.
const wideRow = 1 << 14

// AbsMaxBits returns the greatest of the first n patterns without their signs.
func AbsMaxBits(src []uint16) (top uint16, n int) {
	if n = len(src) &^ 15; n == 0 || level < AVX2 {
		return 0, 0
	}
	if n >= wideRow {
		n &^= 127
		return uint16(absMaxFourAVX2(&src[0], n)), n
	}
	return uint16(absMaxAVX2(&src[0], n)), n
}

// MinMaxColumns lowers lo[i] and raises hi[i] to the key of src[i].
func MinMaxColumns(lo, hi []int32, src []uint16) (n int) {
	if n = len(src) &^ 7; n == 0 || level < AVX2 {
		return 0
	}
	minMaxColumnsAVX2(&lo[0], &hi[0], &src[0], n)
	return n
}

// A Grid is what a row is quantised on: code = round((x − Min)·Inv) + Off, cut to Lo…Hi, and back
// x = (code − Off)·Scale + Min.
type Grid struct {
	Min, Inv, Scale float32
	Off, Lo, Hi     int32
}

// roundingBits are the bits of 1.5·2^23, whose addition rounds to an integer in the low bits.
const roundingBits = 0x4b400000

// Quantize sets dst to the codes of src.
func Quantize(bf16 bool, dst []byte, src []uint16, g Grid) (n int) {
	if n = len(src) &^ 15; n == 0 || level < AVX2 {
		return 0
	}
	if bf16 {
		quantizeBF16AVX2(&dst[0], &src[0], n, g.Min, g.Inv, g.Off-roundingBits, g.Lo, g.Hi)
	} else {
		quantizeF16AVX2(&dst[0], &src[0], n, g.Min, g.Inv, g.Off-roundingBits, g.Lo, g.Hi)
	}
	return n
}

// Dequantize sets dst to the patterns of codes, cut to the largest finite number.
func Dequantize(bf16 bool, dst []uint16, codes []byte, g Grid) (n int) {
	if n = len(codes) &^ 7; n == 0 || level < AVX2 {
		return 0
	}
	if bf16 {
		dequantizeBF16AVX2(&dst[0], &codes[0], n, g.Scale, g.Min, g.Off)
	} else {
		dequantizeF16AVX2(&dst[0], &codes[0], n, g.Scale, g.Min, g.Off)
	}
	return n
}

// Columns are Grids of neighbouring columns, as slices of one length.
type Columns struct {
	Min, Inv, Scale []float32
	Off             []int32
	Lo, Hi          int32
}

// QuantizeColumns is Quantize with a grid per column.
func QuantizeColumns(bf16 bool, dst []byte, src []uint16, c Columns) (n int) {
	if n = len(src) &^ 15; n == 0 || level < AVX2 {
		return 0
	}
	if bf16 { // by name: through a variable the arguments would escape
		quantizeColumnsBF16AVX2(&dst[0], &src[0], n, &c.Min[0], &c.Inv[0], &c.Off[0], c.Lo, c.Hi)
	} else {
		quantizeColumnsF16AVX2(&dst[0], &src[0], n, &c.Min[0], &c.Inv[0], &c.Off[0], c.Lo, c.Hi)
	}
	return n
}

// DequantizeColumns is Dequantize with a grid per column.
func DequantizeColumns(bf16 bool, dst []uint16, codes []byte, c Columns) (n int) {
	if n = len(codes) &^ 7; n == 0 || level < AVX2 {
		return 0
	}
	if bf16 {
		dequantizeColumnsBF16AVX2(&dst[0], &codes[0], n, &c.Scale[0], &c.Min[0], &c.Off[0])
	} else {
		dequantizeColumnsF16AVX2(&dst[0], &codes[0], n, &c.Scale[0], &c.Min[0], &c.Off[0])
	}
	return n
}

// Pack packs codes of 4 or 2 bits, the first in the low bits.
func Pack(dst, codes []byte, bits int) (n int) {
	if n = len(codes) &^ 31; n == 0 || level < AVX2 {
		return 0
	}
	switch bits {
	case 4:
		pack4AVX2(&dst[0], &codes[0], n)
	case 2:
		pack2AVX2(&dst[0], &codes[0], n)
	default:
		return 0
	}
	return n
}

// Unpack undoes Pack.
func Unpack(codes, src []byte, bits int) (n int) {
	if n = len(codes) &^ 31; n == 0 || level < AVX2 {
		return 0
	}
	switch bits {
	case 4:
		unpack4AVX2(&codes[0], &src[0], n)
	case 2:
		unpack2AVX2(&codes[0], &src[0], n)
	default:
		return 0
	}
	return n
}

// NarrowCut rounds src to 16 bits, to nearest even, cut to the largest finite number.
func NarrowCut(bf16 bool, dst []uint16, src []float32) (n int) {
	if n = len(src) &^ 7; n == 0 || level < AVX2 {
		return 0
	}
	if bf16 {
		narrowCutBF16AVX2(&dst[0], &src[0], n)
	} else {
		narrowCutF16AVX2(&dst[0], &src[0], n)
	}
	return n
}
