package kern

import "unsafe"

// The functions of this file quantise many groups of 16-bit floats in one call, or undo it: codes
// of 2, 4 or 8 bits, packed with the first in the low bits, and a binary16 scale and minimum for
// each group, little-endian. With values from low to high in a group and b bits,
//
//	minimum = low in binary16     scale = (high − low)/(2^b − 1) in binary16, at least 2^-24; 0 if low = high
//	code = (x − minimum)·(1/scale), rounded to even and cut to 2^b − 1     x' = code·scale + minimum
//
// where every step is rounded to float32, 1/scale is 0 for scale 0, and x' is rounded to even.
// They do the front groups and return how many: none where there are no vectors to do it with or
// for lengths that do not suit them, and none from a group on whose scale or minimum binary16
// cannot hold, which values that are not finite bring about, or that decodes to values beyond the
// type. The caller does that one, and goes on with the next. The reference, in plain Go, is
// quant.Quantizer with what it stores, quant.Quantize and quant.Pack.

// valuesPerCall bounds a call into assembly, which the scheduler cannot interrupt.
const valuesPerCall = 1 << 20

// QuantizeGroups quantises groups of n neighbouring values, which make up src. It may write codes
// around the caches, which is better where src is part of StreamBytes or more.
func QuantizeGroups(bf16, around bool, bits, n int, codes, scales, minima []byte, src []uint16) int {
	if level < AVX2 || n < 32 || n%32 != 0 {
		return 0
	}
	groups := len(src) / n &^ 7
	src, codes = src[:groups*n], codes[:groups*n/8*bits]
	scales, minima = scales[:2*groups], minima[:2*groups]
	wide := vbmi() && n%64 == 0 && n <= longGroup
	around = around && len(codes) > 0 && uintptr(unsafe.Pointer(&codes[0]))%uintptr(8*bits) == 0
	for at := 0; at < groups; {
		blocks := min(groups-at, max(8, valuesPerCall/n&^7)) / 8
		c, s, m, f := &codes[at*n/8*bits], &scales[2*at], &minima[2*at], &src[at*n]
		done := 0
		switch {
		case wide && around:
			done = quantizeGroupsAround512(bf16, bits, c, s, m, f, n, blocks)
		case wide:
			done = quantizeGroups512(bf16, bits, c, s, m, f, n, blocks)
		default:
			done = quantizeGroups(bf16, bits, c, s, m, f, n, blocks)
		}
		at += 8 * done
		if done < blocks {
			return at
		}
	}
	return groups
}

// longGroup is the length of a group from which on a block of eight, and what is fetched of the next
// one, are more than the AVX-512 kernels should keep in the first caches.
const longGroup = 4096

// DequantizeGroups undoes QuantizeGroups. It may write dst around the caches, which is better where
// dst is part of StreamBytes or more.
func DequantizeGroups(bf16, around bool, bits, n int, dst []uint16, codes, scales, minima []byte) int {
	if level < AVX2 || n < 32 || n%32 != 0 {
		return 0
	}
	groups := len(dst) / n &^ 7
	dst, codes = dst[:groups*n], codes[:groups*n/8*bits]
	scales, minima = scales[:2*groups], minima[:2*groups]
	for at := 0; at < groups; {
		blocks := min(groups-at, max(8, valuesPerCall/n&^7)) / 8
		f, c, s, m := &dst[at*n], &codes[at*n/8*bits], &scales[2*at], &minima[2*at]
		done := 0
		switch at := uintptr(unsafe.Pointer(f)); {
		case bf16 && bits == 8 && vbmi() && hasBF16:
			done = dequantizeGroups512(around && at%64 == 0, f, c, s, m, n, blocks)
		case around && n >= 64 && at%32 == 0:
			done = dequantizeGroupsAround(bf16, bits, f, c, s, m, n, blocks)
		default:
			done = dequantizeGroups(bf16, bits, f, c, s, m, n, blocks)
		}
		at += 8 * done
		if done < blocks {
			return at
		}
	}
	return groups
}

// QuantizeTiles quantises tiles of some rows of dim values, which make up src. Each column of a
// tile is a group; codes lie as the values do.
func QuantizeTiles(bf16 bool, bits, dim, rows int, codes, scales, minima []byte, src []uint16) int {
	if level < AVX2 || dim < 32 || dim%32 != 0 || rows < 1 {
		return 0
	}
	size := dim * rows
	tiles := len(src) / size
	src, codes = src[:tiles*size], codes[:tiles*size/8*bits]
	scales, minima = scales[:2*tiles*dim], minima[:2*tiles*dim]
	for at := 0; at < tiles; {
		n := min(tiles-at, max(1, valuesPerCall/size))
		done := quantizeTiles(bf16, bits, &codes[at*size/8*bits], &scales[2*at*dim], &minima[2*at*dim], &src[at*size],
			dim, rows, n)
		at += done
		if done < n {
			return at
		}
	}
	return tiles
}

// DequantizeTiles undoes QuantizeTiles.
func DequantizeTiles(bf16 bool, bits, dim, rows int, dst []uint16, codes, scales, minima []byte) int {
	if level < AVX2 || dim < 32 || dim%32 != 0 || rows < 1 {
		return 0
	}
	size := dim * rows
	tiles := len(dst) / size
	dst, codes = dst[:tiles*size], codes[:tiles*size/8*bits]
	scales, minima = scales[:2*tiles*dim], minima[:2*tiles*dim]
	for at := 0; at < tiles; {
		n := min(tiles-at, max(1, valuesPerCall/size))
		done := dequantizeTiles(bf16, bits, &dst[at*size], &codes[at*size/8*bits], &scales[2*at*dim], &minima[2*at*dim],
			dim, rows, n)
		at += done
		if done < n {
			return at
		}
	}
	return tiles
}
