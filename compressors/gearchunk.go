package compressors

import (
	"encoding/binary"
	"math"
	"slices"

	"kvgauge/compressors/internal/lowrank"
	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// gearScratch is room for one chunk.
type gearScratch struct {
	vals        []float32 // X, then the residual; or what is decoded
	codes       []byte
	apart       []int32 // places of S
	lo, hi, inv []float32
	spread      []float32 // lo, hi and inv for every value of a row
	keys, outer []uint64
	left, right []float64
	halves      []float32 // the factors as they are read back
	work        lowrank.Workspace
}

// cut returns the runs of a chunk's bytes.
func (y *gearLayout) cut(b []byte, bits int) (scales, codes, values, indices, factors []byte) {
	s := y.sizes(bits)
	scales, b = b[:s.scales], b[s.scales:]
	codes, b = b[:s.codes], b[s.codes:]
	values, b = b[:s.values], b[s.values:]
	return scales, codes, values, b[:s.indices], b[s.indices:]
}

// place returns where entry i of a vector stands in the plane.
func (y *gearLayout) place(vector, i int) int {
	if y.channels {
		return i*y.dim + vector
	}
	return vector*y.dim + i
}

func (w *gearScratch) compress(out []byte, y *gearLayout, p gearParams, d kv.DType, plane []uint16) bool {
	scales, codes, values, indices, factors := y.cut(out, p.Bits)
	w.vals = growTo(w.vals, len(plane))
	d.Widen(w.vals, plane)
	w.setApart(values, indices, y, plane)
	if !w.ranges(scales, y, p) {
		return false
	}
	w.quantise(codes, y, p)
	return w.factor(factors, y)
}

// setApart writes the outliers of every vector: the smallest, then the largest, by rank and where
// they are equal by index. In w.vals NaN takes their places.
func (w *gearScratch) setApart(values, indices []byte, y *gearLayout, plane []uint16) {
	w.apart = w.apart[:0]
	if y.apart == 0 {
		return
	}
	w.keys = growTo(w.keys, len(plane)/y.vectors)
	for v := range y.vectors {
		for i := range w.keys {
			b := math.Float32bits(w.vals[y.place(v, i)])
			b ^= uint32(int32(b)>>31) | 1<<31 // in the order of the numbers
			w.keys[i] = uint64(b)<<32 | uint64(i)
		}
		for _, key := range w.outermost(y.apart) {
			at := y.place(v, int(uint32(key)))
			w.apart = append(w.apart, int32(at))
			binary.LittleEndian.PutUint16(values, plane[at])
			binary.LittleEndian.PutUint16(indices, uint16(key))
			values, indices = values[2:], indices[2:]
		}
	}
	for _, at := range w.apart {
		w.vals[at] = float32(math.NaN())
	}
}

// outermost returns the n smallest and the n largest of w.keys, in order. Most of few are found by
// comparing with the n-th so far.
func (w *gearScratch) outermost(n int) []uint64 {
	w.outer = growTo(w.outer, 2*n)
	low, high := w.outer[:n], w.outer[n:]
	if n > 64 || len(w.keys) < 4*n {
		slices.Sort(w.keys)
		copy(low, w.keys)
		copy(high, w.keys[len(w.keys)-n:])
		return w.outer
	}
	copy(low, w.keys)
	slices.Sort(low)
	copy(high, w.keys[n:])
	slices.Sort(high)
	for _, key := range w.keys[n:] {
		if key >= low[n-1] {
			continue
		}
		i := n - 1
		for ; i > 0 && low[i-1] > key; i-- {
			low[i] = low[i-1]
		}
		low[i] = key
	}
	for at, key := range w.keys {
		if key <= high[0] || at >= n && at < 2*n {
			continue
		}
		i := 0
		for ; i+1 < n && high[i+1] < key; i++ {
			high[i] = high[i+1]
		}
		high[i] = key
	}
	return w.outer
}

// A gearGrid is the scales and minima of a row's values, one for each.
type gearGrid struct{ scale, low, inv []float32 }

// grid returns that of row i. Where groups lie across rows it is as it is stored; otherwise it is
// spread out.
func (w *gearScratch) grid(i int, y *gearLayout, group int) gearGrid {
	if y.channels {
		g := i / group * y.dim
		return gearGrid{w.hi[g : g+y.dim], w.lo[g : g+y.dim], w.inv[g : g+y.dim]}
	}
	w.spread = growTo(w.spread, 3*y.dim)
	r := gearGrid{w.spread[:y.dim], w.spread[y.dim : 2*y.dim], w.spread[2*y.dim:]}
	for g, c := i*ceilDiv(y.dim, group), 0; c < y.dim; g, c = g+1, c+group {
		for k := c; k < min(c+group, y.dim); k++ {
			r.scale[k], r.low[k], r.inv[k] = w.hi[g], w.lo[g], w.inv[g]
		}
	}
	return r
}

// ranges writes the scale and minimum of every group, and leaves them in w.hi and w.lo.
func (w *gearScratch) ranges(scales []byte, y *gearLayout, p gearParams) bool {
	w.roomForGroups(y.groups)
	for g := range w.lo {
		w.lo[g], w.hi[g] = math.MaxFloat32, -math.MaxFloat32
	}
	for i := range y.rows {
		row := w.vals[i*y.dim : (i+1)*y.dim]
		if y.channels {
			g := i / p.Group * y.dim
			lo, hi := w.lo[g:g+len(row)], w.hi[g:g+len(row)]
			for c, x := range row {
				if x == x {
					lo[c], hi[c] = min(lo[c], x), max(hi[c], x)
				}
			}
			continue
		}
		for g, c := i*ceilDiv(y.dim, p.Group), 0; c < y.dim; g, c = g+1, c+p.Group {
			for _, x := range row[c:min(c+p.Group, y.dim)] {
				if x == x {
					w.lo[g], w.hi[g] = min(w.lo[g], x), max(w.hi[g], x)
				}
			}
		}
	}
	for g := range w.lo {
		if w.lo[g] > w.hi[g] { // nothing is left
			w.lo[g], w.hi[g] = 0, 0
		}
		s, m, ok := affineF16(scales[4*g:], w.lo[g], w.hi[g], p.Bits)
		if !ok {
			return false
		}
		w.hi[g], w.lo[g], w.inv[g] = s, m, oneOver(s)
	}
	return true
}

func (w *gearScratch) roomForGroups(n int) {
	w.lo, w.hi, w.inv = growTo(w.lo, n), growTo(w.hi, n), growTo(w.inv, n)
}

// quantise writes the codes and leaves the residual in w.vals.
func (w *gearScratch) quantise(codes []byte, y *gearLayout, p gearParams) {
	w.codes = growTo(w.codes, len(w.vals))
	top := float32(int(1)<<p.Bits - 1)
	for i := range y.rows {
		row, out := w.vals[i*y.dim:(i+1)*y.dim], w.codes[i*y.dim:(i+1)*y.dim]
		g := w.grid(i, y, p.Group)
		scale, low, inv := g.scale[:len(row)], g.low[:len(row)], g.inv[:len(row)]
		for c, x := range row {
			t := float32((x - low[c]) * inv[c])
			code := byte(quant.Nearest(min(max(t, 0), top)))
			out[c] = code
			row[c] = x - (float32(float32(code)*scale[c]) + low[c])
		}
	}
	for _, at := range w.apart {
		w.codes[at], w.vals[at] = 0, 0
	}
	quant.Pack(codes, w.codes, p.Bits)
}

// factor writes the residual's factors.
func (w *gearScratch) factor(out []byte, y *gearLayout) bool {
	if y.rank == 0 {
		return true
	}
	w.left, w.right = growTo(w.left, y.rows*y.rank), growTo(w.right, y.rank*y.dim)
	w.work.Top(w.vals, y.rows, y.dim, y.rank, w.left, w.right)
	for k := range y.rank {
		w.settleSign(k, y)
	}
	return putHalves(out, w.left) && putHalves(out[2*len(w.left):], w.right)
}

// settleSign makes the first of the largest entries of right vector k, as binary16 has them,
// positive: which of two opposite vectors a decomposition finds may hang on the last bit of an
// eigenvalue.
func (w *gearScratch) settleSign(k int, y *gearLayout) {
	right := w.right[k*y.dim : (k+1)*y.dim]
	best, negative := uint16(0), false
	for _, x := range right {
		if h := kern.F32ToF16(float32(x)); h&0x7fff > best {
			best, negative = h&0x7fff, h&0x8000 != 0
		}
	}
	if !negative {
		return
	}
	for i := range right {
		right[i] = -right[i]
	}
	for i := k; i < len(w.left); i += y.rank {
		w.left[i] = -w.left[i]
	}
}

// putHalves writes numbers as binary16, and returns false for one beyond that.
func putHalves(out []byte, x []float64) bool {
	for i, v := range x {
		h := kern.F32ToF16(float32(v))
		if h&0x7c00 == 0x7c00 {
			return false
		}
		binary.LittleEndian.PutUint16(out[2*i:], h)
	}
	return true
}

func (w *gearScratch) decompress(plane []uint16, in []byte, y *gearLayout, p gearParams, d kv.DType) bool {
	scales, codes, values, indices, factors := y.cut(in, p.Bits)
	w.vals, w.codes = growTo(w.vals, len(plane)), growTo(w.codes, len(plane))
	w.roomForGroups(y.groups)
	for g := range w.lo {
		s, ok1 := getNorm(scales[4*g:])
		m, ok2 := getHalf(scales[4*g+2:])
		if !ok1 || !ok2 {
			return false
		}
		w.hi[g], w.lo[g] = s, m
	}
	quant.Unpack(w.codes, codes, p.Bits)
	for i := range y.rows {
		g := w.grid(i, y, p.Group)
		kern.RestoreColumns(w.vals[i*y.dim:(i+1)*y.dim], w.codes[i*y.dim:(i+1)*y.dim], g.scale, g.low)
	}
	if !w.addFactors(factors, y) {
		return false
	}
	d.NarrowSaturated(plane, w.vals)
	return y.putBack(plane, values, indices, d)
}

// addFactors adds L to w.vals.
func (w *gearScratch) addFactors(in []byte, y *gearLayout) bool {
	w.halves = growTo(w.halves, y.rank*(y.rows+y.dim))
	for i := range w.halves {
		x, ok := getHalf(in[2*i:])
		if !ok {
			return false
		}
		w.halves[i] = x
	}
	right := w.halves[y.rows*y.rank:]
	kern.AddProducts(w.vals, w.halves[:y.rows*y.rank], right, y.rank, y.dim)
	return true
}

// putBack writes the outliers over what was decoded in their places.
func (y *gearLayout) putBack(plane []uint16, values, indices []byte, d kv.DType) bool {
	for n := range len(values) / 2 {
		v, i := n/(2*y.apart), int(binary.LittleEndian.Uint16(indices[2*n:]))
		if i >= len(plane)/y.vectors {
			return false
		}
		plane[y.place(v, i)] = binary.LittleEndian.Uint16(values[2*n:])
	}
	return true
}
