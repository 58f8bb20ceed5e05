package kern

// By name: through a variable the arguments would escape.

func widenHadamard(bf16 bool, block int, dst *float32, src, signs *uint16, ends *float32,
	blocks int) bool {
	switch {
	case vbmi() && bf16 && block == 64:
		return widenHadamardBF16x64AVX512(dst, src, signs, ends, blocks)
	case vbmi() && bf16 && block == 128:
		return widenHadamardBF16x128AVX512(dst, src, signs, ends, blocks)
	case vbmi() && !bf16 && block == 64:
		return widenHadamardF16x64AVX512(dst, src, signs, ends, blocks)
	case vbmi() && !bf16 && block == 128:
		return widenHadamardF16x128AVX512(dst, src, signs, ends, blocks)
	case bf16 && block == 64:
		return widenHadamardBF16x64AVX2(dst, src, signs, ends, blocks)
	case bf16 && block == 128:
		return widenHadamardBF16x128AVX2(dst, src, signs, ends, blocks)
	case !bf16 && block == 64:
		return widenHadamardF16x64AVX2(dst, src, signs, ends, blocks)
	case !bf16 && block == 128:
		return widenHadamardF16x128AVX2(dst, src, signs, ends, blocks)
	}
	return false
}

func quantizeRows(bf16 bool, bits int, codes *byte, v, grids *float32, n int, factor float32) {
	switch {
	case vbmi() && bf16 && bits == 2:
		quantizeRows2BF16AVX512(codes, v, grids, n, factor)
	case vbmi() && bf16 && bits == 4:
		quantizeRows4BF16AVX512(codes, v, grids, n, factor)
	case vbmi() && bf16 && bits == 8:
		quantizeRows8BF16AVX512(codes, v, grids, n, factor)
	case vbmi() && !bf16 && bits == 2:
		quantizeRows2F16AVX512(codes, v, grids, n, factor)
	case vbmi() && !bf16 && bits == 4:
		quantizeRows4F16AVX512(codes, v, grids, n, factor)
	case vbmi() && !bf16 && bits == 8:
		quantizeRows8F16AVX512(codes, v, grids, n, factor)
	case bf16 && bits == 2:
		quantizeRows2BF16AVX2(codes, v, grids, n, factor)
	case bf16 && bits == 4:
		quantizeRows4BF16AVX2(codes, v, grids, n, factor)
	case bf16 && bits == 8:
		quantizeRows8BF16AVX2(codes, v, grids, n, factor)
	case !bf16 && bits == 2:
		quantizeRows2F16AVX2(codes, v, grids, n, factor)
	case !bf16 && bits == 4:
		quantizeRows4F16AVX2(codes, v, grids, n, factor)
	case !bf16 && bits == 8:
		quantizeRows8F16AVX2(codes, v, grids, n, factor)
	}
}

func widenAndQuantize(bf16 bool, block int, dst *float32, src, signs *uint16, ends *float32, blocks int,
	codes *byte, v, grids *float32, factor float32) bool {
	switch {
	case bf16 && block == 64:
		return widenAndQuantize4BF16x64AVX512(dst, src, signs, ends, blocks, codes, v, grids, factor)
	case bf16:
		return widenAndQuantize4BF16x128AVX512(dst, src, signs, ends, blocks, codes, v, grids, factor)
	case block == 64:
		return widenAndQuantize4F16x64AVX512(dst, src, signs, ends, blocks, codes, v, grids, factor)
	}
	return widenAndQuantize4F16x128AVX512(dst, src, signs, ends, blocks, codes, v, grids, factor)
}

func rotateCodesBack(bf16 bool, bits, block int, dst *uint16, codes, scales *byte, back *float32,
	blocks int, limit float32) bool {
	switch {
	case vbmi() && bf16 && bits == 2 && block == 64:
		return rotateCodesBack2BF16x64AVX512(dst, codes, scales, back, blocks, limit)
	case vbmi() && bf16 && bits == 4 && block == 64:
		return rotateCodesBack4BF16x64AVX512(dst, codes, scales, back, blocks, limit)
	case vbmi() && bf16 && bits == 8 && block == 64:
		return rotateCodesBack8BF16x64AVX512(dst, codes, scales, back, blocks, limit)
	case vbmi() && bf16 && bits == 2 && block == 128:
		return rotateCodesBack2BF16x128AVX512(dst, codes, scales, back, blocks, limit)
	case vbmi() && bf16 && bits == 4 && block == 128:
		return rotateCodesBack4BF16x128AVX512(dst, codes, scales, back, blocks, limit)
	case vbmi() && bf16 && bits == 8 && block == 128:
		return rotateCodesBack8BF16x128AVX512(dst, codes, scales, back, blocks, limit)
	case bf16 && bits == 2 && block == 64:
		return rotateCodesBack2BF16x64AVX2(dst, codes, scales, back, blocks, limit)
	case bf16 && bits == 4 && block == 64:
		return rotateCodesBack4BF16x64AVX2(dst, codes, scales, back, blocks, limit)
	case bf16 && bits == 8 && block == 64:
		return rotateCodesBack8BF16x64AVX2(dst, codes, scales, back, blocks, limit)
	case bf16 && bits == 2 && block == 128:
		return rotateCodesBack2BF16x128AVX2(dst, codes, scales, back, blocks, limit)
	case bf16 && bits == 4 && block == 128:
		return rotateCodesBack4BF16x128AVX2(dst, codes, scales, back, blocks, limit)
	case bf16 && bits == 8 && block == 128:
		return rotateCodesBack8BF16x128AVX2(dst, codes, scales, back, blocks, limit)
	case !bf16 && bits == 2 && block == 64:
		return rotateCodesBack2F16x64AVX2(dst, codes, scales, back, blocks, limit)
	case !bf16 && bits == 4 && block == 64:
		return rotateCodesBack4F16x64AVX2(dst, codes, scales, back, blocks, limit)
	case !bf16 && bits == 8 && block == 64:
		return rotateCodesBack8F16x64AVX2(dst, codes, scales, back, blocks, limit)
	case !bf16 && bits == 2 && block == 128:
		return rotateCodesBack2F16x128AVX2(dst, codes, scales, back, blocks, limit)
	case !bf16 && bits == 4 && block == 128:
		return rotateCodesBack4F16x128AVX2(dst, codes, scales, back, blocks, limit)
	case !bf16 && bits == 8 && block == 128:
		return rotateCodesBack8F16x128AVX2(dst, codes, scales, back, blocks, limit)
	}
	return false
}
