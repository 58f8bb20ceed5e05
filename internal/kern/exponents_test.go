package kern

import (
	"slices"
	"testing"
)

// slowSplit is what SplitExponents does, by its definition.
func slowSplit(src []uint16, book *[16]byte) (rest, index []byte, missed []uint32) {
	rest, index = make([]byte, len(src)), make([]byte, len(src)/2)
	missed = make([]uint32, len(src)/32)
	for i, b := range src {
		rest[i] = byte(b>>15<<7 | b&0x7f)
		k := slices.Index(book[:], byte(b>>7))
		if k < 0 {
			missed[i/32] |= 1 << (i % 32)
			k = 0
		}
		index[i/2] |= byte(k) << (4 * (i % 2))
	}
	return rest, index, missed
}

// TestExponentsPartAndMeetAsDefined gives every pattern to books whose exponents lie side by side,
// apart, and two by two on one low digit.
func TestExponentsPartAndMeetAsDefined(t *testing.T) {
	if level < AVX2 {
		t.Skip("no vector kernels")
	}
	src := make([]uint16, 1<<16+7)
	for i := range src {
		src[i] = uint16(i * 40503) // odd: every pattern, in no order
	}
	var books [4][16]byte
	for i := range 16 {
		books[0][i] = byte(127 - i)
		books[1][i] = byte(17 * i)
		books[2][i] = byte(i%8*16 + i)
		books[3][i] = byte(0 + i/8*128 + i%8*3)
	}
	for _, book := range books {
		var s ExponentSlots
		s.Init(&book)
		rest, index := make([]byte, len(src)), make([]byte, len(src)/2+1)
		missed := make([]uint32, len(src)/32+1)
		n := SplitExponents(rest, index, missed, src, &s)
		if n != 1<<16 {
			t.Fatalf("book %v: %d patterns done", book, n)
		}
		wantRest, wantIndex, wantMissed := slowSplit(src[:n], &book)
		if !slices.Equal(rest[:n], wantRest) || !slices.Equal(index[:n/2], wantIndex) ||
			!slices.Equal(missed[:n/32], wantMissed) {
			t.Errorf("book %v: parts otherwise than defined", book)
		}
		back := make([]uint16, n+5)
		if m := MergeExponents(back, rest, index, &book); m != n {
			t.Fatalf("book %v: %d patterns merged", book, m)
		}
		for i, b := range src[:n] {
			if wantMissed[i/32]>>(i%32)&1 == 1 {
				b = b&0x807f | uint16(book[0])<<7
			}
			if back[i] != b {
				t.Fatalf("book %v: %#04x comes back as %#04x", book, b, back[i])
			}
		}
	}
}

func TestExponentsThatCrowdOneDigitAreLeftToTheCaller(t *testing.T) {
	book := [16]byte{1, 17, 33, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}
	var s ExponentSlots
	s.Init(&book)
	if n := SplitExponents(make([]byte, 64), make([]byte, 32), make([]uint32, 2),
		make([]uint16, 64), &s); n != 0 {
		t.Errorf("%d patterns done, want none", n)
	}
}
