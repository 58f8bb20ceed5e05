package kern

import (
	"slices"
	"unsafe"
)

// An ExponentBook finds the index of an exponent in a book of 16, and back.
type ExponentBook struct {
	windows [2]exponentWindow
	slots   [2]exponentSlots
	halves  [16]byte // exponents without their last bit
	odds    [16]byte // that bit, at the top of a byte
	how     byte
	table   [256]byte // by exponent: the index, exponentMark if there is none
}

// How an exponent is found, the fastest first.
const (
	byWindow = iota // all exponents are in two runs of 16
	bySlot          // no more than two exponents share their low four bits
	byTable         // neither: not by vectors
)

// An exponentWindow holds 16 times its first exponent, then for it and the 15 that follow the
// index with a mark, 0 for those that have none.
type exponentWindow struct{ first, index [16]byte }

// exponentMark is no bit of an index. In a window it marks exponents that have one, in the table
// those that have none.
const exponentMark = 0x80

// exponentSlots hold at i an exponent that ends in i, and its index.
type exponentSlots struct{ exponent, index [16]byte }

// Init prepares for a book of different exponents.
func (b *ExponentBook) Init(book *[16]byte) {
	for e := range b.table {
		b.table[e] = exponentMark
	}
	for i, e := range book {
		b.halves[i], b.odds[i] = e>>1, e<<7
		b.table[e] = byte(i)
	}
	switch {
	case b.initWindows(book):
		b.how = byWindow
	case b.initSlots(book):
		b.how = bySlot
	default:
		b.how = byTable
	}
}

func (b *ExponentBook) initWindows(book *[16]byte) bool {
	sorted := *book
	slices.Sort(sorted[:])
	b.windows = [2]exponentWindow{}
	left := sorted[:]
	for k := range b.windows {
		w := &b.windows[k]
		if len(left) == 0 {
			break
		}
		first := left[0]
		for i := range w.first {
			w.first[i] = first
		}
		for len(left) > 0 && left[0]-first < 16 {
			w.index[left[0]-first] = byte(slices.Index(book[:], left[0])) | exponentMark
			left = left[1:]
		}
	}
	return len(left) == 0
}

func (b *ExponentBook) initSlots(book *[16]byte) bool {
	var filled [16]int
	for i := range 16 {
		for k := range b.slots {
			b.slots[k].exponent[i] = byte(i) ^ 1 // ends in another digit, so nothing is equal
		}
	}
	for i, e := range book {
		at := e & 15
		if filled[at] == len(b.slots) {
			return false
		}
		slot := &b.slots[filled[at]]
		slot.exponent[at], slot.index[at] = e, byte(i)
		filled[at]++
	}
	return true
}

// SplitExponents parts patterns of bfloat16: rest gets a byte of sign and fraction for each, index
// the exponents' indices, two in a byte, the first in the low nibble; bit i of missed[k] says that
// exponent 32·k + i has no index, and then its nibble is 0. It returns how many patterns it did,
// the front of src, a multiple of 64, and may do none, and whether any was missed. rest, index and
// missed have room for all of src.
func SplitExponents(rest, index []byte, missed []uint32, src []uint16,
	b *ExponentBook) (n int, some bool) {
	if n = len(src) &^ 63; level < AVX2 || n == 0 || b.how == byTable && !vbmi() {
		return 0, false
	}
	rest, index, missed = rest[:n], index[:n/2], missed[:n/32]
	if vbmi() {
		return n, splitExponentsVBMI(&rest[0], &index[0], &missed[0], &src[0], n, &b.table[0]) != 0
	}
	if b.how == byWindow {
		return n, splitExponentsAVX2(&rest[0], &index[0], &missed[0], &src[0], n,
			&b.windows[0].first[0]) != 0
	}
	return n, splitAnyExponentsAVX2(&rest[0], &index[0], &missed[0], &src[0], n,
		&b.slots[0].exponent[0]) != 0
}

// ChunkValues is how many patterns SplitChunks makes a chunk of, and ChunkBytes how long that is: two
// zeros, what SplitExponents calls rest, and index.
const (
	ChunkValues = 1024
	ChunkBytes  = 2 + ChunkValues*3/2
)

// A ChunkRun says by addresses where SplitChunks is. The caller keeps what they belong to.
type ChunkRun struct {
	Dst          uintptr // where the next bytes go that have been made, a multiple of 64
	From, To     uintptr // the bytes that are to go there next: at least 64 could be read before To
	Front, Other uintptr // room for the next chunk, with 64 bytes before it, and for the one after it
}

// SplitChunks makes a chunk of every ChunkValues patterns, which make up src, by turns in two places,
// while of what was made before whole lines go to Dst around the caches; the rest moves in front of
// the chunk. It stops after a chunk of which exponents are missed, as missed has them, and returns
// how many chunks it made before that one. Dst has room for all. Call it where CanSplitChunks.
func SplitChunks(run *ChunkRun, missed *[ChunkValues / 32]uint32, src []uint16, b *ExponentBook) (done int) {
	if !CanSplitChunks() || len(src) < ChunkValues {
		return 0
	}
	return splitChunksVBMI((*uintptr)(unsafe.Pointer(run)), &missed[0], &src[0], &b.table[0], len(src)/ChunkValues)
}

// CanSplitChunks says whether SplitChunks does anything.
func CanSplitChunks() bool { return vbmi() }

// MergeExponents undoes SplitExponents, with the exponent of index 0 for those that have none. It
// returns how many patterns it did, the front of dst, a multiple of 64, and may do none. With
// stream it writes around the caches where dst allows, as StreamCopy does.
func MergeExponents(dst []uint16, rest, index []byte, b *ExponentBook, stream bool) int {
	n := len(dst) &^ 63
	if level < AVX2 || n == 0 {
		return 0
	}
	rest, index = rest[:n], index[:n/2]
	at := uintptr(unsafe.Pointer(&dst[0]))
	switch {
	case stream && vbmi() && at&63 == 0:
		mergeExponentsStreamVBMI(&dst[0], &rest[0], &index[0], n, &b.halves[0])
	case vbmi():
		mergeExponentsVBMI(&dst[0], &rest[0], &index[0], n, &b.halves[0])
	case stream && at&31 == 0:
		mergeExponentsStreamAVX2(&dst[0], &rest[0], &index[0], n, &b.halves[0])
	default:
		mergeExponentsAVX2(&dst[0], &rest[0], &index[0], n, &b.halves[0])
	}
	return n
}

// CountExponents adds the exponents of lines of 32 patterns of bfloat16, one at every step of src,
// to counts, which are summed over the first index. The last line may be shorter. It begins to fetch
// the lines of next, where it is not empty, which is counted next then, with more set.
func CountExponents(counts *[4][256]uint32, src, next []uint16, step int, more bool) {
	const line = 32
	lines := 0
	if len(src) >= line {
		lines = (len(src)-line)/step + 1
	}
	switch {
	case vbmi() && lines > 1:
		lines &^= 1
		soon := min(lines, countAhead)
		if more {
			soon = 0
		}
		if len(next) == 0 {
			next = src
		}
		countExponents512(&counts[0][0], &src[0], lines, 2*step, countWindow(src[:line]), soon, &next[0])
	case level >= AVX2 && lines > 0:
		countExponents(&counts[0][0], &src[0], lines, 2*step)
	default:
		lines = 0
	}
	for at := lines * step; at < len(src); at += step {
		for i, b := range src[at:min(at+line, len(src))] {
			counts[i&3][b>>7&0xff]++
		}
	}
}

// countAhead is how many lines the widest kernel fetches ahead.
const countAhead = 32

// countWindow returns the first of sixteen exponents among which most are likely to be: most numbers
// are somewhat smaller than the largest.
func countWindow(line []uint16) int {
	most := 0
	for _, b := range line {
		most = max(most, int(b>>7&0xff))
	}
	return min(max(most-12, 0), 240)
}
