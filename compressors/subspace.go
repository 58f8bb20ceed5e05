package compressors

import (
	"encoding/binary"
	"fmt"
	"math"

	"kvgauge/compressors/internal/lowrank"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// What codecs by a fitted transform share: rows of channels, their mean, and the directions in
// which they vary most.

// A span is the channels that a transform sees as one row per token: whole heads of whole layers
// of one side, the last layer's last head's last channel at the end.
type span struct {
	side                       kv.Side
	layer, layers, head, heads int
}

// channels returns the length of a row.
func (s span) channels(shape kv.Shape) int { return s.layers * s.heads * shape.Dim(s.side) }

// spansOf cuts a side into spans of so many layers and heads each; the last may be smaller.
func spansOf(shape kv.Shape, side kv.Side, layers, heads int) []span {
	return appendSpans(nil, shape, side, layers, heads)
}

func appendSpans(out []span, shape kv.Shape, side kv.Side, layers, heads int) []span {
	for l := 0; l < shape.Layers && shape.Dim(side) > 0; l += layers {
		for h := 0; h < shape.Heads; h += heads {
			out = append(out, span{side, l, min(layers, shape.Layers-l), h, min(heads, shape.Heads-h)})
		}
	}
	return out
}

// spanScratch is room for planes in transit.
type spanScratch struct{ plane []float32 }

// load fills rows with tokens [from, to) of t, keys turned back by turn.
func (s span) load(rows []float32, t kv.Tensor, from, to int, turn *keyTurner, w *spanScratch) {
	dim, width := t.Dim(s.side), s.channels(t.Shape)
	w.plane = growTo(w.plane, (to-from)*dim)
	for i := range s.layers * s.heads {
		plane := t.Plane(s.side, s.layer+i/s.heads, s.head+i%s.heads)[from*dim : to*dim]
		t.DType.Widen(w.plane, plane)
		for n := range to - from {
			row := w.plane[n*dim : (n+1)*dim]
			if s.side == kv.K {
				turn.undo(row, from+n)
			}
			copy(rows[n*width+i*dim:], row)
		}
	}
}

// store undoes load, rounding to t's type.
func (s span) store(t kv.Tensor, rows []float32, from, to int, turn *keyTurner, w *spanScratch) {
	dim, width := t.Dim(s.side), s.channels(t.Shape)
	w.plane = growTo(w.plane, (to-from)*dim)
	for i := range s.layers * s.heads {
		for n := range to - from {
			row := w.plane[n*dim : (n+1)*dim]
			copy(row, rows[n*width+i*dim:])
			if s.side == kv.K {
				turn.redo(row, from+n)
			}
		}
		plane := t.Plane(s.side, s.layer+i/s.heads, s.head+i%s.heads)[from*dim : to*dim]
		t.DType.NarrowSaturated(plane, w.plane)
	}
}

// turner returns the turner of t's keys, or one that leaves them if turned is false.
func turner(t kv.Tensor, turned bool) (keyTurner, error) {
	if !turned {
		return keyTurner{}, nil
	}
	return newKeyTurner(t)
}

// backTurner is turner for a tensor that is to be filled: one that does not say how keys are to be
// turned is none that was compressed.
func backTurner(t kv.Tensor, turned bool) (keyTurner, error) {
	turn, err := turner(t, turned)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return turn, err
}

// fittedTurner is turner for a codec that was fitted to a shape, once src is one that it takes.
func fittedTurner(src kv.Tensor, fitted kv.Shape, turned bool) (keyTurner, error) {
	if err := wantFitted(src.Shape, fitted); err != nil {
		return keyTurner{}, err
	}
	if err := checkFinite(src); err != nil {
		return keyTurner{}, err
	}
	return turner(src, turned)
}

// fittedBackTurner is backTurner for a codec that was fitted to a shape.
func fittedBackTurner(dst kv.Tensor, fitted kv.Shape, turned bool) (keyTurner, error) {
	if err := wantFitted(dst.Shape, fitted); err != nil {
		return keyTurner{}, err
	}
	return backTurner(dst, turned)
}

// fitSkip is how many tokens at the start of a cache are left out of a fit: the first few, on
// which attention rests (Xiao et al., arXiv 2309.17453), have keys and values unlike all others.
func fitSkip(t kv.Tensor) int {
	if t.Tokens >= 16 {
		return 4
	}
	return 0
}

// A fitSource is the caches that a codec is fitted to, with the turners of their keys.
type fitSource struct {
	caches  []kv.Tensor
	turners []keyTurner
	tokens  int // in all
}

func newFitSource(caches []kv.Tensor, turned bool) (fitSource, error) {
	f := fitSource{caches: caches}
	for _, t := range caches {
		turn, err := turner(t, turned)
		if err != nil {
			return f, err
		}
		f.turners = append(f.turners, turn)
		f.tokens += t.Tokens - fitSkip(t)
	}
	if f.tokens == 0 {
		return f, fmt.Errorf("%w: no tokens to fit on", ErrUnsupported)
	}
	return f, nil
}

// fitRows is how many tokens are taken at once.
const fitRows = 64

// each calls do with the rows of a span, some at a time, in order.
func (f *fitSource) each(s span, do func(rows []float32, n int)) {
	var w spanScratch
	rows := make([]float32, fitRows*s.channels(f.caches[0].Shape))
	for i, t := range f.caches {
		for from := fitSkip(t); from < t.Tokens; from += fitRows {
			to := min(from+fitRows, t.Tokens)
			s.load(rows, t, from, to, &f.turners[i], &w)
			do(rows[:(to-from)*s.channels(t.Shape)], to-from)
		}
	}
}

// mean returns the mean row of a span.
func (f *fitSource) mean(s span) []float32 {
	width := s.channels(f.caches[0].Shape)
	sum, mean := make([]float64, width), make([]float32, width)
	f.each(s, func(rows []float32, n int) {
		for i := range n {
			for c, x := range rows[i*width : (i+1)*width] {
				sum[c] += float64(x)
			}
		}
	})
	for c := range mean {
		mean[c] = float32(sum[c] / float64(f.tokens))
	}
	return mean
}

// principal returns the variances along the principal directions of a span around mean, largest
// first, and the directions by rows. They are w's until its next use.
func (f *fitSource) principal(s span, mean []float32, w *lowrank.Workspace) (variances, directions []float64) {
	width := len(mean)
	gram, centred := make([]float64, width*width), make([]float64, fitRows*width)
	f.each(s, func(rows []float32, n int) {
		for i, x := range rows {
			centred[i] = float64(x) - float64(mean[i%width])
		}
		lowrank.AddGram(gram, centred, n, width)
	})
	variances, directions = w.Symmetric(gram, width)
	for i := range variances {
		variances[i] = max(variances[i], 0) / float64(f.tokens)
	}
	return variances, directions
}

// A basis turns rows into components and back.
type basis struct {
	width, rank int
	mean        []float32
	down        []float32 // width × rank: row c is channel c's share of every component
	up          []float32 // rank × width: the transpose
}

// newBasis returns the basis of a mean and rank directions by rows.
func newBasis(mean, up []float32) basis {
	b := basis{width: len(mean), rank: len(up) / len(mean), mean: mean, up: up}
	b.down = make([]float32, len(up))
	for k := range b.rank {
		for c := range b.width {
			b.down[c*b.rank+k] = up[k*b.width+c]
		}
	}
	return b
}

// forward subtracts the mean from n rows of x in place and sets z, n × rank, to their components.
// Each sums over the channels in order.
func (b *basis) forward(z, x []float32, n int) {
	for i := range n {
		row := x[i*b.width : (i+1)*b.width]
		for c, m := range b.mean {
			row[c] -= m
		}
	}
	clear(z[:n*b.rank])
	kern.AddProducts(z[:n*b.rank], x[:n*b.width], b.down, b.width, b.rank)
}

// inverse sets n rows of x to the mean and what the components z add.
func (b *basis) inverse(x, z []float32, n int) {
	for i := range n {
		copy(x[i*b.width:(i+1)*b.width], b.mean)
	}
	kern.AddProducts(x[:n*b.width], z[:n*b.rank], b.up, b.rank, b.width)
}

// A state of these codecs begins with what it was fitted to and how:
//
//	name  uvarint length and text
//	layers, heads, key dim, value dim  uvarints
//	settings  uvarint count, then as many uvarints
func appendStateHead(dst []byte, name string, shape kv.Shape, settings ...int) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(len(name))), name...)
	for _, n := range []int{shape.Layers, shape.Heads, shape.KeyDim, shape.ValueDim, len(settings)} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	for _, n := range settings {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

// readStateHead reads what appendStateHead wrote, and fails if it is another codec's.
func readStateHead(r *frameReader, name string, settings ...int) kv.Shape {
	const most = 1 << 24
	if got := r.text(); got != name {
		r.fail("state of %q, want %q", got, name)
	}
	s := kv.Shape{Layers: r.uvarint(most), Heads: r.uvarint(most),
		KeyDim: r.uvarint(most), ValueDim: r.uvarint(most)}
	if n := r.uvarint(most); n != len(settings) {
		r.fail("%d settings, want %d", n, len(settings))
	}
	for _, want := range settings {
		if got := r.uvarint(most); got != want {
			r.fail("fitted with another setting: %d, want %d", got, want)
		}
	}
	if err := s.Check(); r.err == nil && err != nil {
		r.fail("%v", err)
	}
	return s
}

// appendFloats appends numbers as float32.
func appendFloats(dst []byte, x []float32) []byte {
	for _, v := range x {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}

// floats reads n finite numbers of float32.
func (r *frameReader) floats(n int) []float32 {
	if n < 0 || n > (len(r.b)-r.at)/4 {
		r.fail("cut short")
	}
	b := r.take(4 * n)
	if r.err != nil {
		return nil
	}
	out := make([]float32, n)
	for i := range out {
		if out[i] = getFloat(b[4*i:]); out[i]-out[i] != 0 {
			r.fail("number %d is %v", i, out[i])
			return nil
		}
	}
	return out
}

// wantFitted returns an error unless t is of the shape that a codec was fitted to.
func wantFitted(t, fitted kv.Shape) error {
	if fitted.Tokens = t.Tokens; t != fitted {
		return fmt.Errorf("%w: %v, and this codec was fitted to %v", ErrUnsupported, t, fitted)
	}
	return nil
}
