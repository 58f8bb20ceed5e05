//go:build !amd64

package kern

func detect() Level { return Generic }

func tileRows(n, _ int) int { return min(n, maxTile) }

func gemmTile(dst []float32, ldd int, x []float32, ldx int, b []float32, ldb, _, k, tile, _ int) {
	gemmGeneric(dst, ldd, x, ldx, b, ldb, k, tile)
}

// interleave16 is never called: the level is Generic.
func interleave16(_, _ []float32, _, _ int) { panic("kern: no vector kernels") }
