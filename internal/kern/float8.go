package kern

// A Float8 is a format of 8 bits: a sign, an exponent, a fraction.
type Float8 uint8

// The formats that have kernels: 3 bits of fraction and numbers up to 448, or 2 and up to 57344.
const (
	E4M3 Float8 = iota
	E5M2
)

// The kernels below do the front part, as those of rows do.

// Cast sets dst to the codes nearest to src, ties to even, cut to the largest number, and returns
// the greatest of these patterns without its sign: the codes mean something if that is finite.
func (f Float8) Cast(bf16 bool, dst []byte, src []uint16) (top uint16, n int) {
	if n = len(src) &^ 31; n == 0 || level < AVX2 {
		return 0, 0
	}
	var t uint32
	switch { // by name: through a variable the arguments would escape
	case f == E4M3 && bf16:
		t = castE4M3BF16AVX2(&dst[0], &src[0], n)
	case f == E4M3:
		t = castE4M3F16AVX2(&dst[0], &src[0], n)
	case bf16:
		t = castE5M2BF16AVX2(&dst[0], &src[0], n)
	default:
		t = castE5M2F16AVX2(&dst[0], &src[0], n)
	}
	return uint16(t), n
}

// Scale sets dst to the codes nearest to src·inv, ties to even. No product may be beyond the largest
// number by more than a rounding of float32. It may search ahead.
func (f Float8) Scale(bf16 bool, dst []byte, src []uint16, ahead *Ahead, inv float32) (n int) {
	if n = len(src) &^ 31; n == 0 || level < AVX2 {
		return 0
	}
	if f == E4M3 && n >= 128 && inv >= 0x1p-112 && (bf16 || inv <= 0x1p15) && vbmi() {
		return scale512(bf16, dst, src, ahead, inv)
	}
	switch wide := inv > 0x1p15; { // times 2^112, by which binary16 is read too small, is no number
	case f == E4M3 && bf16:
		scaleE4M3BF16AVX2(&dst[0], &src[0], n, inv)
	case bf16:
		scaleE5M2BF16AVX2(&dst[0], &src[0], n, inv)
	case f == E4M3 && wide:
		scaleWideE4M3F16AVX2(&dst[0], &src[0], n, inv)
	case f == E4M3:
		scaleE4M3F16AVX2(&dst[0], &src[0], n, inv*0x1p112)
	case wide:
		scaleWideE5M2F16AVX2(&dst[0], &src[0], n, inv)
	default:
		scaleE5M2F16AVX2(&dst[0], &src[0], n, inv*0x1p112)
	}
	return n
}

func scale512(bf16 bool, dst []byte, src []uint16, ahead *Ahead, inv float32) int {
	n := len(src) &^ 127
	later, step := ahead.at(n)
	var u uint32
	if bf16 {
		u = scaleE4M3BF16AVX512(&dst[0], &src[0], later, step, n, inv*0x1p-13)
	} else {
		u = scaleE4M3F16AVX512(&dst[0], &src[0], later, step, n, inv*0x1p99)
	}
	if later != nil {
		ahead.skip(n, u)
	}
	return n
}

// RowScales say what scales of rows are at the lower end: Least is the smallest, Zero that of a row of
// zeros. The reciprocal of 0 counts as 0.
type RowScales struct{ Least, Zero float32 }

// ScaleRows writes, for rows of dim values, the little-endian float32 scale that brings the row's
// largest magnitude to the largest number, and the codes nearest to src·(1/scale). It may stop early;
// it returns the greatest of the patterns without its sign and how many rows it did.
func (f Float8) ScaleRows(bf16 bool, dst, scales []byte, src []uint16, dim int,
	s RowScales) (top uint16, rows int) {
	if level < AVX2 || dim == 0 || dim%32 != 0 {
		return 0, 0
	}
	if rows = len(src) / dim &^ 7; rows == 0 {
		return 0, 0
	}
	_, _ = dst[rows*dim-1], scales[4*rows-1]
	var t uint32
	var left int
	switch {
	case f == E4M3 && bf16:
		left, t = scaleRowsE4M3BF16AVX2(&dst[0], &scales[0], &src[0], rows, dim, s.Least, s.Zero)
	case f == E4M3:
		left, t = scaleRowsE4M3F16AVX2(&dst[0], &scales[0], &src[0], rows, dim, s.Least, s.Zero)
	case bf16:
		left, t = scaleRowsE5M2BF16AVX2(&dst[0], &scales[0], &src[0], rows, dim, s.Least, s.Zero)
	default:
		left, t = scaleRowsE5M2F16AVX2(&dst[0], &scales[0], &src[0], rows, dim, s.Least, s.Zero)
	}
	return uint16(t), rows - left
}

// Decode sets dst to the patterns of codes, and returns the greatest code without its sign. With stream
// it writes around the caches where dst allows, as StreamCopy does.
func (f Float8) Decode(bf16 bool, dst []uint16, codes []byte, stream bool) (top byte, n int) {
	if n = len(codes) &^ 31; n == 0 || level < AVX2 {
		return 0, 0
	}
	var t uint32
	around := streams(stream, &dst[0], 32)
	switch {
	case f == E4M3 && bf16:
		t = decodeE4M3BF16AVX2(&dst[0], &codes[0], n, around)
	case f == E4M3:
		t = decodeE4M3F16AVX2(&dst[0], &codes[0], n, around)
	case bf16:
		t = decodeE5M2BF16AVX2(&dst[0], &codes[0], n, around)
	default:
		t = decodeE5M2F16AVX2(&dst[0], &codes[0], n, around)
	}
	return byte(t), n
}

// RestoreRows sets dst to the patterns of codes times the scale of their row of dim values. It stops
// before a scale whose bits are more than limit, such as a negative one, and returns the greatest
// code without its sign and how many rows it did.
func (f Float8) RestoreRows(bf16 bool, dst []uint16, codes, scales []byte, dim int,
	limit uint32) (top byte, rows int) {
	if level < AVX2 || dim == 0 || dim%32 != 0 {
		return 0, 0
	}
	if rows = len(dst) / dim; rows == 0 {
		return 0, 0
	}
	_, _ = codes[rows*dim-1], scales[4*rows-1]
	var t uint32
	var left int
	switch {
	case f == E4M3 && bf16:
		left, t = restoreRowsE4M3BF16AVX2(&dst[0], &codes[0], &scales[0], rows, dim, limit)
	case f == E4M3:
		left, t = restoreRowsE4M3F16AVX2(&dst[0], &codes[0], &scales[0], rows, dim, limit)
	case bf16:
		left, t = restoreRowsE5M2BF16AVX2(&dst[0], &codes[0], &scales[0], rows, dim, limit)
	default:
		left, t = restoreRowsE5M2F16AVX2(&dst[0], &codes[0], &scales[0], rows, dim, limit)
	}
	return byte(t), rows - left
}
