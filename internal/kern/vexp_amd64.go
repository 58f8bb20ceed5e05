package kern

// The callers below give lengths that are positive multiples of 8.

func expSum8(dst, src []float32, shift float32, lanes *[8]float32) {
	expSumAVX2(&dst[0], &src[0], len(src), shift, lanes)
}

func max8(src []float32, lanes *[8]float32) { maxAVX2(&src[0], len(src), lanes) }

func siluMul8(gate, up []float32) { siluMulAVX2(&gate[0], &up[0], len(gate)) }

// These take positive multiples of 4.

func gapSum4(weights, base, row []float32, m float64, lanes *[4]float64) {
	gapSumAVX2(&weights[0], &base[0], &row[0], len(weights), m, lanes)
}

func restSum4(weights, base, row []float32, m float64, lanes *[4]float64) {
	restSumAVX2(&weights[0], &base[0], &row[0], len(weights), m, lanes)
}
