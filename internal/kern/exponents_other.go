//go:build !amd64

package kern

// Never called: the level is Generic.

func splitExponentsAVX2(_, _ *byte, _ *uint32, _ *uint16, _ int, _ *byte) uint32 {
	panic("kern: no vector kernels")
}

func splitAnyExponentsAVX2(_, _ *byte, _ *uint32, _ *uint16, _ int, _ *byte) uint32 {
	panic("kern: no vector kernels")
}

func mergeExponentsAVX2(_ *uint16, _, _ *byte, _ int, _ *byte) { panic("kern: no vector kernels") }

func mergeExponentsStreamAVX2(_ *uint16, _, _ *byte, _ int, _ *byte) {
	panic("kern: no vector kernels")
}

func countExponents(_ *uint32, _ *uint16, _, _ int) { panic("kern: no vector kernels") }

func countExponents512(_ *uint32, _ *uint16, _, _, _, _ int, _ *uint16) {
	panic("kern: no vector kernels")
}

const hasVBMI, hasBF16 = false, false

func splitExponentsVBMI(_, _ *byte, _ *uint32, _ *uint16, _ int, _ *byte) uint64 {
	panic("kern: no vector kernels")
}

func splitChunksVBMI(_ *uintptr, _ *uint32, _ *uint16, _ *byte, _ int) int {
	panic("kern: no vector kernels")
}

func mergeExponentsVBMI(_ *uint16, _, _ *byte, _ int, _ *byte) { panic("kern: no vector kernels") }

func mergeExponentsStreamVBMI(_ *uint16, _, _ *byte, _ int, _ *byte) {
	panic("kern: no vector kernels")
}

func streamAVX512(_, _ *byte, _ int) { panic("kern: no vector kernels") }

func streamAVX2(_, _ *byte, _ int) { panic("kern: no vector kernels") }

func fetchPages(_ *byte, _ int) { panic("kern: no vector kernels") }

func streamFence() { panic("kern: no vector kernels") }
