//go:build !amd64

package kern

// Never called: the level is Generic.

func castE4M3F16AVX2(_ *byte, _ *uint16, _ int) (top uint32) { panic("kern: no vector kernels") }

func scaleE4M3F16AVX2(_ *byte, _ *uint16, _ int, _ float32) { panic("kern: no vector kernels") }

func scaleWideE4M3F16AVX2(_ *byte, _ *uint16, _ int, _ float32) { panic("kern: no vector kernels") }

func scaleRowsE4M3F16AVX2(_, _ *byte, _ *uint16, _, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func decodeE4M3F16AVX2(_ *uint16, _ *byte, _ int, _ uint8) (top uint32) {
	panic("kern: no vector kernels")
}

func restoreRowsE4M3F16AVX2(_ *uint16, _, _ *byte, _, _ int, _ uint32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func castE5M2F16AVX2(_ *byte, _ *uint16, _ int) (top uint32) { panic("kern: no vector kernels") }

func scaleE5M2F16AVX2(_ *byte, _ *uint16, _ int, _ float32) { panic("kern: no vector kernels") }

func scaleWideE5M2F16AVX2(_ *byte, _ *uint16, _ int, _ float32) { panic("kern: no vector kernels") }

func scaleRowsE5M2F16AVX2(_, _ *byte, _ *uint16, _, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func decodeE5M2F16AVX2(_ *uint16, _ *byte, _ int, _ uint8) (top uint32) {
	panic("kern: no vector kernels")
}

func restoreRowsE5M2F16AVX2(_ *uint16, _, _ *byte, _, _ int, _ uint32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func cutRowsF16AVX2(_, _ *byte, _ *uint16, _, _ int, _, _ float32) (top uint32) {
	panic("kern: no vector kernels")
}

func nearestRowsF16AVX2(_, _ *byte, _ *uint16, _, _ int, _, _ float32) (top uint32) {
	panic("kern: no vector kernels")
}

func restoreInt8F16AVX2(_ *uint16, _, _ *byte, _, _ int, _ uint32) (left int) {
	panic("kern: no vector kernels")
}

func castE4M3BF16AVX2(_ *byte, _ *uint16, _ int) (top uint32) { panic("kern: no vector kernels") }

func scaleE4M3BF16AVX2(_ *byte, _ *uint16, _ int, _ float32) { panic("kern: no vector kernels") }

func scaleRowsE4M3BF16AVX2(_, _ *byte, _ *uint16, _, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func decodeE4M3BF16AVX2(_ *uint16, _ *byte, _ int, _ uint8) (top uint32) {
	panic("kern: no vector kernels")
}

func restoreRowsE4M3BF16AVX2(_ *uint16, _, _ *byte, _, _ int, _ uint32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func castE5M2BF16AVX2(_ *byte, _ *uint16, _ int) (top uint32) { panic("kern: no vector kernels") }

func scaleE5M2BF16AVX2(_ *byte, _ *uint16, _ int, _ float32) { panic("kern: no vector kernels") }

func scaleRowsE5M2BF16AVX2(_, _ *byte, _ *uint16, _, _ int, _, _ float32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func decodeE5M2BF16AVX2(_ *uint16, _ *byte, _ int, _ uint8) (top uint32) {
	panic("kern: no vector kernels")
}

func restoreRowsE5M2BF16AVX2(_ *uint16, _, _ *byte, _, _ int, _ uint32) (left int, top uint32) {
	panic("kern: no vector kernels")
}

func cutRowsBF16AVX2(_, _ *byte, _ *uint16, _, _ int, _, _ float32) (top uint32) {
	panic("kern: no vector kernels")
}

func nearestRowsBF16AVX2(_, _ *byte, _ *uint16, _, _ int, _, _ float32) (top uint32) {
	panic("kern: no vector kernels")
}

func restoreInt8BF16AVX2(_ *uint16, _, _ *byte, _, _ int, _ uint32) (left int) {
	panic("kern: no vector kernels")
}

func scaleE4M3F16AVX512(*byte, *uint16, *uint16, int, int, float32) uint32 {
	panic("kern: no vector kernels")
}

func scaleE4M3BF16AVX512(*byte, *uint16, *uint16, int, int, float32) uint32 {
	panic("kern: no vector kernels")
}
