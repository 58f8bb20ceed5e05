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

// checkBook splits and merges src, of which whole vectors count, with a book, and compares with
// the definition.
func checkBook(t *testing.T, book [16]byte, src []uint16) {
	t.Helper()
	for l := AVX2; l <= detect(); l++ {
		restore := SetLevel(l)
		checkBookAt(t, book, src)
		restore()
	}
}

func checkBookAt(t *testing.T, book [16]byte, src []uint16) {
	t.Helper()
	var b ExponentBook
	b.Init(&book)
	rest, index := make([]byte, len(src)), make([]byte, len(src)/2+1)
	missed := make([]uint32, len(src)/32+1)
	n, some := SplitExponents(rest, index, missed, src, &b)
	if want := len(src) &^ 63; (b.how != byTable || vbmi()) && n != want {
		t.Fatalf("book %v: %d patterns done, want %d", book, n, want)
	}
	wantRest, wantIndex, wantMissed := slowSplit(src[:n], &book)
	if !slices.Equal(rest[:n], wantRest) || !slices.Equal(index[:n/2], wantIndex) ||
		!slices.Equal(missed[:n/32], wantMissed) {
		t.Errorf("book %v: parts otherwise than defined", book)
	}
	if want := slices.Max(append(wantMissed, 0)) > 0; some != want {
		t.Errorf("book %v: some missed is %v, want %v", book, some, want)
	}
	for _, stream := range []bool{false, true} {
		back := make([]uint16, n+5)
		if m := MergeExponents(back, rest, index, &b, stream); m != n {
			t.Fatalf("book %v: %d patterns merged", book, m)
		}
		StreamFence()
		for i, x := range src[:n] {
			if wantMissed[i/32]>>(i%32)&1 == 1 {
				x = x&0x807f | uint16(book[0])<<7
			}
			if back[i] != x {
				t.Fatalf("book %v: %#04x comes back as %#04x", book, x, back[i])
			}
		}
	}
}

// everyPattern returns each pattern, in no order, and a few more.
func everyPattern() []uint16 {
	src := make([]uint16, 1<<16+7)
	for i := range src {
		src[i] = uint16(i * 40503)
	}
	return src
}

// TestExponentsPartAndMeetAsDefined gives every pattern to books whose exponents lie side by side,
// apart, two by two on one low digit, and at both ends.
func TestExponentsPartAndMeetAsDefined(t *testing.T) {
	var books [6][16]byte
	for i := range 16 {
		books[0][i] = byte(127 - i)
		books[1][i] = byte(17 * i)
		books[2][i] = byte(i%8*16 + i)
		books[3][i] = byte(0 + i/8*128 + i%8*3)
		books[4][i] = byte(i/8*200 + i%8*7)
		books[5][i] = byte(255 - i%15 - i/15*255)
	}
	for i, how := range []byte{byWindow, bySlot, bySlot, bySlot, bySlot, byWindow} {
		var b ExponentBook
		if b.Init(&books[i]); b.how > how {
			t.Errorf("book %v: found by %d, want %d", books[i], b.how, how)
		}
		checkBook(t, books[i], everyPattern())
	}
}

func TestExponentsThatCrowdOneDigitAreLeftToTheCaller(t *testing.T) {
	defer SetLevel(AVX2)()
	book := [16]byte{1, 17, 33, 49, 65, 81, 97, 113, 129, 2, 3, 4, 5, 6, 7, 8}
	var b ExponentBook
	b.Init(&book)
	if n, _ := SplitExponents(make([]byte, 64), make([]byte, 32), make([]uint32, 2),
		make([]uint16, 64), &b); n != 0 {
		t.Errorf("%d patterns done, want none", n)
	}
}

// FuzzExponents gives patterns to a book of any exponents.
func FuzzExponents(f *testing.F) {
	f.Add(uint64(0x7f7e7d7c7b7a7978), uint64(0x0102030405060708), []byte("some bytes to split"))
	f.Fuzz(func(t *testing.T, a, b uint64, bytes []byte) {
		var book [16]byte
		for i := range book { // the next exponent that is not yet in it
			e := byte(a >> (8 * (i % 8)))
			if i >= 8 {
				e = byte(b >> (8 * (i % 8)))
			}
			for slices.Contains(book[:i], e) {
				e++
			}
			book[i] = e
		}
		src := make([]uint16, len(bytes))
		for i, x := range bytes {
			src[i] = uint16(x)<<8 | uint16(bytes[len(bytes)-1-i])
		}
		checkBook(t, book, src)
	})
}

// TestExponentsAreCountedByLines compares with counting one by one, at every level.
func TestExponentsAreCountedByLines(t *testing.T) {
	few := make([]uint16, 5000) // most between 116 and 131, where the widest kernel looks first
	for i := range few {
		few[i] = uint16(131-i%7-i%29/4)<<7 | uint16(i%2)<<15 | uint16(i%128)
	}
	few[77], few[4032] = 0, 0xffff
	for l := Generic; l <= AVX512; l++ {
		restore := SetLevel(l)
		checkCounts(t, everyPattern())
		checkCounts(t, few)
		restore()
	}
}

func checkCounts(t *testing.T, src []uint16) {
	t.Helper()
	for _, n := range []int{0, 1, 31, 32, 33, 95, 96, 97, 5000, len(src)} {
		for _, step := range []int{32, 96, 160} {
			var got [4][256]uint32
			CountExponents(&got, src[:n], src[:n/3], step, n%2 == 0)
			var want [256]uint32
			for i := range n {
				if i%step < 32 {
					want[byte(src[i]>>7)]++
				}
			}
			for e, w := range want {
				if g := got[0][e] + got[1][e] + got[2][e] + got[3][e]; g != w {
					t.Fatalf("%d patterns, step %d: exponent %d counted %d times, want %d", n, step, e, g, w)
				}
			}
		}
	}
}

// TestStreamedBytesArriveAndNoOthers copies to and from every place in a line.
func TestStreamedBytesArriveAndNoOthers(t *testing.T) {
	src := make([]byte, 1024)
	for i := range src {
		src[i] = byte(i*7 + i>>8)
	}
	for _, n := range []int{0, 1, 63, 127, 128, 200, 700} {
		defer SetLevel(Level(n % 3))() // every level has a turn
		for at := range 65 {
			dst := make([]byte, 1024)
			StreamCopy(dst[at:], src[at/3:][:n])
			StreamFence()
			for i, b := range dst {
				want := byte(0)
				if i >= at && i < at+n {
					want = src[at/3+i-at]
				}
				if b != want {
					t.Fatalf("%d bytes to %d: byte %d is %d, want %d", n, at, i, b, want)
				}
			}
		}
	}
}

// BenchmarkExponents works on one chunk, in the first-level cache.
func BenchmarkExponents(b *testing.B) {
	src := everyPattern()[:1024]
	for i := range src {
		src[i] = src[i]&0x807f | uint16(120+i%8)<<7
	}
	var book [16]byte
	for i := range book {
		book[i] = byte(127 - i)
	}
	var e ExponentBook
	e.Init(&book)
	rest, index, missed := make([]byte, 1024), make([]byte, 512), make([]uint32, 32)
	for name, f := range map[string]func(){
		"split": func() { SplitExponents(rest, index, missed, src, &e) },
		"merge": func() { MergeExponents(src, rest, index, &e, false) },
		"count": func() { var c [4][256]uint32; CountExponents(&c, src, nil, 32, false) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(2048)
			for b.Loop() {
				f()
			}
		})
	}
}
