package compressors

import (
	"fmt"
	"sync"

	"kvgauge/compressors/kv"
)

// A rowCall is one call of a rowWise codec. Its pieces are runs of planes, those of K first.
type rowCall struct {
	codec   *rowWise
	many    [2]manyRows // of each side, nil if the format has none
	tensor  kv.Tensor
	payload []byte
	reads   bool
	cuts    int // per side

	mu    sync.Mutex
	err   error // of the first piece that has one
	first int
}

var rowCalls = sync.Pool{New: func() any { return new(rowCall) }}

// call compresses t to payload, which is as long as it has to be, or reads it.
func (c *rowWise) call(t kv.Tensor, payload []byte, reads bool) error {
	r := rowCalls.Get().(*rowCall)
	r.codec, r.tensor, r.payload, r.reads, r.err = c, t, payload, reads, nil
	switch f := c.format.(type) {
	case manyRows:
		r.many = [2]manyRows{f, f}
	case sidedRows:
		r.many = [2]manyRows{f.rowsOf(kv.K), f.rowsOf(kv.V)}
	}
	r.cuts = cuts(t.Layers*t.Heads, c.workers)
	inParallel(c.workers, 2*r.cuts, r)
	err := r.err
	r.codec, r.many, r.tensor, r.payload, r.err = nil, [2]manyRows{}, kv.Tensor{}, nil, nil
	rowCalls.Put(r)
	return err
}

// piece implements pieces.
func (r *rowCall) piece(i int) {
	side, planes := kv.Side(i/r.cuts), r.tensor.Layers*r.tensor.Heads
	if r.tensor.Dim(side) == 0 {
		return
	}
	w := rowPool.Get().(*rowScratch)
	defer rowPool.Put(w)
	for p := i % r.cuts * planes / r.cuts; p < (i%r.cuts+1)*planes/r.cuts; p++ {
		if err := r.plane(w, side, p/r.tensor.Heads, p%r.tensor.Heads); err != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.err == nil || i < r.first {
				r.err, r.first = err, i
			}
			return
		}
	}
}

// at returns where the bytes of a plane begin in each of the three runs of a payload.
func (c *rowWise) at(t kv.Tensor, side kv.Side, l, h int) rowRuns {
	var r rowRuns
	if side == kv.V {
		keys := t
		keys.ValueDim = 0
		r = c.sizes(keys)
	}
	raw := min(l, c.raw) + max(0, l-max(c.raw, t.Layers-c.raw))
	rows := t.Tokens * ((l-raw)*t.Heads + h)
	if c.isRaw(l, t.Layers) {
		rows = t.Tokens * (l - raw) * t.Heads
		r.raw += 2 * t.Dim(side) * t.Tokens * h
	}
	r.raw += 2 * t.Dim(side) * t.Tokens * t.Heads * raw
	scales, codes := c.format.rowBytes(side, t.Dim(side))
	r.scales += scales * rows
	r.codes += codes * rows
	return r
}

// A rowRun is what is left of the scales and codes of a payload.
type rowRun struct{ scales, codes []byte }

// skip moves on by so many bytes.
func (r *rowRun) skip(scales, codes int) {
	r.scales, r.codes = r.scales[scales:], r.codes[codes:]
}

func (r *rowCall) plane(w *rowScratch, side kv.Side, l, h int) error {
	c, sizes, at := r.codec, r.codec.sizes(r.tensor), r.codec.at(r.tensor, side, l, h)
	plane, dim := r.tensor.Plane(side, l, h), r.tensor.Dim(side)
	if c.isRaw(l, r.tensor.Layers) {
		bytes := r.payload[sizes.scales+sizes.codes+at.raw:][:2*len(plane)]
		switch {
		case r.reads:
			readBits(plane, bytes)
		case r.tensor.DType.FirstNonFinite(plane) >= 0:
			return ErrNonFinite
		default:
			putBits(bytes, plane)
		}
		return nil
	}
	run := rowRun{r.payload[at.scales:], r.payload[sizes.scales+at.codes:]}
	ns, nc := c.format.rowBytes(side, dim)
	for token := 0; token < r.tensor.Tokens; {
		if many := r.many[side]; many != nil {
			n := r.rows(many, &run, dim, plane[token*dim:])
			run.skip(n*ns, n*nc)
			token += n
		}
		for end := min(token+again, r.tensor.Tokens); token < end; token++ {
			row := plane[token*dim : (token+1)*dim]
			if err := r.row(w, side, row, run.scales[:ns], run.codes[:nc]); err != nil {
				return fmt.Errorf("%w %v, layer %d, head %d, token %d", err, side, l, h, token)
			}
			run.skip(ns, nc)
		}
	}
	return nil
}

// rows does as many of the front rows of a plane as go together, and returns how many.
func (r *rowCall) rows(many manyRows, run *rowRun, dim int, rows []uint16) int {
	if r.reads {
		return many.decompressRows(r.tensor.DType, dim, rows, run.scales, run.codes)
	}
	return many.compressRows(r.tensor.DType, dim, run.scales, run.codes, rows)
}

var (
	errRowScale   = fmt.Errorf("%w: a scale beyond its type in", ErrNonFinite)
	errRowCorrupt = corrupt("scale or code of")
)

func (r *rowCall) row(w *rowScratch, side kv.Side, row []uint16, scales, codes []byte) error {
	d := r.tensor.DType
	vals, _ := w.room(len(row))
	if r.reads {
		if !r.codec.format.decompressRow(w, side, scales, codes) {
			return errRowCorrupt
		}
		d.NarrowSaturated(row, vals)
		return nil
	}
	if d.FirstNonFinite(row) >= 0 {
		return ErrNonFinite
	}
	d.Widen(vals, row)
	if !r.codec.format.compressRow(w, side, scales, codes) {
		return errRowScale
	}
	return nil
}
