//go:build !amd64

package kern

// Never called: the level is Generic.

func minMaxAVX2(*uint16, int) (lo, hi int32) { panic("kern: no vector kernels") }

func absMaxAVX2(*uint16, int) uint32 { panic("kern: no vector kernels") }

func absMaxFourAVX2(*uint16, int) uint32 { panic("kern: no vector kernels") }

func minMaxColumnsAVX2(_, _ *int32, _ *uint16, _ int) { panic("kern: no vector kernels") }

func quantizeF16AVX2(_ *byte, _ *uint16, _ int, _, _ float32, _, _, _ int32) {
	panic("kern: no vector kernels")
}

func quantizeBF16AVX2(_ *byte, _ *uint16, _ int, _, _ float32, _, _, _ int32) {
	panic("kern: no vector kernels")
}

func dequantizeF16AVX2(_ *uint16, _ *byte, _ int, _, _ float32, _ int32) {
	panic("kern: no vector kernels")
}

func dequantizeBF16AVX2(_ *uint16, _ *byte, _ int, _, _ float32, _ int32) {
	panic("kern: no vector kernels")
}

func quantizeColumnsF16AVX2(_ *byte, _ *uint16, _ int, _, _ *float32, _ *int32, _, _ int32) {
	panic("kern: no vector kernels")
}

func quantizeColumnsBF16AVX2(_ *byte, _ *uint16, _ int, _, _ *float32, _ *int32, _, _ int32) {
	panic("kern: no vector kernels")
}

func dequantizeColumnsF16AVX2(_ *uint16, _ *byte, _ int, _, _ *float32, _ *int32) {
	panic("kern: no vector kernels")
}

func dequantizeColumnsBF16AVX2(_ *uint16, _ *byte, _ int, _, _ *float32, _ *int32) {
	panic("kern: no vector kernels")
}

func pack4AVX2(_, _ *byte, _ int) { panic("kern: no vector kernels") }

func pack2AVX2(_, _ *byte, _ int) { panic("kern: no vector kernels") }

func unpack4AVX2(_, _ *byte, _ int) { panic("kern: no vector kernels") }

func unpack2AVX2(_, _ *byte, _ int) { panic("kern: no vector kernels") }

func widenF16AVX2(*float32, *uint16, int) { panic("kern: no vector kernels") }

func widenBF16AVX2(*float32, *uint16, int) { panic("kern: no vector kernels") }

func divideCodesAVX2(_ *byte, _ *float32, _ int, _, _, _, _, _ float32) {
	panic("kern: no vector kernels")
}

func restoreCodesAVX2(_ *float32, _ *byte, _ int, _ uint32, _, _, _ float32) {
	panic("kern: no vector kernels")
}

func narrowF16AVX2(*uint16, *float32, int) { panic("kern: no vector kernels") }

func narrowCutF16AVX2(*uint16, *float32, int) { panic("kern: no vector kernels") }

func narrowCutBF16AVX2(*uint16, *float32, int) { panic("kern: no vector kernels") }

func axpy64AVX2(_, _ *float64, _ int, _ float64) { panic("kern: no vector kernels") }

func axpy4x64AVX2(_, _ *float64, _ int, _ *float64, _ uintptr) { panic("kern: no vector kernels") }

func axpy4x32AVX2(_, _ *float32, _ int, _ *float32, _ uintptr) { panic("kern: no vector kernels") }
