package compressors

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"kvgauge/compressors/internal/lowrank"
	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/internal/rotate"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// Fit implements Fitter.
func (c *oscar) Fit(caches []kv.Tensor) (Codec, error) {
	to := fittedToTensor(caches[0])
	state := to.append(nil)
	var w lowrank.Workspace
	for l := range to.layers {
		for _, side := range kv.Sides {
			for h := 0; h < to.heads && to.dims[side] > 0; h++ {
				moment, err := c.moment(caches, side, l, h)
				if err != nil {
					return nil, err
				}
				_, vectors := w.Symmetric(moment, to.dims[side])
				state = appendRotation(state, vectors, to.dims[side])
			}
		}
	}
	return c.WithState(state)
}

// moment returns the second moment to which a head's rotation is fitted.
func (c *oscar) moment(caches []kv.Tensor, side kv.Side, l, h int) ([]float64, error) {
	dim := caches[0].Dim(side)
	sum := make([]float64, dim*dim)
	row, wide := make([]float32, dim), make([]float64, dim)
	for _, t := range caches {
		queries, err := c.queries(t, l, h)
		if err != nil {
			return nil, err
		}
		if side == kv.K && queries != nil {
			for i, x := range queries {
				sum[i] += float64(float64(x) * float64(t.Tokens))
			}
			continue
		}
		for token := range t.Tokens {
			t.DType.Widen(row, t.Row(side, l, h, token))
			weight := 1.0
			if queries != nil {
				weight = attentionWeight(t, queries, l, h, token)
			}
			for i, x := range row {
				wide[i] = float64(x)
			}
			for i, x := range wide {
				kern.Axpy64(sum[i*dim:(i+1)*dim], wide, float64(weight*x))
			}
		}
	}
	return sum, nil
}

// queries returns E[qqᵀ] of a head's queries, or nil if the rotation is not fitted to them.
func (c *oscar) queries(t kv.Tensor, l, h int) ([]float32, error) {
	if c.Target == "cache" {
		return nil, nil
	}
	dim := t.KeyDim
	if dim == 0 || t.Meta == nil || t.Meta.Stats == nil || len(t.Meta.Stats.QQ) < t.Layers*t.Heads*dim*dim {
		return nil, fmt.Errorf("%w: a cache to fit on lacks its keys or E[qqᵀ], which target=attention wants",
			ErrUnsupported)
	}
	return t.Meta.Stats.QQ[(l*t.Heads+h)*dim*dim:][:dim*dim], nil
}

// attentionWeight returns kᵀ·E[qqᵀ]·k of a token, which is not negative.
func attentionWeight(t kv.Tensor, queries []float32, l, h, token int) float64 {
	key := t.Row(kv.K, l, h, token)
	sum := 0.0
	for i, a := range key {
		inner := 0.0
		for j, b := range key {
			inner += float64(float64(queries[i*len(key)+j]) * float64(t.DType.Float(b)))
		}
		sum += float64(inner * float64(t.DType.Float(a)))
	}
	return max(sum, 0)
}

// appendRotation appends U·H·P by rows, from the eigenvectors by rows.
func appendRotation(state []byte, vectors []float64, dim int) []byte {
	h := rotate.NewHadamard(dim, 0, false)
	block := dim & -dim
	row := make([]float32, dim)
	for i := range dim {
		for k := range dim {
			row[k%(dim/block)*block+k/(dim/block)] = float32(vectors[k*dim+i])
		}
		h.Forward(row)
		for j := range dim {
			from := j
			if block == dim {
				from = int(bits.Reverse32(uint32(j)) >> (32 - bits.Len32(uint32(dim-1))))
			}
			state = appendFloat(state, row[from])
		}
	}
	return state
}

// oscarRuns is what is left of the runs of a plane.
type oscarRuns struct{ scales, codes []byte }

// oscarRows is how many rows are rotated at a time.
const oscarRows = 64

// oscarScratch is the memory of one call.
type oscarScratch struct {
	rows, turned []float32
	codes        []byte
}

func (s *oscarScratch) room(n int) {
	s.rows, s.turned = growTo(s.rows, n), growTo(s.turned, n)
	s.codes = growTo(s.codes, n)
}

// compress writes rows of a plane. It returns false if a scale is beyond binary16.
func (s *oscarScratch) compress(c *oscar, out *oscarRuns, src []uint16, side kv.Side, plane int,
	d kv.DType) bool {
	dim := c.to.dims[side]
	turn := c.turn[side][plane*dim*dim : (plane+1)*dim*dim]
	for len(src) > 0 {
		n := min(len(src), oscarRows*dim)
		s.room(n)
		d.Widen(s.rows, src[:n])
		clear(s.turned)
		kern.AddProducts(s.turned[:n], s.rows[:n], turn, dim, dim)
		for at := 0; at < n; at += dim {
			if !s.row(c, out, s.turned[at:at+dim], c.clip(side)) {
				return false
			}
		}
		src = src[n:]
	}
	return true
}

// row writes one rotated row.
func (s *oscarScratch) row(c *oscar, out *oscarRuns, row []float32, clip float64) bool {
	s.clip(row, clip)
	codes := s.codes[:len(row)]
	steps := float32(int(1)<<c.Bits - 1)
	for at := 0; at < len(row); at += c.Group {
		group := row[at:min(at+c.Group, len(row))]
		low, high := kern.Range(group)
		width := (high - low) / steps
		zero, scale := kern.F32ToF16(low), kern.F32ToF16(width)
		if width > 0 {
			scale = max(scale, 1)
		}
		if !(width >= 0) || zero&0x7fff >= 0x7c00 || scale >= 0x7c00 { // width is NaN beyond float32
			return false
		}
		binary.LittleEndian.PutUint16(out.scales, scale)
		binary.LittleEndian.PutUint16(out.scales[2:], zero)
		out.scales = out.scales[4:]
		nearestCodes(codes[at:at+len(group)], group, kern.F16ToF32(zero), kern.F16ToF32(scale), steps)
	}
	n := quant.PackedBytes(len(row), c.Bits)
	quant.Pack(out.codes[:n], codes, c.Bits)
	out.codes = out.codes[n:]
	return true
}

// clip cuts a row to the magnitude at share of its magnitudes in increasing order.
func (s *oscarScratch) clip(row []float32, share float64) {
	at := int(share * float64(len(row)))
	if share == 0 || at >= len(row)-1 {
		return
	}
	kern.Clamp(row, kern.Largest(row, len(row)-at))
}

// decompress fills rows of a plane.
func (s *oscarScratch) decompress(c *oscar, in *oscarRuns, dst []uint16, side kv.Side, plane int,
	d kv.DType) bool {
	dim := c.to.dims[side]
	back := c.back[side][plane*dim*dim : (plane+1)*dim*dim]
	packed := quant.PackedBytes(dim, c.Bits)
	for len(dst) > 0 {
		n := min(len(dst), oscarRows*dim)
		s.room(n)
		for at := 0; at < n; at += dim {
			codes := s.codes[:dim]
			quant.Unpack(codes, in.codes[:packed], c.Bits)
			in.codes = in.codes[packed:]
			for g := 0; g < dim; g += c.Group {
				scale, zero := binary.LittleEndian.Uint16(in.scales), binary.LittleEndian.Uint16(in.scales[2:])
				in.scales = in.scales[4:]
				if scale >= 0x7c00 || zero&0x7fff >= 0x7c00 {
					return false
				}
				step, low := kern.F16ToF32(scale), kern.F16ToF32(zero)
				end := min(g+c.Group, dim)
				kern.AffineValues(s.turned[at+g:at+end], codes[g:end], step, low)
			}
		}
		clear(s.rows)
		kern.AddProducts(s.rows[:n], s.turned[:n], back, dim, dim)
		d.NarrowSaturated(dst[:n], s.rows)
		dst = dst[n:]
	}
	return true
}
