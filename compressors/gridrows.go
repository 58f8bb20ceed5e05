package compressors

import (
	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// compress writes codes and scales of some units of a side; it returns false on a non-finite value.
func (g *grid) compress(s *gridStream, t kv.Tensor, side kv.Side, from, to int) bool {
	if t.Tokens == 0 {
		return true
	}
	heads := t.Layers * t.Heads / g.units(t)
	for unit := from; unit < to; unit++ {
		ok := false
		switch {
		case g.spans():
			ok = g.compressSpan(s, t, side, unit*heads, (unit+1)*heads)
		case g.axis == axisChannel:
			ok = g.compressColumns(s, t.DType, t.Plane(side, unit/t.Heads, unit%t.Heads), t.Dim(side))
		default:
			ok = g.compressPlane(s, t.DType, t.Plane(side, unit/t.Heads, unit%t.Heads), g.run(t, side))
		}
		if !ok {
			return false
		}
	}
	return true
}

// compressPlane writes the groups of a plane, which is a number of runs.
func (g *grid) compressPlane(s *gridStream, d kv.DType, plane []uint16, run int) bool {
	step := g.step(run)
	if g.binary16() && run%step == 0 {
		return g.compressEven(s, d, plane, step)
	}
	for ; len(plane) > 0; plane = plane[run:] {
		for row := plane[:run]; len(row) > 0; row = row[min(step, len(row)):] {
			if !g.compressGroup(s, d, row[:min(step, len(row))]) {
				return false
			}
		}
	}
	return true
}

// binary16 says whether groups have a scale and a minimum in binary16, as the kernels have it.
func (g *grid) binary16() bool { return g.Scale == quant.ScaleF16 && g.Zero == quant.ZeroMin }

// again is how many groups or rows that kernels leave go one by one before they are tried again.
const again = 8

// compressEven writes groups that all have step values.
func (g *grid) compressEven(s *gridStream, d kv.DType, plane []uint16, step int) bool {
	if s.around {
		kern.FetchPages(s.codes[:len(plane)/step*quant.PackedBytes(step, g.Bits)])
	}
	for len(plane) > 0 {
		n := kern.QuantizeGroups(d == kv.BF16, s.around, g.Bits, step, s.codes, s.scales, s.zeros, plane)
		s.skip(n, n*quant.PackedBytes(step, g.Bits))
		plane = plane[n*step:]
		for i := 0; i < again && len(plane) > 0; i++ {
			if !g.compressGroup(s, d, plane[:step]) {
				return false
			}
			plane = plane[step:]
		}
	}
	return true
}

// skip moves on by so many groups and bytes of codes.
func (s *gridStream) skip(groups, codes int) {
	s.scales, s.zeros = s.scales[groups*s.scaleSize:], s.zeros[groups*s.zeroSize:]
	s.codes = s.codes[codes:]
}

// compressGroup writes one group of neighbouring values.
func (g *grid) compressGroup(s *gridStream, d kv.DType, row []uint16) bool {
	lo, hi := quant.MinMax(row)
	if !quant.Finite(d, lo, hi) {
		return false
	}
	ok := s.putGroup(g, d, lo, hi)
	s.putCodes(g.Bits, d, row, &s.affine, ok)
	return true
}

// compressSpan writes one group that is spread over the planes [from, to).
func (g *grid) compressSpan(s *gridStream, t kv.Tensor, side kv.Side, from, to int) bool {
	lo, hi := quant.NoLow, quant.NoHigh
	for plane := from; plane < to; plane++ {
		low, high := quant.MinMax(t.Plane(side, plane/t.Heads, plane%t.Heads))
		lo, hi = min(lo, low), max(hi, high)
	}
	if !quant.Finite(t.DType, lo, hi) {
		return false
	}
	ok := s.putGroup(g, t.DType, lo, hi)
	for plane := from; plane < to; plane++ {
		s.putCodes(g.Bits, t.DType, t.Plane(side, plane/t.Heads, plane%t.Heads), &s.affine, ok)
	}
	return true
}

// putGroup fits s.affine to values between two keys and writes its scale and zero point; or it
// writes the mark of a group that is stored as it is, and returns false.
func (s *gridStream) putGroup(g *grid, d kv.DType, lo, hi int32) bool {
	ok := g.FitStore(d, lo, hi, s.scales, s.zeros, &s.affine)
	s.marked = s.marked || !ok
	s.scales, s.zeros = s.scales[s.scaleSize:], s.zeros[s.zeroSize:]
	return ok
}

// putCodes writes the codes of neighbouring values of a group; zeros if ok is false.
func (s *gridStream) putCodes(bits int, d kv.DType, row []uint16, a *quant.Affine, ok bool) {
	n := quant.PackedBytes(len(row), bits)
	out := s.codes[:n]
	s.codes = s.codes[n:]
	if !ok {
		clear(out)
		return
	}
	if bits == 8 {
		quant.Quantize(d, out, row, a)
		return
	}
	for len(row) > 0 {
		k := min(len(row), len(s.buf))
		quant.Quantize(d, s.buf[:k], row[:k], a)
		size := quant.PackedBytes(k, bits)
		quant.Pack(out[:size], s.buf[:k], bits)
		row, out = row[k:], out[size:]
	}
}

// appendMarked appends the patterns of the groups that are stored as they are.
func (g *grid) appendMarked(dst []byte, s *gridStream, t kv.Tensor, side kv.Side) []byte {
	switch {
	case g.axis == axisChannel:
		return g.appendMarkedColumns(dst, s, t, side)
	case g.spans():
		layers := t.Layers
		if g.axis == axisLayer {
			layers = 1
		}
		for l := 0; l < t.Layers; l += layers {
			if !s.nextMarked(g) {
				continue
			}
			for plane := l * t.Heads; plane < (l+layers)*t.Heads; plane++ {
				dst = appendBits(dst, t.Plane(side, plane/t.Heads, plane%t.Heads))
			}
		}
		return dst
	}
	run := g.run(t, side)
	step := g.step(run)
	for l := range t.Layers {
		for h := range t.Heads {
			for plane := t.Plane(side, l, h); len(plane) > 0; plane = plane[run:] {
				for row := plane[:run]; len(row) > 0; row = row[min(step, len(row)):] {
					if s.nextMarked(g) {
						dst = appendBits(dst, row[:min(step, len(row))])
					}
				}
			}
		}
	}
	return dst
}

// nextMarked moves to the next group's scale and says whether the group is stored as it is.
func (s *gridStream) nextMarked(g *grid) bool {
	raw := g.IsRaw(s.scales)
	s.scales = s.scales[g.Scale.Size():]
	return raw
}

// decompress reads what compress wrote; it returns false if that cannot have written it.
func (g *grid) decompress(s *gridStream, t kv.Tensor, side kv.Side, from, to int) bool {
	if t.Tokens == 0 {
		return true
	}
	heads := t.Layers * t.Heads / g.units(t)
	for unit := from; unit < to; unit++ {
		ok := false
		switch {
		case g.spans():
			ok = g.decompressSpan(s, t, side, unit*heads, (unit+1)*heads)
		case g.axis == axisChannel:
			ok = g.decompressColumns(s, t.DType, t.Plane(side, unit/t.Heads, unit%t.Heads), t.Dim(side))
		default:
			ok = g.decompressPlane(s, t.DType, t.Plane(side, unit/t.Heads, unit%t.Heads), g.run(t, side))
		}
		if !ok {
			return false
		}
	}
	return true
}

func (g *grid) decompressPlane(s *gridStream, d kv.DType, plane []uint16, run int) bool {
	step := g.step(run)
	if g.binary16() && run%step == 0 {
		return g.decompressEven(s, d, plane, step)
	}
	for ; len(plane) > 0; plane = plane[run:] {
		for row := plane[:run]; len(row) > 0; row = row[min(step, len(row)):] {
			if !g.decompressGroup(s, d, row[:min(step, len(row))]) {
				return false
			}
		}
	}
	return true
}

func (g *grid) decompressGroup(s *gridStream, d kv.DType, row []uint16) bool {
	raw, ok := s.getGroup(g)
	return ok && s.getCodes(g.Bits, d, row, &s.affine, raw)
}

// decompressEven reads what compressEven wrote.
func (g *grid) decompressEven(s *gridStream, d kv.DType, plane []uint16, step int) bool {
	if s.around {
		kern.FetchPages(asBytes(plane))
	}
	for len(plane) > 0 {
		n := kern.DequantizeGroups(d == kv.BF16, s.around, g.Bits, step, plane, s.codes, s.scales, s.zeros)
		s.skip(n, n*quant.PackedBytes(step, g.Bits))
		plane = plane[n*step:]
		for i := 0; i < again && len(plane) > 0; i++ {
			if !g.decompressGroup(s, d, plane[:step]) {
				return false
			}
			plane = plane[step:]
		}
	}
	return true
}

func (g *grid) decompressSpan(s *gridStream, t kv.Tensor, side kv.Side, from, to int) bool {
	raw, ok := s.getGroup(g)
	if !ok {
		return false
	}
	for plane := from; plane < to; plane++ {
		if !s.getCodes(g.Bits, t.DType, t.Plane(side, plane/t.Heads, plane%t.Heads), &s.affine, raw) {
			return false
		}
	}
	return true
}

// getGroup reads a group's grid to s.affine; raw says that the group is stored as it is.
func (s *gridStream) getGroup(g *grid) (raw, ok bool) {
	ok = g.Load(s.scales, s.zeros, &s.affine)
	if !ok {
		raw = g.IsRaw(s.scales)
	}
	s.scales, s.zeros = s.scales[s.scaleSize:], s.zeros[s.zeroSize:]
	return raw, ok || raw
}

// getCodes reads the values that putCodes wrote, or those of a group stored as it is.
func (s *gridStream) getCodes(bits int, d kv.DType, row []uint16, a *quant.Affine, raw bool) bool {
	n := quant.PackedBytes(len(row), bits)
	in := s.codes[:n]
	s.codes = s.codes[n:]
	if raw {
		if len(s.raw) < 2*len(row) {
			return false
		}
		readBits(row, s.raw)
		s.raw = s.raw[2*len(row):]
		return true
	}
	tabled := len(row) >= 2<<bits && !kern.Vectors()
	if tabled {
		quant.MakeTable(&s.table, 1<<bits, d, a)
	}
	for len(row) > 0 {
		k := min(len(row), len(s.buf))
		size := quant.PackedBytes(k, bits)
		codes := in[:size]
		if bits < 8 {
			codes = s.buf[:k]
			quant.Unpack(codes, in[:size], bits)
		}
		if tabled {
			quant.Lookup(row[:k], codes, &s.table)
		} else {
			quant.Dequantize(d, row[:k], codes, a)
		}
		row, in = row[k:], in[size:]
	}
	return true
}
