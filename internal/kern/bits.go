package kern

import "encoding/binary"

// bitWidths are how codes of each width up to 7 are packed and unpacked.
var bitWidths [8]struct{ pack, unpack [160]byte }

func init() {
	for b := 1; b < 8; b++ {
		w := &bitWidths[b]
		for lane := 0; lane < 32; lane += 16 {
			packHow(w.pack[lane:], b)
			for code := range 16 { // sixteen codes of a half, eight a vector
				at := lane + code%8*2 + code/8*32
				bit := b * code
				w.unpack[at], w.unpack[at+1] = byte(bit/8), byte(bit/8+1)
				binary.LittleEndian.PutUint16(w.unpack[64+at:], 1<<(16-b-bit%8))
			}
		}
	}
}

// packHow fills one half of the five vectors that packing codes of b bits takes.
func packHow(how []byte, b int) {
	for i := 0; i < 16; i += 4 {
		how[i], how[i+1], how[i+2], how[i+3] = 1, 1<<b, 1, 1<<b
		binary.LittleEndian.PutUint16(how[32+i:], 1)
		binary.LittleEndian.PutUint16(how[34+i:], 1<<(2*b))
		if i%8 == 0 {
			how[64+i], how[96+i] = byte(32-4*b), byte(32-4*b)
		}
	}
	for i := range 16 {
		how[128+i] = 0x80
		if i < 2*b {
			how[128+i] = byte(i/b*8 + i%b)
		}
	}
}

// packAhead is how many bytes packing writes and unpacking reads, of which it needs 2·bits.
const packAhead = 16

// bitsAtOnce returns how many codes of a width, of n, can be done in so many bytes.
func bitsAtOnce(n, bytes, bits int) int {
	if level < AVX2 || bits < 1 || bits > 7 || bytes < packAhead {
		return 0
	}
	return min(n, ((bytes-packAhead)/(2*bits)+1)*16) &^ 31
}

// PackBits packs the front part of codes of 1 to 7 bits, the first in the low bits, and returns how
// many. Codes must not exceed their width. It may write anything behind their bytes in dst.
func PackBits(dst, codes []byte, bits int) (n int) {
	if n = bitsAtOnce(len(codes), len(dst), bits); n > 0 {
		packBitsAVX2(&dst[0], &codes[0], n, 2*bits, &bitWidths[bits].pack[0])
	}
	return n
}

// UnpackBits undoes PackBits.
func UnpackBits(codes, src []byte, bits int) (n int) {
	if n = bitsAtOnce(len(codes), len(src), bits); n > 0 {
		unpackBitsAVX2(&codes[0], &src[0], n, 2*bits, &bitWidths[bits].unpack[0], 16-bits)
	}
	return n
}
