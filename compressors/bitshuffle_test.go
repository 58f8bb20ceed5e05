package compressors

import (
	"bytes"
	"testing"
)

// TestShuffledBitsAreWhereTheDefinitionPutsThem compares with bit by bit.
func TestShuffledBitsAreWhereTheDefinitionPutsThem(t *testing.T) {
	for _, values := range []int{0, 1, 7, 8, 9, 100, shuffleBlock, 2*shuffleBlock + 8*5 + 3} {
		src, want := make([]byte, 2*values), make([]byte, 2*values)
		x := uint32(1)
		for i := range src {
			x = x*1664525 + 1013904223
			src[i] = byte(x >> 24)
		}
		copy(want, src)
		for from := 0; values-from >= 8; {
			n := min((values-from)&^7, shuffleBlock)
			clear(want[2*from : 2*(from+n)])
			for i := range n {
				for bit := range 16 {
					set := src[2*(from+i)+bit/8] >> (bit % 8) & 1
					want[2*from+bit*n/8+i/8] |= set << (i % 8)
				}
			}
			from += n
		}
		got, back := make([]byte, len(src)), make([]byte, len(src))
		shuffleBits(got, src)
		if !bytes.Equal(got, want) {
			t.Errorf("%d values: bits are elsewhere", values)
		}
		if unshuffleBits(back, got); !bytes.Equal(back, src) {
			t.Errorf("%d values: do not come back", values)
		}
	}
}
