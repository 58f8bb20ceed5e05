//go:build !amd64

package kern

// Never called: the level is Generic.

func tile4x8x64AVX2(_ *float64, _ int, _ *float64, _, _ int, _ *float64, _, _ int) {
	panic("kern: no vector kernels")
}

func reflect64AVX2(_ *float64, _, _, _ int, _, _, _, _, _, _ *float64) {
	panic("kern: no vector kernels")
}

func apply64AVX2(_ *float64, _, _, _ int, _, _, _, _ *float64) { panic("kern: no vector kernels") }

func scaledSumsAVX2(_, _ *float64, _ *float32, _ *float64, _, _, _, _ int) {
	panic("kern: no vector kernels")
}

func turn64AVX2(_, _ *float64, _, _ float64, _ int) { panic("kern: no vector kernels") }
