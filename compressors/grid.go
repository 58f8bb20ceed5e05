package compressors

import (
	"errors"
	"fmt"
	"slices"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
)

// An axis names the values that share one scale.
type axis uint8

const (
	axisTensor  axis = iota // one side of the whole tensor
	axisLayer               // one layer of one side
	axisHead                // one head of one layer
	axisToken               // one token in one head
	axisChannel             // one channel of one head, over tokens
)

var axisNames = [...]string{"tensor", "layer", "head", "token", "channel"}

func parseAxis(s string) (axis, error) {
	if i := slices.Index(axisNames[:], s); i >= 0 {
		return axis(i), nil
	}
	return 0, fmt.Errorf("axis is %q, want tensor, layer, head, token or channel", s)
}

// A grid says how one side is quantised: which values form a group, and on what grid.
type grid struct {
	quant.Quantizer
	axis   axis
	group  int  // values per group along the axis; 0 means the whole axis
	shorts bool // a channel may have fewer tokens than a group
}

// run returns how many values in a row belong to one axis: a token's channels, or all of a head.
// Groups never cross a head.
func (g *grid) run(t kv.Tensor, side kv.Side) int {
	if g.axis == axisToken {
		return t.Dim(side)
	}
	return t.Tokens * t.Dim(side)
}

// spans says whether a group is spread over several heads.
func (g *grid) spans() bool { return g.group == 0 && g.axis <= axisLayer }

// check returns an error if groups are longer than what they divide.
func (g *grid) check(t kv.Tensor, side kv.Side) error {
	n := g.run(t, side)
	if g.axis == axisChannel {
		n = t.Tokens
		if g.shorts {
			return nil
		}
	}
	if g.group > n && n > 0 {
		return fmt.Errorf("%w: a group of %d is longer than its axis, which has %d values (%s of %v)",
			ErrUnsupported, g.group, n, axisNames[g.axis], t.Shape)
	}
	return nil
}

// sizes returns how many bytes of codes and how many groups a side has.
func (g *grid) sizes(t kv.Tensor, side kv.Side) (codes, groups int) {
	dim, planes := t.Dim(side), t.Layers*t.Heads
	if dim == 0 || t.Tokens == 0 {
		return 0, 0
	}
	switch {
	case g.axis == axisChannel:
		codes = planes * t.Tokens * quant.PackedBytes(dim, g.Bits)
		return codes, planes * dim * ceilDiv(t.Tokens, g.step(t.Tokens))
	case g.spans():
		groups = 1
		if g.axis == axisLayer {
			groups = t.Layers
		}
		return planes * quant.PackedBytes(t.Tokens*dim, g.Bits), groups
	}
	run := g.run(t, side)
	step := g.step(run)
	runs := planes * (t.Tokens * dim / run)
	perRun := run/step*quant.PackedBytes(step, g.Bits) + quant.PackedBytes(run%step, g.Bits)
	return runs * perRun, runs * ceilDiv(run, step)
}

// step returns the length of a group on an axis of n values.
func (g *grid) step(n int) int {
	if g.group == 0 {
		return n
	}
	return min(g.group, n)
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// quantised is a codec that puts each side on a grid and keeps the last tokens in 16 bits.
// uniform and kivi are settings of it. Its payload:
//
//	codes of K, codes of V
//	scales of K, scales of V      in the order of the groups
//	zero points of K, of V        minima like scales, or a byte each, or nothing
//	window of K, of V             patterns of the last tokens, if any, as in identity
//	groups of K, of V             patterns of the groups whose scale is not a number
//
// Codes lie as the values do: layer, head, token, channel. On the channel axis each token's
// codes begin on a byte; on the others each group's do.
type quantised struct {
	sides    [2]grid
	residual int // see window
}

// window returns how many of the last tokens stay in 16 bits: KIVI's rule at prefill.
func (c *quantised) window(side kv.Side, tokens int) int {
	switch {
	case c.residual == 0:
		return 0
	case side == kv.K:
		return tokens % c.residual
	}
	return min(tokens, c.residual)
}

// body returns the tokens of a side that are on the grid.
func (c *quantised) body(t kv.Tensor, side kv.Side) kv.Tensor {
	t.Tokens -= c.window(side, t.Tokens)
	return t
}

// layout holds the sizes of a payload's parts, per side.
type layout struct {
	codes, scales, zeros, window [2]int
	total                        int
}

func (c *quantised) layout(t kv.Tensor) (layout, error) {
	var lay layout
	for _, side := range kv.Sides {
		if t.Dim(side) == 0 {
			continue
		}
		g, body := &c.sides[side], c.body(t, side)
		if err := g.check(body, side); err != nil {
			return layout{}, err
		}
		codes, groups := g.sizes(body, side)
		lay.codes[side] = codes
		lay.scales[side] = groups * g.Scale.Size()
		lay.zeros[side] = groups * g.ZeroSize()
		lay.window[side] = 2 * t.Layers * t.Heads * (t.Tokens - body.Tokens) * t.Dim(side)
		lay.total += codes + lay.scales[side] + lay.zeros[side] + lay.window[side]
	}
	return lay, nil
}

// gridStream is where a side's codes and scales are written or read, and scratch.
type gridStream struct {
	codes, scales, zeros []byte // what is left of each
	raw                  []byte // groups stored as they are, when reading
	marked               bool   // a group is stored as it is
	scaleSize, zeroSize  int    // bytes of each per group
	affine               quant.Affine
	buf                  [512]byte
	table                quant.Table
	lo, hi               [quant.Span]int32
	cols                 quant.Columns
	tables               quant.ColumnTables
}

// cut points s at the parts of payload that belong to side.
func (s *gridStream) cut(g *grid, lay *layout, side kv.Side, payload []byte) {
	s.scaleSize, s.zeroSize = g.Scale.Size(), g.ZeroSize()
	at := 0
	part := func(sizes *[2]int) []byte {
		from := at
		if side == kv.V {
			from += sizes[kv.K]
		}
		at += sizes[kv.K] + sizes[kv.V]
		return payload[from : from+sizes[side]]
	}
	s.codes, s.scales, s.zeros = part(&lay.codes), part(&lay.scales), part(&lay.zeros)
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
	var s gridStream
	var marked [2]bool
	windows := dst[base+lay.total-lay.window[kv.K]-lay.window[kv.V]:]
	for _, side := range kv.Sides {
		if src.Dim(side) == 0 {
			continue
		}
		s.cut(&c.sides[side], &lay, side, dst[base:])
		s.marked = false
		if !c.sides[side].compress(&s, c.body(src, side), side) || !c.putWindow(windows, src, side) {
			return dst[:base], nonFiniteOr(src, errGridNonFinite)
		}
		marked[side] = s.marked
		windows = windows[lay.window[side]:]
	}
	for _, side := range kv.Sides {
		if marked[side] {
			s.cut(&c.sides[side], &lay, side, dst[base:])
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

// putWindow writes the last tokens of a side; it returns false on a non-finite one.
func (c *quantised) putWindow(dst []byte, t kv.Tensor, side kv.Side) bool {
	n := c.window(side, t.Tokens) * t.Dim(side)
	if n == 0 {
		return true
	}
	for l := range t.Layers {
		for h := range t.Heads {
			plane := t.Plane(side, l, h)
			last := plane[len(plane)-n:]
			if t.DType.FirstNonFinite(last) >= 0 {
				return false
			}
			putBits(dst, last)
			dst = dst[2*n:]
		}
	}
	return true
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
	var s gridStream
	s.raw = src[lay.total:]
	windows := src[lay.total-lay.window[kv.K]-lay.window[kv.V]:]
	for _, side := range kv.Sides {
		if dst.Dim(side) == 0 {
			continue
		}
		s.cut(&c.sides[side], &lay, side, src)
		if !c.sides[side].decompress(&s, c.body(dst, side), side) {
			return corrupt("a group of %v has no valid scale, zero point or values", side)
		}
		n := c.window(side, dst.Tokens) * dst.Dim(side)
		for plane := range dst.Layers * dst.Heads {
			p := dst.Plane(side, plane/dst.Heads, plane%dst.Heads)
			readBits(p[len(p)-n:], windows[2*n*plane:])
		}
		windows = windows[lay.window[side]:]
	}
	if len(s.raw) > 0 {
		return corrupt("%d bytes too many", len(s.raw))
	}
	return nil
}

// PredictedBytes implements Sizer.
func (c *quantised) PredictedBytes(head kv.Tensor) int {
	lay, _ := c.layout(head)
	return lay.total
}

// AppendSections implements Sectioner.
func (c *quantised) AppendSections(dst []Section, head kv.Tensor, payload []byte) (
	[]Section, error) {
	lay, err := c.layout(head)
	if err != nil || len(payload) < lay.total {
		return dst, corrupt("%d bytes, want %d", len(payload), lay.total)
	}
	codes := lay.codes[kv.K] + lay.codes[kv.V]
	scales := lay.scales[kv.K] + lay.scales[kv.V] + lay.zeros[kv.K] + lay.zeros[kv.V]
	dst = append(dst, Section{Codes, codes}, Section{Scales, scales})
	if rest := len(payload) - codes - scales; rest > 0 {
		dst = append(dst, Section{Raw, rest})
	}
	return dst, nil
}
