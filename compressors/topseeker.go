package compressors

import (
	"math"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// A topSeeker finds the largest magnitudes of groups of heads, one group after the other in the order
// of a payload: K, then V, layer, head. It does so little by little: while one group is compressed,
// which computes, the next one comes from memory. The zero value has nothing to seek in.
type topSeeker struct {
	src    kv.Tensor
	heads  int // of a group
	side   kv.Side
	l      int
	h, end int        // the next head, and the one behind the group
	search kern.Ahead // in the head before that
}

// seekPiece is how many values are compressed, and as many sought through, at a time.
const seekPiece = 8192

// begin begins with the first group of so many heads of a layer.
func (s *topSeeker) begin(src kv.Tensor, heads int) {
	*s = topSeeker{src: src, heads: heads}
	s.group(kv.K, 0, 0)
}

// group goes to the group that begins at a head, or at the next side or layer if there is none.
func (s *topSeeker) group(side kv.Side, l, h int) {
	if h >= s.src.Heads {
		l, h = l+1, 0
	}
	if side == kv.K && (l >= s.src.Layers || s.src.KeyDim == 0) {
		side, l = kv.V, 0
	}
	if l >= s.src.Layers || s.src.Dim(side) == 0 || s.src.Heads == 0 {
		*s = topSeeker{}
		return
	}
	s.side, s.l, s.h, s.end = side, l, h, h+s.heads
	s.search = kern.Ahead{}
}

// ahead returns a search for a kernel that does n values, nil if no head left has so many. What is left
// of a head that is too short it goes through itself.
func (s *topSeeker) ahead(n int) *kern.Ahead {
	for 4*s.search.Left < n {
		s.drain()
		if s.h >= s.end {
			return nil
		}
		plane := s.src.Plane(s.side, s.l, s.h)
		s.h++
		searched := s.search.Begin(plane)
		s.search.Top = max(s.search.Top, quant.AbsMax(plane[searched:]))
	}
	return &s.search
}

// drain goes through what is left of a head.
func (s *topSeeker) drain() {
	a := &s.search
	if a.Left == a.Step { // nothing is done
		a.Top = max(a.Top, quant.AbsMax(a.Src[:4*a.Left]))
	} else {
		for place := range 4 {
			a.Top = max(a.Top, quant.AbsMax(a.Src[place*a.Step:][:a.Left]))
		}
	}
	a.Src, a.Step, a.Left = nil, 0, 0
}

// finish goes through what is left of the group, begins with the next one, and returns the greatest
// pattern without its sign.
func (s *topSeeker) finish() uint16 {
	s.ahead(math.MaxInt)
	top := s.search.Top
	s.group(s.side, s.l, s.end)
	return top
}
