package compressors

import (
	"fmt"
	"sync"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/internal/rotate"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// ggmlRows is llama.cpp's types where rows become float32 first: iq4_nl, and every type with
// rot=true. The payload is the blocks, as ggml's is: keys then values; layer, head, token, channel.
//
// iq4_nl is the non-linear 4-bit type: blocks of 32, a binary16 d and 4-bit indices into sixteen
// fixed integers, byte i holding value i low and value i+16 high; bit for bit what
// quantize_row_iq4_nl_ref, with which caches are written, writes where its compiler fuses no
// products into sums. search=true is its quantize_iq4_nl, with which weights are: 6 % less squared
// error. As in llama.cpp a head dimension that 32 does not divide is refused.
//
// rot=true turns every row by a Hadamard matrix without signs before and back after, as llama.cpp
// does by default for quantised caches since April 2026 (its pull request 21038): keys by the
// largest power of two that divides the head dimension, values in runs of 64 channels; a head
// dimension that 64 does not divide stays as it is. The rotated values are float32, as they are
// there. Departure: the reading side turns keys and values back, where the engine turns queries
// and outputs instead.
type ggmlRows struct {
	rowWise
	blocks ggmlBlocks
}

// ggmlBlocks is a type's arithmetic on rows of one side.
type ggmlBlocks struct {
	block interface {
		CompressFloats(out []byte, x []float32) bool
		DecompressFloats(x []float32, in []byte) bool
	}
	bytes, scales int // of a block, and of its scale and minimum
	rot           bool
	side          kv.Side
}

// ggmlSides is ggmlBlocks of keys and of values.
type ggmlSides [2]ggmlBlocks

type ggmlParams struct {
	Rot bool `param:"rot" doc:"turn rows by a Hadamard matrix before, back after"`
}

type iq4nlParams struct {
	Rot    bool `param:"rot" doc:"turn rows by a Hadamard matrix before, back after"`
	Search bool `param:"search" doc:"look for the best scale, as llama.cpp does for weights, not caches"`
}

func init() {
	Register(registry.Family[Codec, iq4nlParams]{
		Name: "iq4_nl", Doc: "llama.cpp's non-linear 4-bit blocks of 32, 4.5 bits a value",
		Source: "llama.cpp, ggml-quants.c", Tags: []string{"quantiser"},
		Variants: []iq4nlParams{{Rot: true}, {Search: true}},
		New: func(p iq4nlParams) (Codec, error) {
			b := ggmlBlocks{block: quant.IQ4NL{Search: p.Search}, bytes: quant.IQ4NLBytes, scales: 2, rot: p.Rot}
			return newGGMLRows(b), nil
		},
	})
	Certify("iq4_nl", Certificate{
		Deviations: []string{rotDeviation},
		Anchors: OnWhite(Independently,
			WhiteRow{Spec: "iq4_nl", Bits: 4.5, NMSE: .00618},
			WhiteRow{Spec: "iq4_nl:search=true", Bits: 4.5, NMSE: .00582},
			WhiteRow{Spec: "iq4_nl:rot=true", Bits: 4.5, NMSE: .00618}, // turning white noise changes nothing
		),
		UseWhen: "llama.cpp reads the cache, and 4.5 bits should err least",
	})
}

func newGGMLRows(b ggmlBlocks) *ggmlRows {
	sides := ggmlSides{b, b}
	sides[kv.V].side = kv.V
	return &ggmlRows{rowWise{format: &sides}, b}
}

// AppendCompress implements Codec.
func (c *ggmlRows) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if err := checkBlocks(src); err != nil {
		return dst, err
	}
	return c.rowWise.AppendCompress(dst, src)
}

// Decompress implements Codec.
func (c *ggmlRows) Decompress(dst kv.Tensor, src []byte) error {
	if err := checkBlocks(dst); err != nil {
		return corrupt("%v", err)
	}
	return c.rowWise.Decompress(dst, src)
}

// AppendSections implements Sectioner. Scales and codes alternate: the sizes are totals.
func (c *ggmlRows) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	scales := (head.Elements(kv.K) + head.Elements(kv.V)) / quant.BlockSize * c.blocks.scales
	return append(dst, Section{Scales, scales}, Section{Codes, len(payload) - scales}), nil
}

// checkBlocks refuses head dimensions that a block does not divide.
func checkBlocks(t kv.Tensor) error {
	for _, side := range kv.Sides {
		if t.Dim(side)%quant.BlockSize != 0 {
			return fmt.Errorf("%w: head dimension %d of %v is not a multiple of the block of %d",
				ErrUnsupported, t.Dim(side), side, quant.BlockSize)
		}
	}
	return nil
}

func (s *ggmlSides) rowBytes(side kv.Side, dim int) (scales, codes int) {
	return s[side].rowBytes(side, dim)
}

func (s *ggmlSides) compressRow(w *rowScratch, side kv.Side, _, codes []byte) bool {
	return s[side].compressVals(w, len(w.vals), nil, codes)
}

func (s *ggmlSides) decompressRow(w *rowScratch, side kv.Side, _, codes []byte) bool {
	return s[side].decompressVals(w, len(w.vals), nil, codes)
}

// rowsOf implements sidedRows.
func (s *ggmlSides) rowsOf(side kv.Side) manyRows { return &s[side] }

func (b *ggmlBlocks) rowBytes(_ kv.Side, dim int) (scales, codes int) {
	return 0, dim / quant.BlockSize * b.bytes
}

// turn rotates rows of llama.cpp's cache in place; turning twice changes nothing.
func (b *ggmlBlocks) turn(vals []float32, dim int) {
	const unit = 64
	if !b.rot || dim%unit != 0 {
		return
	}
	run := dim & -dim
	if b.side == kv.V {
		run = unit
	}
	plainHadamard(run).Forward(vals)
}

func (b *ggmlBlocks) compressVals(w *rowScratch, dim int, _, codes []byte) bool {
	b.turn(w.vals, dim)
	return b.block.CompressFloats(codes, w.vals)
}

func (b *ggmlBlocks) decompressVals(w *rowScratch, dim int, _, codes []byte) bool {
	ok := b.block.DecompressFloats(w.vals, codes)
	b.turn(w.vals, dim)
	return ok
}

// compressRows implements manyRows.
func (b *ggmlBlocks) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) int {
	return compressTurned(b, d, dim, scales, codes, rows)
}

// decompressRows implements manyRows.
func (b *ggmlBlocks) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) int {
	if _, ok := b.block.(quant.IQ4NL); ok && !b.rot && kern.Vectors() {
		return kern.RestoreIQ4NL(d == kv.BF16, rows[:len(rows)/dim*dim], codes) / (dim / quant.BlockSize)
	}
	return decompressTurned(b, d, dim, rows, scales, codes)
}

// plainHadamards keeps one rotation without signs per dimension, because making one allocates.
var plainHadamards sync.Map // int to *rotate.Hadamard

func plainHadamard(dim int) rotate.Hadamard {
	if h, ok := plainHadamards.Load(dim); ok {
		return *h.(*rotate.Hadamard)
	}
	h := rotate.NewHadamard(dim, 0, false)
	plainHadamards.Store(dim, &h)
	return h
}
