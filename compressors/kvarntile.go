package compressors

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/internal/rotate"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

var kvarnPool = sync.Pool{New: func() any { return new(kvarnScratch) }}

// planeBytes implements planeCoder.
func (c *kvarn) planeBytes(t kv.Tensor, side kv.Side) payloadRuns {
	dim, tiles := t.Dim(side), c.tiles(t)
	y := c.tile(side, dim)
	return payloadRuns{tiles*(y.scales()+y.codes()) + 2*dim*(t.Tokens-tiles*c.Group)}
}

// compressPlane implements planeCoder.
func (c *kvarn) compressPlane(src kv.Tensor, side kv.Side, layer, head int, parts [3][]byte) bool {
	s := kvarnPool.Get().(*kvarnScratch)
	defer kvarnPool.Put(s)
	out, rows, dim, sinks := parts[0], src.Plane(side, layer, head), src.Dim(side), c.sinks(src)
	y, turn, size := c.tile(side, dim), hadamards.get(dim), c.Group*dim
	putBits(out, rows[:sinks*dim])
	out, rows = out[2*sinks*dim:], rows[sinks*dim:]
	for range c.tiles(src) {
		s.load(rows[:size], src.DType, dim, turn, side == kv.K)
		s.even(y, c.Turns)
		if !s.quantise(out, y) {
			return false
		}
		out, rows = out[y.scales()+y.codes():], rows[size:]
	}
	putBits(out, rows)
	return true
}

// restorePlane implements planeCoder.
func (c *kvarn) restorePlane(dst kv.Tensor, side kv.Side, layer, head int, parts [3][]byte) bool {
	s := kvarnPool.Get().(*kvarnScratch)
	defer kvarnPool.Put(s)
	in, rows, dim, sinks := parts[0], dst.Plane(side, layer, head), dst.Dim(side), c.sinks(dst)
	y, turn, size := c.tile(side, dim), hadamards.get(dim), c.Group*dim
	readBits(rows[:sinks*dim], in)
	rows, in = rows[sinks*dim:], in[2*sinks*dim:]
	for range c.tiles(dst) {
		if !s.restore(in, y) {
			return false
		}
		s.store(rows[:size], dst.DType, dim, turn, side == kv.K)
		rows, in = rows[size:], in[y.scales()+y.codes():]
	}
	readBits(rows, in)
	return true
}

// hadamards keeps one rotation without signs per dimension.
var hadamards plainRotations

type plainRotations struct{ m sync.Map }

func (r *plainRotations) get(dim int) *rotate.Hadamard {
	if h, ok := r.m.Load(dim); ok {
		return h.(*rotate.Hadamard)
	}
	h := rotate.NewHadamard(dim, 0, false)
	r.m.Store(dim, &h)
	return &h
}

// kvarnScratch is the memory of one call. A tile's values stand by rows.
type kvarnScratch struct {
	tile       []float32
	across     []float32 // the tile by columns, before it is quantised
	vals       []float32 // [token][channel]
	codes      []byte
	row, col   kvarnAxis
	sum, power []float64
}

// A kvarnAxis is one of the two along which deviations are evened out.
type kvarnAxis struct {
	scale, inv, best, dev []float64
}

func (a *kvarnAxis) reset(n int) {
	a.scale, a.inv = growTo(a.scale, n), growTo(a.inv, n)
	a.best, a.dev = growTo(a.best, n), growTo(a.dev, n)
	for i := range a.scale {
		a.scale[i], a.inv[i], a.best[i] = 1, 1, 1
	}
}

// load fills the tile with rotated rows of dim channels, or their transpose.
func (s *kvarnScratch) load(src []uint16, d kv.DType, dim int, turn *rotate.Hadamard, transpose bool) {
	s.tile, s.across = growTo(s.tile, len(src)), growTo(s.across, len(src))
	rows, columns := s.tile, s.across
	if transpose {
		rows, columns = columns, rows
	}
	d.Widen(rows, src)
	for at := 0; at < len(rows); at += dim {
		turn.Forward(rows[at : at+dim])
	}
	transposed(columns, rows, dim)
}

// transposed sets dst to the transpose of src, which has rows of n.
func transposed(dst, src []float32, n int) {
	rows := len(src) / n
	for from := 0; from < n; from += 16 {
		to := min(from+16, n)
		for r := range rows {
			for i := from; i < to; i++ {
				dst[i*rows+r] = src[r*n+i]
			}
		}
	}
}

// The bounds of deviations and of scales, e^-0.3 and e^10.
const (
	leastDeviation = 1e-3
	mostDeviation  = 1e3
	leastEvening   = 0.7408182206817179
	mostEvening    = 22026.465794806718
)

// even finds the scales of rows and columns.
func (s *kvarnScratch) even(y kvarnTile, turns int) {
	s.row.reset(y.rows)
	s.col.reset(y.columns)
	n := max(y.columns, 2*y.rows)
	s.sum, s.power = growTo(s.sum, n), growTo(s.power, n)
	s.columnDeviations(y)
	s.rowDeviations(y)
	least := ratioOf(s.col.dev) + ratioOf(s.row.dev)
	for range turns {
		s.col.adjust()
		s.rowDeviations(y)
		s.row.adjust()
		s.columnDeviations(y)
		if r := ratioOf(s.col.dev) + ratioOf(s.row.dev); r <= least {
			least = r
			copy(s.row.best, s.row.scale)
			copy(s.col.best, s.col.scale)
		}
	}
}

// adjust multiplies scales by deviations, and sets these to what they become.
func (a *kvarnAxis) adjust() {
	for i, d := range a.dev {
		before := a.scale[i]
		a.scale[i] = min(max(before*min(max(d, leastDeviation), mostDeviation), leastEvening), mostEvening)
		a.inv[i] = 1 / a.scale[i]
		a.dev[i] = d * (before / a.scale[i])
	}
}

// ratioOf returns the largest deviation over the least.
func ratioOf(dev []float64) float64 { return slices.Max(dev) / max(slices.Min(dev), 1e-8) }

// deviation returns that of a sample of n with this sum and sum of squares.
func deviation(sum, power float64, n int) float64 {
	if n < 2 {
		return 0
	}
	return math.Sqrt(max(power-float64(sum*(sum/float64(n))), 0) / float64(n-1))
}

// columnDeviations measures the columns of the scaled tile.
func (s *kvarnScratch) columnDeviations(y kvarnTile) {
	sum, power := s.sum[:y.columns], s.power[:y.columns]
	clear(sum)
	clear(power)
	kern.ScaledSums(sum, power, s.tile, s.row.inv[:y.rows], 1, y.columns)
	for i, inv := range s.col.inv[:y.columns] {
		s.col.dev[i] = deviation(sum[i], power[i], y.rows) * inv
	}
}

// rowDeviations measures the rows of the scaled tile: those of even and of odd columns are summed apart.
func (s *kvarnScratch) rowDeviations(y kvarnTile) {
	n := y.rows
	sum, power := s.sum[:2*n], s.power[:2*n]
	clear(sum)
	clear(power)
	inv := s.col.inv[:y.columns]
	kern.ScaledSums(sum[:n], power[:n], s.across, inv, 2, n)
	if len(inv) > 1 {
		kern.ScaledSums(sum[n:], power[n:], s.across[n:], inv[1:], 2, n)
	}
	for r, own := range s.row.inv[:n] {
		s.row.dev[r] = deviation(sum[r]+sum[n+r], power[r]+power[n+r], y.columns) * own
	}
}

// quantise writes a tile. It returns false if a scale is beyond binary16.
func (s *kvarnScratch) quantise(dst []byte, y kvarnTile) bool {
	scales, zeros, others := dst, dst[2*y.rows:], dst[4*y.rows:]
	other := s.col.inv[:y.columns] // of the stored scales from here on
	for i, scale := range s.col.best {
		bits := kern.F32ToF16(float32(scale))
		binary.LittleEndian.PutUint16(others[2*i:], bits)
		other[i] = 1 / float64(kern.F16ToF32(bits))
	}
	s.codes = growTo(s.codes, y.rows*y.columns)
	steps := float32(int(1)<<y.bits - 1)
	for r := range y.rows {
		row := s.tile[r*y.columns : (r+1)*y.columns]
		low, high := float32(math.Inf(1)), float32(math.Inf(-1))
		for i, v := range row {
			x := float32(float64(v) * other[i])
			row[i] = x
			low, high = min(low, x), max(high, x)
		}
		zero := kern.F32ToF16(low)
		width := (high - low) / steps
		scale := kern.F32ToF16(width)
		if width > 0 {
			scale = max(scale, 1)
		}
		if zero&0x7fff >= 0x7c00 || scale >= 0x7c00 {
			return false
		}
		binary.LittleEndian.PutUint16(scales[2*r:], scale)
		binary.LittleEndian.PutUint16(zeros[2*r:], zero)
		nearestCodes(s.codes[r*y.columns:(r+1)*y.columns], row, kern.F16ToF32(zero), kern.F16ToF32(scale), steps)
	}
	quant.Pack(dst[y.scales():y.scales()+y.codes()], s.codes, y.bits)
	return true
}

// nearestCodes sets codes to (x - zero)/scale, rounded, ties to even, from 0 to steps.
func nearestCodes(codes []byte, row []float32, zero, scale, steps float32) {
	kern.RoundCodes(codes, row, zero, oneOver(scale), steps)
}

// restore fills the tile from what quantise wrote.
func (s *kvarnScratch) restore(src []byte, y kvarnTile) bool {
	scales, zeros, others := src, src[2*y.rows:], src[4*y.rows:]
	s.tile, s.codes = growTo(s.tile, y.rows*y.columns), growTo(s.codes, y.rows*y.columns)
	s.vals = growTo(s.vals, max(y.rows*y.columns, y.columns))
	quant.Unpack(s.codes, src[y.scales():y.scales()+y.codes()], y.bits)
	other := s.vals[:y.columns]
	for i := range other {
		bits := binary.LittleEndian.Uint16(others[2*i:])
		if bits >= 0x7c00 {
			return false
		}
		other[i] = kern.F16ToF32(bits)
	}
	for r := range y.rows {
		scale, zero := binary.LittleEndian.Uint16(scales[2*r:]), binary.LittleEndian.Uint16(zeros[2*r:])
		if scale >= 0x7c00 || zero&0x7fff >= 0x7c00 {
			return false
		}
		step, low := kern.F16ToF32(scale), kern.F16ToF32(zero)
		row, codes := s.tile[r*y.columns:][:len(other)], s.codes[r*y.columns:][:len(other)]
		for i, code := range codes {
			row[i] = (float32(float32(code)*step) + low) * other[i]
		}
	}
	return true
}

// store rotates the tile back into rows of dim channels.
func (s *kvarnScratch) store(dst []uint16, d kv.DType, dim int, turn *rotate.Hadamard, transpose bool) {
	vals := s.tile
	if transpose {
		vals = growTo(s.vals, len(dst))
		transposed(vals, s.tile, len(dst)/dim)
	}
	for at := 0; at < len(vals); at += dim {
		turn.Inverse(vals[at : at+dim])
	}
	d.NarrowSaturated(dst, vals)
}
