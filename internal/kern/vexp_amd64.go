package kern

// The callers below give lengths that are positive multiples of 8.

func expSum8(dst, src []float32, shift float32, lanes *[8]float32) {
	expSumAVX2(&dst[0], &src[0], len(src), shift, lanes)
}

func max8(src []float32, lanes *[8]float32) { maxAVX2(&src[0], len(src), lanes) }

func siluMul8(gate, up []float32) { siluMulAVX2(&gate[0], &up[0], len(gate)) }
