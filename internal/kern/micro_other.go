//go:build !amd64

package kern

// Never called: the level is Generic.

func compressNVFP4F16AVX2(_, _ *byte, _ *uint16, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func compressFourSixF16AVX2(_, _ *byte, _ *uint16, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func compressMXFP4F16AVX2(_, _ *byte, _ *uint16, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func compressMXFP8F16AVX2(_, _ *byte, _ *uint16, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func compressFP4F16AVX2(_, _ *byte, _ *uint16, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func restoreNVFP4F16AVX2(_ *uint16, _, _ *byte, _ int, _, _ float32) (left int) {
	panic("kern: no vector kernels")
}

func restoreMXFP4F16AVX2(_ *uint16, _, _ *byte, _ int, _, _ float32) (left int) {
	panic("kern: no vector kernels")
}

func restoreFP4F16AVX2(_ *uint16, _, _ *byte, _ int, _, _ float32) (left int) {
	panic("kern: no vector kernels")
}

func compressNVFP4BF16AVX2(_, _ *byte, _ *uint16, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func compressFourSixBF16AVX2(_, _ *byte, _ *uint16, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func compressMXFP4BF16AVX2(_, _ *byte, _ *uint16, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func compressMXFP8BF16AVX2(_, _ *byte, _ *uint16, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func compressFP4BF16AVX2(_, _ *byte, _ *uint16, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func restoreNVFP4BF16AVX2(_ *uint16, _, _ *byte, _ int, _, _ float32) (left int) {
	panic("kern: no vector kernels")
}

func restoreMXFP4BF16AVX2(_ *uint16, _, _ *byte, _ int, _, _ float32) (left int) {
	panic("kern: no vector kernels")
}

func restoreFP4BF16AVX2(_ *uint16, _, _ *byte, _ int, _, _ float32) (left int) {
	panic("kern: no vector kernels")
}

func compressNVFP4F16AVX512(_, _ *byte, _, _ *uint16, _, _ int, _, _ float32) (left int, top, soon uint32) {
	panic("kern: no vector kernels")
}

func compressNVFP4BF16AVX512(_, _ *byte, _, _ *uint16, _, _ int, _, _ float32) (left int, top, soon uint32) {
	panic("kern: no vector kernels")
}

func restoreNVFP4F16AVX512(_ *uint16, _, _ *byte, _ int, _, _ float32, _ uint8) (left int) {
	panic("kern: no vector kernels")
}

func restoreMXFP4F16AVX512(_ *uint16, _, _ *byte, _ int, _, _ float32, _ uint8) (left int) {
	panic("kern: no vector kernels")
}

func restoreFP4F16AVX512(_ *uint16, _, _ *byte, _ int, _, _ float32, _ uint8) (left int) {
	panic("kern: no vector kernels")
}

func restoreNVFP4BF16AVX512(_ *uint16, _, _ *byte, _ int, _, _ float32, _ uint8) (left int) {
	panic("kern: no vector kernels")
}

func restoreMXFP4BF16AVX512(_ *uint16, _, _ *byte, _ int, _, _ float32, _ uint8) (left int) {
	panic("kern: no vector kernels")
}

func restoreFP4BF16AVX512(_ *uint16, _, _ *byte, _ int, _, _ float32, _ uint8) (left int) {
	panic("kern: no vector kernels")
}

func compressFourSixF16AVX512(_, _ *byte, _, _ *uint16, _, _ int, _, _ float32) (left int, top, soon uint32) {
	panic("kern: no vector kernels")
}

func compressFourSixBF16AVX512(_, _ *byte, _, _ *uint16, _, _ int, _, _ float32) (left int, top, soon uint32) {
	panic("kern: no vector kernels")
}

func compressMXFP4F16AVX512(_, _ *byte, _, _ *uint16, _, _ int, _, _ float32) (left int, top, soon uint32) {
	panic("kern: no vector kernels")
}

func compressMXFP8F16AVX512(_, _ *byte, _, _ *uint16, _, _ int, _, _ float32) (left int, top, soon uint32) {
	panic("kern: no vector kernels")
}

func compressFP4F16AVX512(_, _ *byte, _, _ *uint16, _, _ int, _, _ float32) (left int, top, soon uint32) {
	panic("kern: no vector kernels")
}

func compressMXFP4BF16AVX512(_, _ *byte, _, _ *uint16, _, _ int, _, _ float32) (left int, top, soon uint32) {
	panic("kern: no vector kernels")
}

func compressMXFP8BF16AVX512(_, _ *byte, _, _ *uint16, _, _ int, _, _ float32) (left int, top, soon uint32) {
	panic("kern: no vector kernels")
}

func compressFP4BF16AVX512(_, _ *byte, _, _ *uint16, _, _ int, _, _ float32) (left int, top, soon uint32) {
	panic("kern: no vector kernels")
}

func restoreMXFP8BF16AVX512(_ *uint16, _, _ *byte, _ int, _ float32, _ uint8) (left int) {
	panic("kern: no vector kernels")
}
