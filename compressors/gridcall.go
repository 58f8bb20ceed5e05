package compressors

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// gridStream is where codes and scales of a side are written or read, and scratch.
type gridStream struct {
	codes, scales, zeros []byte // what is left of each
	raw                  []byte // groups stored as they are, when reading
	marked               bool   // a group is stored as it is
	around               bool   // what is written goes around the caches
	scaleSize, zeroSize  int    // bytes of each per group
	affine               quant.Affine
	buf                  [512]byte
	table                quant.Table
	lo, hi               [quant.Span]int32
	cols                 quant.Columns
	tables               quant.ColumnTables
}

// cut points s at the parts of payload that belong to side, from a unit on; units is how many the
// side has.
func (s *gridStream) cut(g *grid, lay *layout, side kv.Side, payload []byte, unit, units int) {
	s.scaleSize, s.zeroSize = g.Scale.Size(), g.ZeroSize()
	s.marked = false
	at := 0
	part := func(sizes *[2]int) []byte {
		from := at
		if side == kv.V {
			from += sizes[kv.K]
		}
		at += sizes[kv.K] + sizes[kv.V]
		return payload[from+sizes[side]/units*unit : from+sizes[side]]
	}
	s.codes, s.scales, s.zeros = part(&lay.codes), part(&lay.scales), part(&lay.zeros)
}

// A gridCall is one call of a quantised codec. Its pieces are runs of units, those of K first.
type gridCall struct {
	codec   *quantised
	tensor  kv.Tensor
	lay     layout
	payload []byte // as long as lay.total
	raw     []byte // when reading: groups stored as they are; then the pieces go in order
	reads   bool
	cuts    int // per side
	failed  [2]atomic.Bool
	marked  [2]atomic.Bool
}

var (
	gridCalls   = sync.Pool{New: func() any { return new(gridCall) }}
	gridStreams = sync.Pool{New: func() any { return new(gridStream) }}
)

// run does all pieces and returns false if one failed.
func (c *gridCall) run() bool {
	workers := max(c.codec.workers, 1)
	if len(c.raw) > 0 {
		workers = 1
	}
	for _, side := range kv.Sides {
		c.failed[side].Store(false)
		c.marked[side].Store(false)
	}
	c.cuts = cuts(c.tensor.Layers*c.tensor.Heads, workers)
	inParallel(workers, 2*c.cuts, c)
	return !c.failed[kv.K].Load() && !c.failed[kv.V].Load()
}

func (c *gridCall) free() {
	c.tensor, c.payload, c.raw, c.codec = kv.Tensor{}, nil, nil, nil
	gridCalls.Put(c)
}

// piece implements pieces.
func (c *gridCall) piece(i int) {
	side := kv.Side(i / c.cuts)
	g, body := &c.codec.sides[side], c.codec.body(c.tensor, side)
	units := g.units(c.tensor)
	from, to := i%c.cuts*units/c.cuts, (i%c.cuts+1)*units/c.cuts
	if c.tensor.Dim(side) == 0 || from == to {
		return
	}
	s := gridStreams.Get().(*gridStream)
	defer gridStreams.Put(s)
	s.cut(g, &c.lay, side, c.payload, from, units)
	s.around = c.tensor.RawBytes() >= kern.StreamBytes
	if c.reads {
		s.raw = c.raw
		if !g.decompress(s, body, side, from, to) {
			c.failed[side].Store(true)
		}
		if len(c.raw) > 0 {
			c.raw = s.raw
		}
		s.raw = nil
	} else if !g.compress(s, body, side, from, to) {
		c.failed[side].Store(true)
	}
	if s.marked {
		c.marked[side].Store(true)
	}
	s.codes, s.scales, s.zeros = nil, nil, nil
	c.copyWindow(side, from, to)
}

// copyWindow writes or reads the last tokens of some planes of a side.
func (c *gridCall) copyWindow(side kv.Side, from, to int) {
	n := c.codec.window(side, c.tensor.Tokens) * c.tensor.Dim(side)
	if n == 0 { // always so where units are not planes
		return
	}
	at := c.lay.total - c.lay.window[kv.V]
	if side == kv.K {
		at -= c.lay.window[kv.K]
	}
	for plane := from; plane < to; plane++ {
		p := c.tensor.Plane(side, plane/c.tensor.Heads, plane%c.tensor.Heads)
		last, bytes := p[len(p)-n:], c.payload[at+2*n*plane:at+2*n*(plane+1)]
		switch {
		case c.reads:
			readBits(last, bytes)
		case c.tensor.DType.FirstNonFinite(last) >= 0:
			c.failed[side].Store(true)
		default:
			putBits(bytes, last)
		}
	}
}

// errGridNonFinite is replaced by checkFinite's, which says where.
var errGridNonFinite = errors.New("a group holds a non-finite value")

// AppendCompress implements Codec.
func (c *quantised) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	lay, err := c.layout(src)
	if err != nil {
		return dst, err
	}
	base := len(dst)
	dst = slices.Grow(dst, lay.total)[:base+lay.total]
	call := gridCalls.Get().(*gridCall)
	defer call.free()
	call.codec, call.tensor, call.lay, call.payload, call.reads = c, src, lay, dst[base:], false
	if !call.run() {
		return dst[:base], nonFiniteOr(src, errGridNonFinite)
	}
	for _, side := range kv.Sides {
		if call.marked[side].Load() {
			var s gridStream
			s.cut(&c.sides[side], &lay, side, dst[base:], 0, 1)
			dst = c.sides[side].appendMarked(dst, &s, c.body(src, side), side)
		}
	}
	return dst, nil
}

// nonFiniteOr returns the error that names the first non-finite value of t, or err.
func nonFiniteOr(t kv.Tensor, err error) error {
	if where := checkFinite(t); where != nil {
		return where
	}
	return err
}

// Decompress implements Codec.
func (c *quantised) Decompress(dst kv.Tensor, src []byte) error {
	lay, err := c.layout(dst)
	if err != nil {
		return corrupt("%v", err)
	}
	if len(src) < lay.total {
		return corrupt("%d bytes, want %d", len(src), lay.total)
	}
	call := gridCalls.Get().(*gridCall)
	defer call.free()
	call.codec, call.tensor, call.lay, call.reads = c, dst, lay, true
	call.payload, call.raw = src[:lay.total], src[lay.total:]
	ok := call.run()
	for _, side := range kv.Sides {
		if !ok && call.failed[side].Load() {
			return corrupt("a group of %v has no valid scale, zero point or values", side)
		}
	}
	if len(call.raw) > 0 {
		return corrupt("%d bytes too many", len(call.raw))
	}
	return nil
}
