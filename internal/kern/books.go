package kern

import "math"

// MaxBookBits is the width of the codes of the largest Book.
const MaxBookBits = 4

// A Book is a scalar code book of 2 to 16 numbers, a power of two, in increasing order.
type Book struct {
	Levels [16]float32 // by code, then zeros
	bits   int
	bounds []float32
	tree   [16]float32 // bounds by steps of a binary search, from 1
}

// NewBook returns the code book of levels; bounds[i] is the least number of which the code is not i
// or less.
func NewBook(levels, bounds []float32) *Book {
	b := &Book{bounds: bounds}
	copy(b.Levels[:], levels)
	for n := len(levels); n > 1; n /= 2 {
		b.bits++
	}
	for step, width := 1, len(levels)/2; width > 0; step, width = 2*step, width/2 {
		for i := range step {
			b.tree[step+i] = bounds[(2*i+1)*width-1]
		}
	}
	return b
}

// Codes sets dst to the codes of v times factor, rounded; that of NaN is 0. The slices have equal
// length.
func (b *Book) Codes(dst []byte, v []float32, factor float32) {
	dst = dst[:len(v)]
	n := len(v) &^ 31
	if level < AVX2 || n == 0 {
		n = 0
	} else { // by name: through a variable the arguments would escape
		switch b.bits {
		case 1:
			bookCodes1AVX2(&dst[0], &v[0], n, factor, &b.tree[0])
		case 2:
			bookCodes2AVX2(&dst[0], &v[0], n, factor, &b.tree[0])
		case 3:
			bookCodes3AVX2(&dst[0], &v[0], n, factor, &b.tree[0])
		default:
			bookCodes4AVX2(&dst[0], &v[0], n, factor, &b.tree[0])
		}
	}
	for i, x := range v[n:] {
		dst[n+i] = b.Code(x * factor)
	}
}

// Code returns the code of x, 0 for NaN.
func (b *Book) Code(x float32) byte {
	code := 1
	for range b.bits {
		up := 0
		if x >= b.tree[code] {
			up = 1
		}
		code = 2*code + up
	}
	return byte(code - 1<<b.bits)
}

// Values sets dst to table[c] of codes c, which are less than n, at most 16; the slices have equal
// length.
func Values(dst []float32, codes []byte, n int, table *[16]float32) {
	dst = dst[:len(codes)]
	done := 0
	if level >= AVX2 && len(codes) >= 8 {
		done = len(codes) &^ 7
		if n <= 8 {
			bookValues3AVX2(&dst[0], &codes[0], done, &table[0])
		} else {
			bookValues4AVX2(&dst[0], &codes[0], done, &table[0])
		}
	}
	for i, c := range codes[done:] {
		dst[done+i] = table[c&15]
	}
}

// Lengths sets dst to the Euclidean lengths of the rows of v, of dim numbers: squares are added up in
// float64, in order.
func Lengths(dst, v []float32, dim int) {
	at := 0
	if level >= AVX2 && dim%8 == 0 && dim > 0 {
		for ; at+8 <= len(dst); at += 8 {
			lengthsAVX2(&dst[at], &v[at*dim : (at+8)*dim][0], dim)
		}
	}
	for ; at < len(dst); at++ {
		s := 0.0
		for _, x := range v[at*dim : (at+1)*dim] {
			s += float64(x) * float64(x) // exact products
		}
		dst[at] = float32(math.Sqrt(s))
	}
}

// SignBits sets the bits of dst, from the lowest of each byte, to whether the numbers of v are zero
// or more; dst has a byte for every eight.
func SignBits(dst []byte, v []float32) {
	n := 0
	if level >= AVX2 && len(v) >= 8 {
		n = len(v) / 8
		signBitsAVX2(&dst[:n][0], &v[0], 8*n)
	}
	for ; 8*n < len(v); n++ {
		bits := byte(0)
		for j, x := range v[8*n : min(8*n+8, len(v))] {
			if x >= 0 {
				bits |= 1 << j
			}
		}
		dst[n] = bits
	}
}

// FloorCodes sets the front part of dst to the integer parts of (x − low)/scale + 0.5, at most top,
// where x are the values of src, no less than low, and returns how many. No quotient is 2^31 or more.
func FloorCodes(bf16 bool, dst []byte, src []uint16, low, scale float32, top int32) (n int) {
	if n = len(src) &^ 31; n == 0 || level < AVX2 {
		return 0
	}
	dst = dst[:n]
	if bf16 {
		floorCodesBF16AVX2(&dst[0], &src[0], n, low, scale, top)
	} else {
		floorCodesF16AVX2(&dst[0], &src[0], n, low, scale, top)
	}
	return n
}
