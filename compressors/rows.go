package compressors

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"kvgauge/compressors/kv"
)

// rowWise carries the codecs that treat every row (one token of one head of one layer) alone and
// spend a fixed number of bytes on it. It walks the tensor; what a row's bytes are is the format's.
//
// Payload: the scales of all rows, then the codes of all rows, then the rows that stay raw, as
// 16-bit patterns; in each run keys before values, layer, head, token.
type rowWise struct {
	format rowFormat
	caps   Capabilities
	raw    int // how many first and how many last layers stay raw

	workers int // see Parallel
}

// A rowFormat is what the codecs by rows differ in.
type rowFormat interface {
	// rowBytes returns how many bytes the scales and the codes of a row of dim channels take.
	rowBytes(side kv.Side, dim int) (scales, codes int)

	// compressRow writes the scales and codes of w.vals, which it may change. It returns false if
	// a scale is beyond its type.
	compressRow(w *rowScratch, side kv.Side, scales, codes []byte) bool

	// decompressRow sets w.vals from scales and codes, and returns false for those that no row has.
	decompressRow(w *rowScratch, side kv.Side, scales, codes []byte) bool
}

// A manyRows is a rowFormat that can do the front rows of a plane faster together: as many as it
// returns, which may be none. What it leaves goes through the other methods, and so does what has
// to end in an error.
type manyRows interface {
	// compressRows writes the scales and codes of rows, patterns of dim channels each.
	compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) int

	// decompressRows sets rows from scales and codes.
	decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) int
}

// A sidedRows is a rowFormat whose sides go together in different ways.
type sidedRows interface{ rowsOf(side kv.Side) manyRows }

// rowScratch is room for one row or some: values, codes, and values of any other kind; and what there
// is one of in each row.
type rowScratch struct {
	vals, more, most []float32
	codes            []byte
	lengths, norms   []float32
	polar            polarScratch
}

var rowPool = sync.Pool{New: func() any { return new(rowScratch) }}

func (w *rowScratch) room(dim int) ([]float32, []byte) {
	w.vals, w.codes = growTo(w.vals, dim), growTo(w.codes, dim)
	return w.vals, w.codes
}

// Capabilities implements Codec.
func (c *rowWise) Capabilities() Capabilities {
	caps := c.caps
	caps.FixedRate, caps.KeyOnly, caps.Streaming = true, true, "token"
	return caps
}

func (c *rowWise) isRaw(l, layers int) bool { return l < c.raw || l >= layers-c.raw }

// rowRuns are the bytes of the three runs of a payload.
type rowRuns struct{ scales, codes, raw int }

func (c *rowWise) sizes(t kv.Tensor) rowRuns {
	var r rowRuns
	for _, side := range kv.Sides {
		dim := t.Dim(side)
		if dim == 0 {
			continue
		}
		scales, codes := c.format.rowBytes(side, dim)
		for l := range t.Layers {
			rows := t.Heads * t.Tokens
			if c.isRaw(l, t.Layers) {
				r.raw += 2 * dim * rows
			} else {
				r.scales += scales * rows
				r.codes += codes * rows
			}
		}
	}
	return r
}

// PredictedBytes implements Sizer.
func (c *rowWise) PredictedBytes(head kv.Tensor) int {
	r := c.sizes(head)
	return r.scales + r.codes + r.raw
}

// AppendSections implements Sectioner.
func (c *rowWise) AppendSections(dst []Section, head kv.Tensor, _ []byte) ([]Section, error) {
	r := c.sizes(head)
	return append(dst, Section{Scales, r.scales}, Section{Codes, r.codes}, Section{Raw, r.raw}), nil
}

// AppendCompress implements Codec.
func (c *rowWise) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	base, r := len(dst), c.sizes(src)
	dst = slices.Grow(dst, r.scales+r.codes+r.raw)[:base+r.scales+r.codes+r.raw]
	if err := c.call(src, dst[base:], false); err != nil {
		return dst[:base], nonFiniteOr(src, err)
	}
	return dst, nil
}

// Decompress implements Codec.
func (c *rowWise) Decompress(dst kv.Tensor, src []byte) error {
	r := c.sizes(dst)
	if want := r.scales + r.codes + r.raw; len(src) != want {
		return corrupt("%d bytes, want %d", len(src), want)
	}
	return c.call(dst, src, true)
}

// growTo returns n elements, reusing s where it is large enough; what they hold is not cleared.
func growTo[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func putFloat(dst []byte, f float32) {
	binary.LittleEndian.PutUint32(dst, math.Float32bits(f))
}

func getFloat(src []byte) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(src))
}
