//go:build !amd64

package kern

// Never called: the level is Generic.

func quantizeGroups(bool, int, *byte, *byte, *byte, *uint16, int, int) int {
	panic("kern: no vector kernels")
}

func quantizeGroups512(bool, int, *byte, *byte, *byte, *uint16, int, int) int {
	panic("kern: no vector kernels")
}

func quantizeGroupsAround512(bool, int, *byte, *byte, *byte, *uint16, int, int) int {
	panic("kern: no vector kernels")
}

func dequantizeGroups(bool, int, *uint16, *byte, *byte, *byte, int, int) int {
	panic("kern: no vector kernels")
}

func dequantizeGroups512(bool, *uint16, *byte, *byte, *byte, int, int) int {
	panic("kern: no vector kernels")
}

func dequantizeGroupsAround(bool, int, *uint16, *byte, *byte, *byte, int, int) int {
	panic("kern: no vector kernels")
}

func quantizeTiles(bool, int, *byte, *byte, *byte, *uint16, int, int, int) int {
	panic("kern: no vector kernels")
}

func dequantizeTiles(bool, int, *uint16, *byte, *byte, *byte, int, int, int) int {
	panic("kern: no vector kernels")
}

func hadamard64AVX2(_, _, _ *float32, _ int) { panic("kern: no vector kernels") }

func hadamard128AVX2(_, _, _ *float32, _ int) { panic("kern: no vector kernels") }

func widenHadamard(_ bool, _ int, _ *float32, _, _ *uint16, _ *float32, _ int) bool {
	panic("kern: no vector kernels")
}

func fitRowsAVX2(_ *byte, _ *float32, _, _, _ float32) bool { panic("kern: no vector kernels") }

func quantizeRows(_ bool, _ int, _ *byte, _, _ *float32, _ int, _ float32) {
	panic("kern: no vector kernels")
}

func widenAndQuantize(_ bool, _ int, _ *float32, _, _ *uint16, _ *float32, _ int, _ *byte,
	_, _ *float32, _ float32) bool {
	panic("kern: no vector kernels")
}

func rotateCodesBack(_ bool, _, _ int, _ *uint16, _, _ *byte, _ *float32, _ int, _ float32) bool {
	panic("kern: no vector kernels")
}
