//go:build !amd64

package kern

// Never called: the level is Generic.

func bookCodes1AVX2(_ *byte, _ *float32, _ int, _ float32, _ *float32) {
	panic("kern: no vector kernels")
}

func bookCodes2AVX2(_ *byte, _ *float32, _ int, _ float32, _ *float32) {
	panic("kern: no vector kernels")
}

func bookCodes3AVX2(_ *byte, _ *float32, _ int, _ float32, _ *float32) {
	panic("kern: no vector kernels")
}

func bookCodes4AVX2(_ *byte, _ *float32, _ int, _ float32, _ *float32) {
	panic("kern: no vector kernels")
}

func bookValues3AVX2(_ *float32, _ *byte, _ int, _ *float32) { panic("kern: no vector kernels") }

func bookValues4AVX2(_ *float32, _ *byte, _ int, _ *float32) { panic("kern: no vector kernels") }

func lengthsAVX2(_, _ *float32, _ int) { panic("kern: no vector kernels") }

func signBitsAVX2(_ *byte, _ *float32, _ int) { panic("kern: no vector kernels") }

func floorCodesF16AVX2(_ *byte, _ *uint16, _ int, _, _ float32, _ int32) {
	panic("kern: no vector kernels")
}

func floorCodesBF16AVX2(_ *byte, _ *uint16, _ int, _, _ float32, _ int32) {
	panic("kern: no vector kernels")
}

func rangesAVX2(_, _, _ *float32, _, _ int) { panic("kern: no vector kernels") }

func zeroPointCodesAVX2(_ *byte, _ *float32, _ int, _, _ float32) { panic("kern: no vector kernels") }

func blocksAVX2(_, _, _ *float32) { panic("kern: no vector kernels") }

func fitIQ4AVX2(_ *uint32, _, _, _ *float32) { panic("kern: no vector kernels") }

func nibblesAVX2(_ *byte, _ *uint32, _ int) { panic("kern: no vector kernels") }

func ecsqLevelsAVX2(_ *byte, _ *int32, _ *float64, _ *float32, _ int, _ float64, _ uint64) {
	panic("kern: no vector kernels")
}

func squaresAVX2(_ *float64, _ *float32, _ int) { panic("kern: no vector kernels") }

func takeFieldsAVX2(_ *byte, _ *uint16, _ int, _ uint64) { panic("kern: no vector kernels") }

func putFieldsAVX2(_ *uint16, _ *byte, _ int, _ uint64) { panic("kern: no vector kernels") }

func permute64AVX512(_, _, _ *byte, _ int) { panic("kern: no vector kernels") }

func permute128AVX512(_, _, _ *byte, _ int) { panic("kern: no vector kernels") }

func gridCodesAVX2(_, _ *byte, _, _, _, _, _ *float32, _, _ int) { panic("kern: no vector kernels") }

func gridValuesAVX2(_ *float32, _ *byte, _, _ *float32, _, _ int) { panic("kern: no vector kernels") }

func outsideAVX2(_ *float32, _, _ float32) uint32 { panic("kern: no vector kernels") }

func clampAVX2(_ *float32, _ int, _ float32) { panic("kern: no vector kernels") }

func roundCodesAVX2(_ *byte, _ *float32, _ int, _, _, _ float32) { panic("kern: no vector kernels") }

func affineValuesAVX2(_ *float32, _ *byte, _ int, _, _ float32) { panic("kern: no vector kernels") }

func largestAVX2(_ *float32, _, _ int) float32 { panic("kern: no vector kernels") }

func transposeAVX2(_, _ *float32, _, _, _ int) { panic("kern: no vector kernels") }

func extremesAVX2(_, _ *float32, _ int) { panic("kern: no vector kernels") }

func blockRangesAVX2(_, _, _ *float32, _ int) { panic("kern: no vector kernels") }

func blockCodesAVX2(_ *byte, _, _, _ *float32, _ int, _, _ float32) { panic("kern: no vector kernels") }

func blockRoundsAVX2(_ *byte, _, _ *float32, _ int) { panic("kern: no vector kernels") }

func blockValuesAVX2(_ *float32, _ *byte, _, _ *float32, _ int, _ float32) {
	panic("kern: no vector kernels")
}

func tilesE4M3F16AVX2(_, _ *byte, _ *uint16, _ int) (top uint32) { panic("kern: no vector kernels") }

func tilesE4M3BF16AVX2(_, _ *byte, _ *uint16, _ int) (top uint32) { panic("kern: no vector kernels") }

func blocksE2M1F16AVX2(_, _ *byte, _ *uint16, _ int) (top uint32) { panic("kern: no vector kernels") }

func blocksE2M1BF16AVX2(_, _ *byte, _ *uint16, _ int) (top uint32) { panic("kern: no vector kernels") }

func polarCodesAVX2(_, _ *uint32, _ *uint16, _, _ *float32, _ int) (left int) {
	panic("kern: no vector kernels")
}

func polarPointsAVX2(_ *float32, _, _ *uint32, _ *uint16, _, _ *float32, _ int) {
	panic("kern: no vector kernels")
}

func turn4x16AVX2(_, _, _ *float32, _, _, _, _ int) { panic("kern: no vector kernels") }

func turn1x16AVX2(_, _, _ *float32, _, _, _, _ int) { panic("kern: no vector kernels") }

func packBitsAVX2(_, _ *byte, _, _ int, _ *byte) { panic("kern: no vector kernels") }

func unpackBitsAVX2(_, _ *byte, _, _ int, _ *byte, _ int) { panic("kern: no vector kernels") }
