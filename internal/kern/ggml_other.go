//go:build !amd64

package kern

// Never called: the level is Generic.

func compressQ8_0F16AVX2(_ *byte, _ *uint16, _ int) (left int) { panic("kern: no vector kernels") }

func restoreQ8_0F16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }

func compressQ4_0F16AVX2(_ *byte, _ *uint16, _ int) (left int) { panic("kern: no vector kernels") }

func restoreQ4_0F16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }

func compressQ4_1F16AVX2(_ *byte, _ *uint16, _ int) (left int) { panic("kern: no vector kernels") }

func restoreQ4_1F16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }

func compressQ5_0F16AVX2(_ *byte, _ *uint16, _ int) (left int) { panic("kern: no vector kernels") }

func restoreQ5_0F16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }

func compressQ5_1F16AVX2(_ *byte, _ *uint16, _ int) (left int) { panic("kern: no vector kernels") }

func restoreQ5_1F16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }

func compressQ8_0BF16AVX2(_ *byte, _ *uint16, _ int) (left int) { panic("kern: no vector kernels") }

func restoreQ8_0BF16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }

func compressQ4_0BF16AVX2(_ *byte, _ *uint16, _ int) (left int) { panic("kern: no vector kernels") }

func restoreQ4_0BF16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }

func compressQ4_1BF16AVX2(_ *byte, _ *uint16, _ int) (left int) { panic("kern: no vector kernels") }

func restoreQ4_1BF16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }

func compressQ5_0BF16AVX2(_ *byte, _ *uint16, _ int) (left int) { panic("kern: no vector kernels") }

func restoreQ5_0BF16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }

func compressQ5_1BF16AVX2(_ *byte, _ *uint16, _ int) (left int) { panic("kern: no vector kernels") }

func restoreQ5_1BF16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }

func restoreIQ4NLF16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }

func restoreIQ4NLBF16AVX2(_ *uint16, _ *byte, _ int) (left int) { panic("kern: no vector kernels") }
