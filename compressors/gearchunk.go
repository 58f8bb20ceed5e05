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
	apart       []bool // entries of S
	lo, hi      []float32
	keys        []uint64
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

// groupOf returns the group of channel c of row i.
func (y *gearLayout) groupOf(i, c, group int) int {
	if y.channels {
		return i/group*y.dim + c
	}
	return i*ceilDiv(y.dim, group) + c/group
}

func (w *gearScratch) compress(out []byte, y *gearLayout, p gearParams, d kv.DType, plane []uint16) bool {
	scales, codes, values, indices, factors := y.cut(out, p.Bits)
	w.vals = growTo(w.vals, len(plane))
	d.Widen(w.vals, plane)
	w.apart = growTo(w.apart, len(plane))
	clear(w.apart)
	w.setApart(values, indices, y, plane)
	if !w.ranges(scales, y, p) {
		return false
	}
	w.quantise(codes, y, p)
	return w.factor(factors, y)
}

// setApart writes the outliers of every vector: the smallest, then the largest, by rank and where
// they are equal by index.
func (w *gearScratch) setApart(values, indices []byte, y *gearLayout, plane []uint16) {
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
		slices.Sort(w.keys)
		for n := range 2 * y.apart {
			key := w.keys[n]
			if n >= y.apart {
				key = w.keys[len(w.keys)-2*y.apart+n]
			}
			at := y.place(v, int(uint32(key)))
			w.apart[at] = true
			binary.LittleEndian.PutUint16(values, plane[at])
			binary.LittleEndian.PutUint16(indices, uint16(key))
			values, indices = values[2:], indices[2:]
		}
	}
}

// ranges writes the scale and minimum of every group, and leaves them in w.hi and w.lo.
func (w *gearScratch) ranges(scales []byte, y *gearLayout, p gearParams) bool {
	w.lo, w.hi = growTo(w.lo, y.groups), growTo(w.hi, y.groups)
	for g := range w.lo {
		w.lo[g], w.hi[g] = math.MaxFloat32, -math.MaxFloat32
	}
	for i := range y.rows {
		for c := range y.dim {
			if at := i*y.dim + c; !w.apart[at] {
				g, x := y.groupOf(i, c, p.Group), w.vals[at]
				w.lo[g], w.hi[g] = min(w.lo[g], x), max(w.hi[g], x)
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
		w.hi[g], w.lo[g] = s, m
	}
	return true
}

// quantise writes the codes and leaves the residual in w.vals.
func (w *gearScratch) quantise(codes []byte, y *gearLayout, p gearParams) {
	w.codes = growTo(w.codes, len(w.vals))
	top := float32(int(1)<<p.Bits - 1)
	for i := range y.rows {
		for c := range y.dim {
			at := i*y.dim + c
			w.codes[at] = 0
			if w.apart[at] {
				w.vals[at] = 0
				continue
			}
			g := y.groupOf(i, c, p.Group)
			if s := w.hi[g]; s > 0 {
				t := float32((w.vals[at] - w.lo[g]) * (1 / s))
				w.codes[at] = byte(quant.Nearest(min(max(t, 0), top)))
			}
			w.vals[at] -= float32(float32(w.codes[at])*w.hi[g]) + w.lo[g]
		}
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
	w.lo, w.hi = growTo(w.lo, y.groups), growTo(w.hi, y.groups)
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
		for c := range y.dim {
			at, g := i*y.dim+c, y.groupOf(i, c, p.Group)
			w.vals[at] = float32(float32(w.codes[at])*w.hi[g]) + w.lo[g]
		}
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
	for i := range y.rows {
		row := w.vals[i*y.dim : (i+1)*y.dim]
		for k, a := range w.halves[i*y.rank : (i+1)*y.rank] {
			for c, b := range right[k*y.dim : (k+1)*y.dim] {
				row[c] += float32(a * b)
			}
		}
	}
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
