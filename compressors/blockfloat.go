package compressors

import (
	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// blockFloat carries the formats that cut rows along head_dim into blocks, each with an 8-bit
// scale and values of 4 or 8 bits: mxfp4, mxfp8, fp4_e2m1, nvfp4. It walks the tensor; what a
// block's bytes are is the format's.
//
// Payload: a float32 per (layer, side) for formats with a tensor scale, then all block scales,
// then all codes; keys then values, layer, head, token, block. Of two 4-bit codes the first is in
// the low half. A row that the block does not divide ends in a shorter block.
type blockFloat struct {
	block   int
	bits    int  // of a code: 4 or 8
	tensor  bool // one float32 scale per layer and side
	dynamic bool // and that not 1
	format  blockFormat
}

// A blockFormat is what the formats differ in.
type blockFormat interface {
	// tensorScale returns the layer's scale from its largest magnitude.
	tensorScale(amax float32) float32

	// compress sets codes to those of vals and returns the block's scale.
	compress(codes []byte, vals []float32, tensor float32) (scale byte)

	// factor returns what codes are multiplied by, and false for a scale that none writes.
	factor(scale byte, tensor float32) (float32, bool)

	// value returns the number of a code, and false for a code that none writes.
	value(code byte) (float32, bool)

	// kernel returns what does the same for many blocks, and the scales it is to make.
	kernel(tensor float32) (kern.Micro, kern.MicroScale)
}

// Capabilities implements Codec.
func (c *blockFloat) Capabilities() Capabilities {
	unit := "token"
	if c.tensor {
		unit = "layer"
	}
	return Capabilities{FixedRate: true, KeyOnly: true, Streaming: unit}
}

// blockFloatSizes are the bytes of the three runs of a payload.
type blockFloatSizes struct{ tensors, scales, codes int }

func (c *blockFloat) sizes(t kv.Tensor) blockFloatSizes {
	var s blockFloatSizes
	for _, side := range kv.Sides {
		rows := t.Layers * t.Heads * t.Tokens
		dim := t.Dim(side)
		if c.tensor && dim > 0 {
			s.tensors += 4 * t.Layers
		}
		s.scales += rows * ((dim + c.block - 1) / c.block)
		s.codes += rows * c.rowCodes(dim)
	}
	return s
}

// rowCodes is the number of bytes that hold the codes of one row.
func (c *blockFloat) rowCodes(dim int) int { return (dim*c.bits + 7) / 8 }

// PredictedBytes implements Sizer.
func (c *blockFloat) PredictedBytes(head kv.Tensor) int {
	s := c.sizes(head)
	return s.tensors + s.scales + s.codes
}

// AppendSections implements Sectioner.
func (c *blockFloat) AppendSections(dst []Section, head kv.Tensor, _ []byte) ([]Section, error) {
	s := c.sizes(head)
	return append(dst, Section{Scales, s.tensors + s.scales}, Section{Codes, s.codes}), nil
}

// AppendCompress implements Codec.
func (c *blockFloat) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	base, s := len(dst), c.sizes(src)
	dst = growBytes(dst, s.tensors+s.scales+s.codes)
	run := blockRun{tensors: dst[base:], scales: dst[base+s.tensors:], codes: dst[base+s.tensors+s.scales:]}
	if c.dynamic {
		run.next.begin(src, src.Heads)
	}
	w := rowPool.Get().(*rowScratch)
	defer rowPool.Put(w)
	for _, side := range kv.Sides {
		for l := range src.Layers {
			if src.Dim(side) > 0 && !c.compressLayer(&run, w, src, side, l) {
				return dst[:base], checkFinite(src)
			}
		}
	}
	return dst, nil
}

// blockRun is what is left of the three runs of a payload.
type blockRun struct {
	tensors, scales, codes []byte
	stream                 bool      // values are written around the caches
	next                   topSeeker // of the layer whose scale is to be found next
}

// skip moves on by what n blocks take.
func (r *blockRun) skip(scales, codes int) { r.scales, r.codes = r.scales[scales:], r.codes[codes:] }

// compressLayer returns false if a value is not finite.
func (c *blockFloat) compressLayer(run *blockRun, w *rowScratch, src kv.Tensor, side kv.Side, l int) bool {
	tensor := float32(1)
	if c.tensor {
		if c.dynamic {
			amax := src.DType.Float(run.next.finish())
			if amax-amax != 0 {
				return false
			}
			tensor = c.format.tensorScale(amax)
		}
		putFloat(run.tensors, tensor)
		run.tensors = run.tensors[4:]
	}
	for h := range src.Heads {
		if !c.compressPlane(run, w, src.DType, src.Plane(side, l, h), src.Dim(side), tensor) {
			return false
		}
	}
	return true
}

// rowOf returns dim, or the block if that divides dim: rows then lie as if each were a block.
func (c *blockFloat) rowOf(dim int) int {
	if dim%c.block == 0 {
		return c.block
	}
	return dim
}

func (c *blockFloat) compressPlane(run *blockRun, w *rowScratch, d kv.DType, plane []uint16, dim int,
	tensor float32) bool {
	dim = c.rowOf(dim)
	m, scale := c.format.kernel(tensor)
	for len(plane) > 0 {
		if dim == c.block {
			piece := plane[:min(len(plane), seekPiece)]
			top, n := m.Compress(d == kv.BF16, run.codes, run.scales, piece, run.next.ahead(len(piece)), scale)
			if !d.Finite(top) {
				return false
			}
			plane = plane[n*dim:]
			run.skip(n, n*c.rowCodes(dim))
			if n*dim == len(piece) {
				continue
			}
		}
		for i := 0; i < 8 && len(plane) > 0; i++ { // what is left, or has something special
			if !d.Finite(quant.AbsMax(plane[:dim])) {
				return false
			}
			c.compressRow(run, w, d, plane[:dim], tensor)
			plane = plane[dim:]
		}
	}
	return true
}

func (c *blockFloat) compressRow(run *blockRun, w *rowScratch, d kv.DType, row []uint16, tensor float32) {
	vals, codes := w.room(len(row))
	d.Widen(vals, row)
	n := 0
	for at := 0; at < len(row); at += c.block {
		end := min(at+c.block, len(row))
		run.scales[n] = c.format.compress(codes[at:end], vals[at:end], tensor)
		n++
	}
	run.skip(n, c.pack(run.codes, codes))
}

// pack writes the codes of a row and returns how many bytes they take.
func (c *blockFloat) pack(dst, codes []byte) int {
	if c.bits == 8 {
		return copy(dst, codes)
	}
	n := c.rowCodes(len(codes))
	for i := range n {
		b := codes[2*i]
		if 2*i+1 < len(codes) {
			b |= codes[2*i+1] << 4
		}
		dst[i] = b
	}
	return n
}

// Decompress implements Codec.
func (c *blockFloat) Decompress(dst kv.Tensor, src []byte) error {
	s := c.sizes(dst)
	if want := s.tensors + s.scales + s.codes; len(src) != want {
		return corrupt("%d bytes, want %d", len(src), want)
	}
	run := blockRun{tensors: src, scales: src[s.tensors:], codes: src[s.tensors+s.scales:],
		stream: dst.RawBytes() >= kern.StreamBytes}
	if run.stream {
		defer kern.StreamFence()
	}
	w := rowPool.Get().(*rowScratch)
	defer rowPool.Put(w)
	for _, side := range kv.Sides {
		if dst.Dim(side) == 0 {
			continue
		}
		for l := range dst.Layers {
			tensor := float32(1)
			if c.tensor {
				tensor = getFloat(run.tensors)
				run.tensors = run.tensors[4:]
				if tensor-tensor != 0 || tensor < 0 {
					return corrupt("tensor scale %v of %v, layer %d", tensor, side, l)
				}
			}
			for h := range dst.Heads {
				if !c.decompressPlane(&run, w, dst.DType, dst.Plane(side, l, h), dst.Dim(side), tensor) {
					return corrupt("scale or code of a block in %v, layer %d, head %d", side, l, h)
				}
			}
		}
	}
	return nil
}

// decompressPlane returns false for a scale or code that none writes.
func (c *blockFloat) decompressPlane(run *blockRun, w *rowScratch, d kv.DType, plane []uint16, dim int,
	tensor float32) bool {
	dim = c.rowOf(dim)
	m, _ := c.format.kernel(tensor)
	most, _ := c.format.value(c.largest())
	for len(plane) > 0 {
		if dim == c.block {
			n := m.Restore(d == kv.BF16, plane, run.codes, run.scales, tensor, d.Max()/most, run.stream)
			plane = plane[n*dim:]
			run.skip(n, n*c.rowCodes(dim))
		}
		for i := 0; i < 8 && len(plane) > 0; i++ {
			if !c.decompressRow(run, w, d, plane[:dim], tensor) {
				return false
			}
			plane = plane[dim:]
		}
	}
	return true
}

// largest is the code of the largest number.
func (c *blockFloat) largest() byte {
	if c.bits == 8 {
		return 0x7e
	}
	return 7
}

func (c *blockFloat) decompressRow(run *blockRun, w *rowScratch, d kv.DType, row []uint16, tensor float32) bool {
	dim := len(row)
	vals, _ := w.room(dim)
	n := 0
	for at := 0; at < dim; at += c.block {
		f, ok := c.format.factor(run.scales[n], tensor)
		if n++; !ok {
			return false
		}
		for i := at; i < min(at+c.block, dim); i++ {
			x, ok := c.format.value(c.code(run.codes, i))
			if !ok {
				return false
			}
			vals[i] = x * f
		}
	}
	run.skip(n, c.rowCodes(dim))
	d.NarrowSaturated(row, vals)
	return true
}

func (c *blockFloat) code(codes []byte, i int) byte {
	if c.bits == 8 {
		return codes[i]
	}
	return codes[i/2] >> (4 * (i % 2)) & 15
}
