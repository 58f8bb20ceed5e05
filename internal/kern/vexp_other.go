//go:build !amd64

package kern

// Never called: the level is Generic.

func expSum8(_, _ []float32, _ float32, _ *[8]float32) { panic("kern: no vector kernels") }

func max8([]float32, *[8]float32) { panic("kern: no vector kernels") }

func siluMul8(_, _ []float32) { panic("kern: no vector kernels") }

func gapSum4(_, _, _ []float32, _ float64, _ *[4]float64) { panic("kern: no vector kernels") }

func restSum4(_, _, _ []float32, _ float64, _ *[4]float64) { panic("kern: no vector kernels") }
