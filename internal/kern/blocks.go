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

// The functions below work on blocks of 32 numbers, one after the other, as many as the slices of one
// number a block have elements. They are for where there are vectors.

// Extremes sets dst to the first number of largest magnitude of each block of v.
func Extremes(dst, v []float32) {
	if n := len(dst); n > 0 {
		extremesAVX2(&dst[0], &v[:32*n][0], n)
	}
}

// BlockRanges sets lo and hi to the least and the greatest number of each block of v; -0 is below 0.
func BlockRanges(lo, hi, v []float32) {
	if n := len(lo); n > 0 {
		blockRangesAVX2(&lo[0], &hi[:n][0], &v[:32*n][0], n)
	}
}

// BlockCodes sets codes to the integer part of (v − low)·inv + shift, every step rounded, at most top.
func BlockCodes(codes []byte, v, low, inv []float32, shift float32, top int) {
	if n := len(low); n > 0 {
		blockCodesAVX2(&codes[:32*n][0], &v[:32*n][0], &low[0], &inv[:n][0], n, shift, float32(top))
	}
}

// BlockRounds sets codes to v·inv, no more than 127, rounded half away from zero.
func BlockRounds(codes []byte, v, inv []float32) {
	if n := len(inv); n > 0 {
		blockRoundsAVX2(&codes[:32*n][0], &v[:32*n][0], &inv[0], n)
	}
}

// BlockValues sets v to (code − off)·scale + low, every step rounded.
func BlockValues(v []float32, codes []byte, scale, low []float32, off float32) {
	if n := len(scale); n > 0 {
		blockValuesAVX2(&v[:32*n][0], &codes[:32*n][0], &scale[0], &low[:n][0], n, off)
	}
}
