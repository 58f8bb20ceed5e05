package kern

// By name: through a variable the arguments would escape.

func quantizeGroups(bf16 bool, bits int, codes, scales, minima *byte, src *uint16, n, blocks int) int {
	switch {
	case bf16 && bits == 2:
		return quantizeGroups2BF16AVX2(codes, scales, minima, src, n, blocks)
	case bf16 && bits == 4:
		return quantizeGroups4BF16AVX2(codes, scales, minima, src, n, blocks)
	case bf16 && bits == 8:
		return quantizeGroups8BF16AVX2(codes, scales, minima, src, n, blocks)
	case bits == 2:
		return quantizeGroups2F16AVX2(codes, scales, minima, src, n, blocks)
	case bits == 4:
		return quantizeGroups4F16AVX2(codes, scales, minima, src, n, blocks)
	case bits == 8:
		return quantizeGroups8F16AVX2(codes, scales, minima, src, n, blocks)
	}
	return 0
}

func quantizeGroups512(bf16 bool, bits int, codes, scales, minima *byte, src *uint16, n, blocks int) int {
	switch {
	case bf16 && bits == 2:
		return quantizeGroups2BF16AVX512(codes, scales, minima, src, n, blocks)
	case bf16 && bits == 4:
		return quantizeGroups4BF16AVX512(codes, scales, minima, src, n, blocks)
	case bf16 && bits == 8:
		return quantizeGroups8BF16AVX512(codes, scales, minima, src, n, blocks)
	case bits == 2:
		return quantizeGroups2F16AVX512(codes, scales, minima, src, n, blocks)
	case bits == 4:
		return quantizeGroups4F16AVX512(codes, scales, minima, src, n, blocks)
	case bits == 8:
		return quantizeGroups8F16AVX512(codes, scales, minima, src, n, blocks)
	}
	return 0
}

func quantizeGroupsAround512(bf16 bool, bits int, codes, scales, minima *byte, src *uint16, n, blocks int) int {
	switch {
	case bf16 && bits == 2:
		return quantizeGroupsAround2BF16AVX512(codes, scales, minima, src, n, blocks)
	case bf16 && bits == 4:
		return quantizeGroupsAround4BF16AVX512(codes, scales, minima, src, n, blocks)
	case bf16 && bits == 8:
		return quantizeGroupsAround8BF16AVX512(codes, scales, minima, src, n, blocks)
	case bits == 2:
		return quantizeGroupsAround2F16AVX512(codes, scales, minima, src, n, blocks)
	case bits == 4:
		return quantizeGroupsAround4F16AVX512(codes, scales, minima, src, n, blocks)
	case bits == 8:
		return quantizeGroupsAround8F16AVX512(codes, scales, minima, src, n, blocks)
	}
	return 0
}

func dequantizeGroups(bf16 bool, bits int, dst *uint16, codes, scales, minima *byte, n, blocks int) int {
	switch {
	case bf16 && bits == 2:
		return dequantizeGroups2BF16AVX2(dst, codes, scales, minima, n, blocks)
	case bf16 && bits == 4:
		return dequantizeGroups4BF16AVX2(dst, codes, scales, minima, n, blocks)
	case bf16 && bits == 8:
		return dequantizeGroups8BF16AVX2(dst, codes, scales, minima, n, blocks)
	case bits == 2:
		return dequantizeGroups2F16AVX2(dst, codes, scales, minima, n, blocks)
	case bits == 4:
		return dequantizeGroups4F16AVX2(dst, codes, scales, minima, n, blocks)
	case bits == 8:
		return dequantizeGroups8F16AVX2(dst, codes, scales, minima, n, blocks)
	}
	return 0
}

func dequantizeGroups512(around bool, dst *uint16, codes, scales, minima *byte, n, blocks int) int {
	if around {
		return dequantizeGroupsAround8BF16AVX512(dst, codes, scales, minima, n, blocks)
	}
	return dequantizeGroups8BF16AVX512(dst, codes, scales, minima, n, blocks)
}

func dequantizeGroupsAround(bf16 bool, bits int, dst *uint16, codes, scales, minima *byte, n, blocks int) int {
	switch {
	case bf16 && bits == 2:
		return dequantizeGroupsAround2BF16AVX2(dst, codes, scales, minima, n, blocks)
	case bf16 && bits == 4:
		return dequantizeGroupsAround4BF16AVX2(dst, codes, scales, minima, n, blocks)
	case bf16 && bits == 8:
		return dequantizeGroupsAround8BF16AVX2(dst, codes, scales, minima, n, blocks)
	case bits == 2:
		return dequantizeGroupsAround2F16AVX2(dst, codes, scales, minima, n, blocks)
	case bits == 4:
		return dequantizeGroupsAround4F16AVX2(dst, codes, scales, minima, n, blocks)
	case bits == 8:
		return dequantizeGroupsAround8F16AVX2(dst, codes, scales, minima, n, blocks)
	}
	return 0
}

func quantizeTiles(bf16 bool, bits int, codes, scales, minima *byte, src *uint16, dim, rows, n int) int {
	switch {
	case bf16 && bits == 2:
		return quantizeTiles2BF16AVX2(codes, scales, minima, src, dim, rows, n)
	case bf16 && bits == 4:
		return quantizeTiles4BF16AVX2(codes, scales, minima, src, dim, rows, n)
	case bf16 && bits == 8:
		return quantizeTiles8BF16AVX2(codes, scales, minima, src, dim, rows, n)
	case bits == 2:
		return quantizeTiles2F16AVX2(codes, scales, minima, src, dim, rows, n)
	case bits == 4:
		return quantizeTiles4F16AVX2(codes, scales, minima, src, dim, rows, n)
	case bits == 8:
		return quantizeTiles8F16AVX2(codes, scales, minima, src, dim, rows, n)
	}
	return 0
}

func dequantizeTiles(bf16 bool, bits int, dst *uint16, codes, scales, minima *byte, dim, rows, n int) int {
	switch {
	case bf16 && bits == 2:
		return dequantizeTiles2BF16AVX2(dst, codes, scales, minima, dim, rows, n)
	case bf16 && bits == 4:
		return dequantizeTiles4BF16AVX2(dst, codes, scales, minima, dim, rows, n)
	case bf16 && bits == 8:
		return dequantizeTiles8BF16AVX2(dst, codes, scales, minima, dim, rows, n)
	case bits == 2:
		return dequantizeTiles2F16AVX2(dst, codes, scales, minima, dim, rows, n)
	case bits == 4:
		return dequantizeTiles4F16AVX2(dst, codes, scales, minima, dim, rows, n)
	case bits == 8:
		return dequantizeTiles8F16AVX2(dst, codes, scales, minima, dim, rows, n)
	}
	return 0
}
