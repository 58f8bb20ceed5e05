package kern

// The functions of this file quantise to small floats by dividing by a scale. They do the front part of
// src, and return the greatest pattern there without its sign and how many tiles or blocks that was:
// none without vectors.

// TilesE4M3 writes a little-endian float32 scale for every 128 values, their largest magnitude over 448
// but at least 2^-126, and the codes of values over the scale, ties to even.
func TilesE4M3(bf16 bool, codes, scales []byte, src []uint16) (top uint16, tiles int) {
	if tiles = len(src) / 128; tiles == 0 || level < AVX2 {
		return 0, 0
	}
	_, _ = codes[128*tiles-1], scales[4*tiles-1]
	if bf16 {
		return uint16(tilesE4M3BF16AVX2(&codes[0], &scales[0], &src[0], tiles)), tiles
	}
	return uint16(tilesE4M3F16AVX2(&codes[0], &scales[0], &src[0], tiles)), tiles
}

// BlocksE2M1 writes an E4M3 scale for every 16 values, nearest to their largest magnitude over 6, and the
// codes of values over what it means, two a byte, ties to even; +0 where it means 0. It takes blocks by
// eight.
func BlocksE2M1(bf16 bool, codes, scales []byte, src []uint16) (top uint16, blocks int) {
	if blocks = len(src) / 16 &^ 7; blocks == 0 || level < AVX2 {
		return 0, 0
	}
	_, _ = codes[8*blocks-1], scales[blocks-1]
	if bf16 {
		return uint16(blocksE2M1BF16AVX2(&codes[0], &scales[0], &src[0], blocks)), blocks
	}
	return uint16(blocksE2M1F16AVX2(&codes[0], &scales[0], &src[0], blocks)), blocks
}
