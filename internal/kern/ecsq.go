package kern

import "math"

// EntropyLevels quantises v in steps of 1/inv: levels get the nearest whole steps, ties to even, rests
// what these leave, and syms 127 more than the levels shifted right by low, or 255 where that is
// negative or 255 or more, for which level and rest may be anything. The slices have equal length.
func EntropyLevels(syms []byte, levels []int32, rests []float64, v []float32, inv float64, low uint) {
	syms, levels, rests = syms[:len(v)], levels[:len(v)], rests[:len(v)]
	n := 0
	if level >= AVX2 && len(v) >= 8 {
		n = len(v) &^ 7
		ecsqLevelsAVX2(&syms[0], &levels[0], &rests[0], &v[0], n, inv, uint64(low))
	}
	for i := n; i < len(v); i++ {
		x := float64(float64(v[i]) * inv)
		q := math.RoundToEven(x)
		syms[i] = 255
		if q < 1<<30 && q > -1<<30 {
			levels[i], rests[i] = int32(q), x-q
			if sym := int32(q)>>low + 127; sym >= 0 {
				syms[i] = byte(min(sym, 255))
			}
		}
	}
}

// Squares adds the square of v[i] to sum i mod 8, in order.
func Squares(sums *[8]float64, v []float32) {
	n := 0
	if level >= AVX2 && len(v) >= 8 {
		n = len(v) &^ 7
		squaresAVX2(&sums[0], &v[0], n)
	}
	for i := n; i < len(v); i++ {
		sums[i%8] += float64(v[i]) * float64(v[i]) // an exact product
	}
}
