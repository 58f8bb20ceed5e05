package kern

// Blocks8 are eight blocks of 32 numbers side by side: number i of block j is at 8i + j.
type Blocks8 [256]float32

// Load sets b to eight blocks that stand one after the other in v, and tops to the first number of
// largest magnitude of each, 0 where all are. It returns false, and does nothing, without vectors.
func (b *Blocks8) Load(v []float32, tops *[8]float32) bool {
	if level < AVX2 {
		return false
	}
	blocksAVX2(&b[0], &tops[0], &v[:256][0])
	return true
}

// FitIQ4NL sets codes, side by side as the numbers are, to the nearest of IQ4_NL's numbers, q, to
// numbers x times the factor of their block, and sums to those of x²·q·x, then those of x²·q·q, of each
// block: in order, every step rounded. It is for where there are vectors.
func (b *Blocks8) FitIQ4NL(codes *[256]uint32, sums *[16]float32, factors *[8]float32) {
	fitIQ4AVX2(&codes[0], &sums[0], &b[0], &factors[0])
}

// Nibbles packs eight blocks of codes of 4 bits, side by side, to sixteen bytes each, stride bytes
// apart: code i in the low half of byte i, and i+16 in the high half. It is for where there are
// vectors.
func Nibbles(dst []byte, stride int, codes *[256]uint32) {
	_ = dst[7*stride+15]
	nibblesAVX2(&dst[0], &codes[0], stride)
}
