package kern

// A Block is one of llama.cpp's quantised types: blocks of 32 values.
type Block uint8

// The types, named as llama.cpp names them.
const (
	Q8_0 Block = iota
	Q4_0
	Q4_1
	Q5_0
	Q5_1
)

// Bytes returns the size of a block.
func (b Block) Bytes() int { return [...]int{34, 18, 20, 22, 24}[b] }

// Compress writes the blocks of the front part of src and returns how many these are. It stops
// before eight of which one has a scale or minimum that is not finite.
func (b Block) Compress(bf16 bool, dst []byte, src []uint16) (blocks int) {
	if blocks = len(src) / 32 &^ 7; blocks == 0 || level < AVX2 {
		return 0
	}
	_ = dst[blocks*b.Bytes()-1]
	left := 0
	switch { // by name: through a variable the arguments would escape
	case b == Q8_0 && bf16:
		left = compressQ8_0BF16AVX2(&dst[0], &src[0], blocks)
	case b == Q4_0 && bf16:
		left = compressQ4_0BF16AVX2(&dst[0], &src[0], blocks)
	case b == Q4_1 && bf16:
		left = compressQ4_1BF16AVX2(&dst[0], &src[0], blocks)
	case b == Q5_0 && bf16:
		left = compressQ5_0BF16AVX2(&dst[0], &src[0], blocks)
	case b == Q5_1 && bf16:
		left = compressQ5_1BF16AVX2(&dst[0], &src[0], blocks)
	case b == Q8_0:
		left = compressQ8_0F16AVX2(&dst[0], &src[0], blocks)
	case b == Q4_0:
		left = compressQ4_0F16AVX2(&dst[0], &src[0], blocks)
	case b == Q4_1:
		left = compressQ4_1F16AVX2(&dst[0], &src[0], blocks)
	case b == Q5_0:
		left = compressQ5_0F16AVX2(&dst[0], &src[0], blocks)
	default:
		left = compressQ5_1F16AVX2(&dst[0], &src[0], blocks)
	}
	return blocks - left
}

// Restore sets the front part of dst to the patterns of blocks and returns how many of them. It
// stops before a block whose scale none writes or whose values might be beyond the type.
func (b Block) Restore(bf16 bool, dst []uint16, src []byte) (blocks int) {
	if blocks = len(dst) / 32; blocks == 0 || level < AVX2 {
		return 0
	}
	_ = src[blocks*b.Bytes()-1]
	left := 0
	switch {
	case b == Q8_0 && bf16:
		left = restoreQ8_0BF16AVX2(&dst[0], &src[0], blocks)
	case b == Q4_0 && bf16:
		left = restoreQ4_0BF16AVX2(&dst[0], &src[0], blocks)
	case b == Q4_1 && bf16:
		left = restoreQ4_1BF16AVX2(&dst[0], &src[0], blocks)
	case b == Q5_0 && bf16:
		left = restoreQ5_0BF16AVX2(&dst[0], &src[0], blocks)
	case b == Q5_1 && bf16:
		left = restoreQ5_1BF16AVX2(&dst[0], &src[0], blocks)
	case b == Q8_0:
		left = restoreQ8_0F16AVX2(&dst[0], &src[0], blocks)
	case b == Q4_0:
		left = restoreQ4_0F16AVX2(&dst[0], &src[0], blocks)
	case b == Q4_1:
		left = restoreQ4_1F16AVX2(&dst[0], &src[0], blocks)
	case b == Q5_0:
		left = restoreQ5_0F16AVX2(&dst[0], &src[0], blocks)
	default:
		left = restoreQ5_1F16AVX2(&dst[0], &src[0], blocks)
	}
	return blocks - left
}

// RestoreIQ4NL is Restore of llama.cpp's IQ4_NL, whose blocks have 18 bytes.
func RestoreIQ4NL(bf16 bool, dst []uint16, src []byte) (blocks int) {
	if blocks = len(dst) / 32; blocks == 0 || level < AVX2 {
		return 0
	}
	_ = src[18*blocks-1]
	left := 0
	if bf16 {
		left = restoreIQ4NLBF16AVX2(&dst[0], &src[0], blocks)
	} else {
		left = restoreIQ4NLF16AVX2(&dst[0], &src[0], blocks)
	}
	return blocks - left
}
