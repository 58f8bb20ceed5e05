package compressors

import (
	"fmt"
	"slices"

	"kvgauge/compressors/kv"
)

// blockFloat carries the formats that cut rows along head_dim into blocks, each with an 8-bit
// scale and values of 4 or 8 bits: mxfp4, mxfp8, fp4_e2m1, nvfp4. It walks the tensor; what a
// block's bytes are is the format's.
//
// Payload: a float32 per (layer, side) for formats with a tensor scale, then all block scales,
// then all codes; keys then values, layer, head, token, block. Of two 4-bit codes the first is in
// the low half. A row that the block does not divide ends in a shorter block.
type blockFloat struct {
	block  int
	bits   int  // of a code: 4 or 8
	tensor bool // one float32 scale per layer and side
	format blockFormat
}

// A blockFormat is what the formats differ in.
type blockFormat interface {
	// tensorScale returns the layer's scale from its largest magnitude.
	tensorScale(amax float32) float32

	// compress sets codes to those of vals and returns the block's scale.
	compress(codes []byte, vals []float32, tensor float32) (scale byte, ok bool)

	// factor returns what codes are multiplied by, and false for a scale that none writes.
	factor(scale byte, tensor float32) (float32, bool)

	// value returns the number of a code, and false for a code that none writes.
	value(code byte) (float32, bool)
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
	if err := checkFinite(src); err != nil {
		return dst, err
	}
	base, s := len(dst), c.sizes(src)
	dst = slices.Grow(dst, s.tensors+s.scales+s.codes)[:base+s.tensors+s.scales+s.codes]
	clear(dst[base:])
	run := blockRun{tensors: dst[base:], scales: dst[base+s.tensors:], codes: dst[base+s.tensors+s.scales:]}
	w := rowPool.Get().(*rowScratch)
	defer rowPool.Put(w)
	for _, side := range kv.Sides {
		if src.Dim(side) == 0 {
			continue
		}
		for l := range src.Layers {
			if err := c.compressLayer(&run, w, src, side, l); err != nil {
				return dst[:base], err
			}
		}
	}
	return dst, nil
}

// blockRun is what is left of the three runs of a payload.
type blockRun struct{ tensors, scales, codes []byte }

func (c *blockFloat) compressLayer(run *blockRun, w *rowScratch, src kv.Tensor, side kv.Side,
	l int) error {
	tensor := float32(1)
	if c.tensor {
		tensor = c.format.tensorScale(layerMax(src, side, l))
		putFloat(run.tensors, tensor)
		run.tensors = run.tensors[4:]
	}
	dim := src.Dim(side)
	vals, codes := w.room(dim)
	for h := range src.Heads {
		for t := range src.Tokens {
			src.DType.Widen(vals, src.Row(side, l, h, t))
			for at := 0; at < dim; at += c.block {
				end := min(at+c.block, dim)
				scale, ok := c.format.compress(codes[at:end], vals[at:end], tensor)
				if !ok {
					return fmt.Errorf("%w: a block scale beyond its type, in %v, layer %d, head %d, token %d",
						ErrNonFinite, side, l, h, t)
				}
				run.scales[0] = scale
				run.scales = run.scales[1:]
			}
			run.codes = run.codes[c.pack(run.codes, codes):]
		}
	}
	return nil
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
	run := blockRun{tensors: src, scales: src[s.tensors:], codes: src[s.tensors+s.scales:]}
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
			if err := c.decompressLayer(&run, w, dst, side, l, tensor); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *blockFloat) decompressLayer(run *blockRun, w *rowScratch, dst kv.Tensor, side kv.Side,
	l int, tensor float32) error {
	dim := dst.Dim(side)
	vals, _ := w.room(dim)
	for h := range dst.Heads {
		for t := range dst.Tokens {
			for at := 0; at < dim; at += c.block {
				f, ok := c.format.factor(run.scales[0], tensor)
				run.scales = run.scales[1:]
				if !ok {
					return corrupt("block scale in %v, layer %d, head %d, token %d", side, l, h, t)
				}
				for i := at; i < min(at+c.block, dim); i++ {
					x, ok := c.format.value(c.code(run.codes, i))
					if !ok {
						return corrupt("code in %v, layer %d, head %d, token %d", side, l, h, t)
					}
					vals[i] = x * f
				}
			}
			run.codes = run.codes[c.rowCodes(dim):]
			dst.DType.NarrowSaturated(dst.Row(side, l, h, t), vals)
		}
	}
	return nil
}

func (c *blockFloat) code(codes []byte, i int) byte {
	if c.bits == 8 {
		return codes[i]
	}
	return codes[i/2] >> (4 * (i % 2)) & 15
}
