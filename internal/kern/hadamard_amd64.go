package kern

// By name: through a variable the arguments would escape.

func widenHadamard(bf16 bool, dim int, dst *float32, src, signs *uint16, ends *float32,
	factor float32) bool {
	switch {
	case bf16 && dim == 64:
		return widenHadamardBF16x64AVX2(dst, src, signs, ends, factor)
	case bf16:
		return widenHadamardBF16x128AVX2(dst, src, signs, ends, factor)
	case dim == 64:
		return widenHadamardF16x64AVX2(dst, src, signs, ends, factor)
	}
	return widenHadamardF16x128AVX2(dst, src, signs, ends, factor)
}

func quantizeRows(bf16 bool, bits int, codes, scales *byte, v, ends *float32, n int, clip float32) bool {
	switch {
	case bf16 && bits == 2:
		return quantizeRows2BF16AVX2(codes, scales, v, ends, n, clip)
	case bf16 && bits == 4:
		return quantizeRows4BF16AVX2(codes, scales, v, ends, n, clip)
	case bf16 && bits == 8:
		return quantizeRows8BF16AVX2(codes, scales, v, ends, n, clip)
	case bits == 2:
		return quantizeRows2F16AVX2(codes, scales, v, ends, n, clip)
	case bits == 4:
		return quantizeRows4F16AVX2(codes, scales, v, ends, n, clip)
	case bits == 8:
		return quantizeRows8F16AVX2(codes, scales, v, ends, n, clip)
	}
	return false
}

func rotateCodesBack(bf16 bool, bits, block int, dst *uint16, codes, scales *byte, back *float32,
	blocks int, limit float32) bool {
	switch {
	case bf16 && block == 64:
		switch bits {
		case 2:
			return rotateCodesBack2BF16x64AVX2(dst, codes, scales, back, blocks, limit)
		case 4:
			return rotateCodesBack4BF16x64AVX2(dst, codes, scales, back, blocks, limit)
		case 8:
			return rotateCodesBack8BF16x64AVX2(dst, codes, scales, back, blocks, limit)
		}
	case bf16:
		switch bits {
		case 2:
			return rotateCodesBack2BF16x128AVX2(dst, codes, scales, back, blocks, limit)
		case 4:
			return rotateCodesBack4BF16x128AVX2(dst, codes, scales, back, blocks, limit)
		case 8:
			return rotateCodesBack8BF16x128AVX2(dst, codes, scales, back, blocks, limit)
		}
	case block == 64:
		switch bits {
		case 2:
			return rotateCodesBack2F16x64AVX2(dst, codes, scales, back, blocks, limit)
		case 4:
			return rotateCodesBack4F16x64AVX2(dst, codes, scales, back, blocks, limit)
		case 8:
			return rotateCodesBack8F16x64AVX2(dst, codes, scales, back, blocks, limit)
		}
	default:
		switch bits {
		case 2:
			return rotateCodesBack2F16x128AVX2(dst, codes, scales, back, blocks, limit)
		case 4:
			return rotateCodesBack4F16x128AVX2(dst, codes, scales, back, blocks, limit)
		case 8:
			return rotateCodesBack8F16x128AVX2(dst, codes, scales, back, blocks, limit)
		}
	}
	return false
}
