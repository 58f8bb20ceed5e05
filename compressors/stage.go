package compressors

import (
	"slices"
	"unsafe"

	"kvgauge/internal/kern"
)

// A stage appends pieces to a slice. Those of a long payload go through two slots, small enough
// for the first-level cache, and from there in whole cache lines around the caches, which does not
// fetch the lines that are overwritten.
//
// A piece is copied out while the next one is made, or when that is complete. What of it does not
// fill a line then stands in front of the next piece.
type stage struct {
	dst    []byte
	stream bool
	now    int // the slot of the next piece; the other one may hold a piece
	slots  [2]stageSlot
}

// A stageSlot holds buf[from:to]; its piece begins at front, two bytes before a line.
type stageSlot struct {
	front, from, to int
	buf             [192 + stagePiece + 64]byte
}

// stagePiece is the length of the longest piece.
const stagePiece = 2112

// open begins to append to dst what raw bytes become.
func (s *stage) open(dst []byte, raw int) {
	s.dst, s.stream = dst, raw >= kern.StreamBytes && kern.Vectors()
	for i := range s.slots {
		o := &s.slots[i]
		o.front = 128 - 2 + int(-uintptr(unsafe.Pointer(&o.buf))&63)
		o.from, o.to = o.front, o.front
	}
}

// room returns the place for the next piece, of at most stagePiece bytes.
func (s *stage) room(n int) []byte {
	if !s.stream {
		s.dst = slices.Grow(s.dst, n)
		return s.dst[len(s.dst):][:n]
	}
	o := &s.slots[s.now]
	return o.buf[o.front:][:n]
}

// expect is told how many bytes are likely to follow.
func (s *stage) expect(n int) {
	if s.stream {
		kern.FetchPages(s.dst[len(s.dst):min(len(s.dst)+n, cap(s.dst))])
	}
}

// advance ends a piece at the first n bytes of room.
func (s *stage) advance(n int) {
	if !s.stream {
		s.dst = s.dst[:len(s.dst)+n]
		return
	}
	kern.StreamCopy(s.pending())
	s.slots[s.now].to = s.slots[s.now].front + n
	s.now ^= 1
}

// pending returns what the caller has to copy to where, of the piece before the one for which there
// is room; it is gone then, but for what does not fill a line, which is in front of that room.
func (s *stage) pending() (dst, staged []byte) {
	old, next := &s.slots[s.now^1], &s.slots[s.now]
	at, n := len(s.dst), old.to-old.from
	if n == 0 {
		return nil, nil
	}
	s.dst = slices.Grow(s.dst, n)
	out := s.dst[at : at+n]
	left := min(int(uintptr(unsafe.Pointer(unsafe.SliceData(out)))+uintptr(n))&63, n)
	staged = old.buf[old.from : old.to-left]
	s.dst = s.dst[:at+n-left]
	next.from = next.front - left
	*(*[64]byte)(next.buf[next.front-64:]) = *(*[64]byte)(old.buf[old.to-64:]) // left and more
	old.from, old.to = old.front, old.front
	return out[:n-left], staged
}

// split adds the chunks of splitzip that whole ones of patterns become, up to one of which exponents
// are missed, of which there are the planes then, and in missed which. It returns how many patterns
// it did, and whether it stopped so. It may do nothing.
func (s *stage) split(src []uint16, missed *[zipChunk / 32]uint32, b *kern.ExponentBook) (n int, stopped bool) {
	old, next := &s.slots[s.now^1], &s.slots[s.now]
	chunks := len(src) / zipChunk
	at := len(s.dst)
	if !s.stream || old.to-old.from < 64 {
		return 0, false
	}
	s.dst = slices.Grow(s.dst, old.to-old.from+chunks*kern.ChunkBytes)
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(s.dst)))
	run := kern.ChunkRun{Dst: begin + uintptr(at), From: old.address(old.from), To: old.address(old.to),
		Front: next.address(next.front), Other: old.address(old.front)}
	if run.Dst%64 != 0 {
		return 0, false
	}
	done := kern.SplitChunks(&run, missed, src, b)
	s.dst = s.dst[:run.Dst-begin]
	stopped = done < chunks
	made := done
	if stopped {
		made++
	}
	s.now ^= made & 1
	last, room := &s.slots[s.now^1], &s.slots[s.now]
	last.from, last.to = int(run.From-last.address(0)), int(run.To-last.address(0))
	room.from, room.to = room.front, room.front
	if stopped { // the chunk is to be completed
		last.to = last.front
		s.now ^= 1
	}
	return done * zipChunk, stopped
}

func (o *stageSlot) address(i int) uintptr { return uintptr(unsafe.Pointer(&o.buf)) + uintptr(i) }

// close returns the slice with all that was appended.
func (s *stage) close() []byte {
	if s.stream {
		kern.StreamCopy(s.pending())
		last := &s.slots[s.now]
		s.dst = append(s.dst, last.buf[last.from:last.front]...)
		kern.StreamFence()
	}
	dst := s.dst
	s.dst = nil
	return dst
}
