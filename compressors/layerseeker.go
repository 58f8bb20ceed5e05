package compressors

import (
	"math"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
)

// A layerSeeker finds the largest magnitude of one side of a layer, little by little: while another
// layer is compressed, which computes, this one comes from memory. The zero value has none to seek in.
type layerSeeker struct {
	src   kv.Tensor
	side  kv.Side
	l     int
	h     int      // the head of plane
	plane []uint16 // what is left of it
	top   uint16   // the greatest pattern without its sign so far
}

// blockPiece is how many values are compressed, and as many sought through, at a time.
const blockPiece = 8192

// openAfter begins with what is compressed after a side of a layer, -1 being before the first.
func (s *layerSeeker) openAfter(src kv.Tensor, side kv.Side, l int) {
	if l++; l == src.Layers || src.Dim(side) == 0 {
		if side == kv.V {
			*s = layerSeeker{}
			return
		}
		side, l = kv.V, 0
	}
	*s = layerSeeker{src: src, side: side, l: l, h: -1}
}

// peek returns the n values to be sought through next, in one plane, or none if no plane has so many.
// What is left of a plane that is too short it goes through itself.
func (s *layerSeeker) peek(n int) []uint16 {
	for len(s.plane) < n {
		s.skip(len(s.plane), quant.AbsMax(s.plane))
		if s.h++; s.h >= s.src.Heads {
			s.h, s.plane = s.src.Heads, nil
			return nil
		}
		s.plane = s.src.Plane(s.side, s.l, s.h)
	}
	return s.plane[:n]
}

// skip goes on by n values, of which top is the greatest pattern without its sign.
func (s *layerSeeker) skip(n int, top uint16) { s.top, s.plane = max(s.top, top), s.plane[n:] }

// finish goes through all that is left, and returns the greatest pattern without its sign.
func (s *layerSeeker) finish() uint16 {
	s.peek(math.MaxInt)
	return s.top
}
