package compressors

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	"kvgauge/compressors/internal/quant"
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

// rowScratch is room for one row: values, codes, and values of any other kind.
type rowScratch struct {
	vals, more []float32
	codes      []byte
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
	if err := checkFinite(src); err != nil {
		return dst, err
	}
	base, r := len(dst), c.sizes(src)
	dst = slices.Grow(dst, r.scales+r.codes+r.raw)[:base+r.scales+r.codes+r.raw]
	run := rowRun{scales: dst[base:], codes: dst[base+r.scales:], raw: dst[base+r.scales+r.codes:]}
	w := rowPool.Get().(*rowScratch)
	defer rowPool.Put(w)
	for _, side := range kv.Sides {
		for l := 0; l < src.Layers && src.Dim(side) > 0; l++ {
			for h := range src.Heads {
				if err := c.compressPlane(&run, w, src, side, l, h); err != nil {
					return dst[:base], err
				}
			}
		}
	}
	return dst, nil
}

// rowRun is what is left of the three runs of a payload.
type rowRun struct{ scales, codes, raw []byte }

// next returns the scales and codes of the next row.
func (r *rowRun) next(scales, codes int) (s, c []byte) {
	s, c = r.scales[:scales], r.codes[:codes]
	r.scales, r.codes = r.scales[scales:], r.codes[codes:]
	return s, c
}

func (c *rowWise) compressPlane(run *rowRun, w *rowScratch, src kv.Tensor, side kv.Side, l, h int) error {
	dim := src.Dim(side)
	if c.isRaw(l, src.Layers) {
		plane := src.Plane(side, l, h)
		for i, b := range plane {
			binary.LittleEndian.PutUint16(run.raw[2*i:], b)
		}
		run.raw = run.raw[2*len(plane):]
		return nil
	}
	ns, nc := c.format.rowBytes(side, dim)
	for t := range src.Tokens {
		w.room(dim)
		src.DType.Widen(w.vals, src.Row(side, l, h, t))
		scales, codes := run.next(ns, nc)
		if !c.format.compressRow(w, side, scales, codes) {
			return fmt.Errorf("%w: a scale beyond its type in %v, layer %d, head %d, token %d",
				ErrNonFinite, side, l, h, t)
		}
	}
	return nil
}

// Decompress implements Codec.
func (c *rowWise) Decompress(dst kv.Tensor, src []byte) error {
	r := c.sizes(dst)
	if want := r.scales + r.codes + r.raw; len(src) != want {
		return corrupt("%d bytes, want %d", len(src), want)
	}
	run := rowRun{scales: src, codes: src[r.scales:], raw: src[r.scales+r.codes:]}
	w := rowPool.Get().(*rowScratch)
	defer rowPool.Put(w)
	for _, side := range kv.Sides {
		for l := 0; l < dst.Layers && dst.Dim(side) > 0; l++ {
			for h := range dst.Heads {
				if err := c.decompressPlane(&run, w, dst, side, l, h); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *rowWise) decompressPlane(run *rowRun, w *rowScratch, dst kv.Tensor, side kv.Side, l, h int) error {
	dim := dst.Dim(side)
	if c.isRaw(l, dst.Layers) {
		plane := dst.Plane(side, l, h)
		readBits(plane, run.raw)
		run.raw = run.raw[2*len(plane):]
		return nil
	}
	ns, nc := c.format.rowBytes(side, dim)
	for t := range dst.Tokens {
		w.room(dim)
		scales, codes := run.next(ns, nc)
		if !c.format.decompressRow(w, side, scales, codes) {
			return corrupt("scale or code of %v, layer %d, head %d, token %d", side, l, h, t)
		}
		dst.DType.NarrowSaturated(dst.Row(side, l, h, t), w.vals)
	}
	return nil
}

// growTo returns n elements, reusing s where it is large enough; what they hold is not cleared.
func growTo[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// layerMax returns the largest magnitude of one layer of a side, whose values are finite.
func layerMax(t kv.Tensor, side kv.Side, l int) float32 {
	most := uint16(0)
	for h := range t.Heads {
		most = max(most, quant.AbsMax(t.Plane(side, l, h)))
	}
	return t.DType.Float(most)
}

func putFloat(dst []byte, f float32) {
	binary.LittleEndian.PutUint32(dst, math.Float32bits(f))
}

func getFloat(src []byte) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(src))
}
