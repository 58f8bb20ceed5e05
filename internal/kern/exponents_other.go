//go:build !amd64

package kern

// Never called: the level is Generic.

func splitExponentsAVX2(_, _ *byte, _ *uint32, _ *uint16, _ int, _ *byte) {
	panic("kern: no vector kernels")
}

func mergeExponentsAVX2(_ *uint16, _, _ *byte, _ int, _ *byte) { panic("kern: no vector kernels") }
