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

// hadamard rotates every row along the head dimension by a randomised Hadamard matrix, so that no
// channel stands out, and quantises the result asymmetrically with one scale and minimum per token
// of a head: the cache quantiser of QuaRot (Ashkboos et al., arXiv 2404.00456, section 4.3). The
// receiver rotates back.
//
// The range is shrunk by clip on both sides first, as the paper's 0.95; values beyond saturate.
// Where the paper rotates by fused weights, here the rotation is part of the codec and of its
// time. A head dimension that is no power of two is rotated in blocks of its largest power-of-two
// divisor.
//
// On the way back the matrix, of ones, is applied to the codes, as integers, and the scale after it; the
// minimum comes back in the first channel of a block.
//
// Scales: scale and minimum, binary16. Codes: packed along the row, the first in the low bits.
// Bits per value: bits + 32/head_dim.
type hadamard struct {
	bits int
	clip float32
	seed uint64
}

type hadamardParams struct {
	Bits int     `param:"bits" doc:"width of a code, 2 to 8"`
	Clip float64 `param:"clip" doc:"share of the range that is kept, in (0, 1]"`
	Seed int     `param:"seed" doc:"of the rotation's signs"`
}

func init() {
	Register(registry.Family[Codec, hadamardParams]{
		Name: "hadamard", Doc: "Hadamard rotation, then integers per token: QuaRot's cache quantiser",
		Source: "Ashkboos et al., arXiv 2404.00456", Tags: []string{"quantiser"},
		Defaults: hadamardParams{Bits: 4, Clip: 0.95, Seed: 1},
		Variants: []hadamardParams{{Bits: 2, Clip: 0.95, Seed: 1}, {Bits: 3, Clip: 1, Seed: 2},
			{Bits: 8, Clip: 1, Seed: 1}},
		New: func(p hadamardParams) (Codec, error) {
			if p.Bits < 2 || p.Bits > 8 {
				return nil, fmt.Errorf("bits is %d, want 2 to 8", p.Bits)
			}
			if !(p.Clip > 0 && p.Clip <= 1) {
				return nil, fmt.Errorf("clip is %v, want more than 0, at most 1", p.Clip)
			}
			return &rowWise{format: hadamard{p.Bits, float32(p.Clip), uint64(p.Seed)}}, nil
		},
	})
	Certify("hadamard", Certificate{
		Deviations: []string{
			"the rotation is part of the codec and of its time, where the paper fuses it into weights",
			"head dimensions that are no power of two are rotated in blocks",
		},
		Anchors: OnWhite(Independently,
			WhiteRow{Spec: "hadamard", Bits: 4.25, NMSE: .00923},
			WhiteRow{Spec: "hadamard:bits=3", Bits: 3.25, NMSE: .0414},
			WhiteRow{Spec: "hadamard:bits=2", Bits: 2.25, NMSE: .225},
			WhiteRow{Spec: "hadamard:clip=1", Bits: 4.25, NMSE: .00995},
			WhiteRow{Spec: "hadamard:bits=3,clip=1", Bits: 3.25, NMSE: .0457},
			WhiteRow{Spec: "hadamard:bits=2,clip=1", Bits: 2.25, NMSE: .250},
		),
		Beyond: []Claim{{"WikiText-2 perplexity of LLaMA-2 with 4-bit caches (arXiv 2404.00456)",
			"LLaMA-2 with its weights rotated, on a GPU"}},
		UseWhen: "outlier channels hurt and neither a fit nor a window is wanted",
	})
}

func (h hadamard) rowBytes(_ kv.Side, dim int) (scales, codes int) {
	return 4, quant.PackedBytes(dim, h.bits)
}

func (h hadamard) rotation(dim int) rotate.Hadamard { return rotations.get(dim, h.seed) }

func (h hadamard) compressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	h.rotation(len(w.vals)).Forward(w.vals)
	lo, hi := w.vals[0], w.vals[0]
	for _, x := range w.vals {
		lo, hi = min(lo, x), max(hi, x)
	}
	s, m, ok := affineF16(scales, float32(lo*h.clip), float32(hi*h.clip), h.bits)
	if !ok {
		return false
	}
	if s == 0 {
		clear(codes)
		return true
	}
	inv, top := 1/s, float32(int(1)<<h.bits-1)
	for i, x := range w.vals {
		w.codes[i] = byte(quant.Nearest(min(max(float32((x-m)*inv), 0), top)))
	}
	quant.Pack(codes, w.codes, h.bits)
	return true
}

func (h hadamard) decompressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	s, m, ok := affineOf(scales)
	if ok {
		quant.Unpack(w.codes, codes, h.bits)
		h.rotation(len(w.vals)).InverseCodes(w.vals, w.codes, s, m)
	}
	return ok
}

func (h hadamard) matrix(dim int) rotate.Matrix {
	r := h.rotation(dim)
	return r.Matrix()
}

// hadamardRoom is memory for rotated rows: kernels take some while those before become codes, for
// which a processor has time as it waits for their scales.
type hadamardRoom struct {
	vals [2][]float32
	ends [2]kern.Ends
}

var hadamardRooms = sync.Pool{New: func() any { return new(hadamardRoom) }}

// compressRows implements manyRows.
func (h hadamard) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) (n int) {
	turn, bf16 := h.matrix(dim), d == kv.BF16
	size, perBatch := kern.RowsAtOnce*dim, kern.RowsAtOnce*quant.PackedBytes(dim, h.bits)
	grid := kern.RowGrid{Bits: h.bits, Factor: turn.Factor, Clip: h.clip}
	w := hadamardRooms.Get().(*hadamardRoom)
	defer hadamardRooms.Put(w)
	for i := 0; ; i++ {
		now, before := i&1, i&1^1
		w.vals[now] = growTo(w.vals[now], size)
		vals, ends, more := w.vals[now], &w.ends[now], len(rows) >= size
		switch {
		case i > 0 && more:
			more = grid.WidenAndQuantize(bf16, turn.Block, vals, rows, turn.Flips, ends, codes,
				w.vals[before][:size], &w.ends[before])
			codes = codes[perBatch:]
		case i > 0:
			grid.QuantizeRows(bf16, codes, w.vals[before][:size], &w.ends[before])
		case more:
			more = kern.WidenHadamard(bf16, turn.Block, vals, rows, turn.Flips, ends)
		}
		if !more || !grid.Fit(scales, ends) {
			return i * kern.RowsAtOnce
		}
		rows, scales = rows[size:], scales[4*kern.RowsAtOnce:]
	}
}

// decompressRows implements manyRows.
func (h hadamard) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) (n int) {
	turn := h.matrix(dim)
	size, perRow := kern.RowsAtOnce*dim, quant.PackedBytes(dim, h.bits)
	limit := d.Max() / 16 // more than the root of a block, by which a value may grow
	for ; len(rows) >= size && kern.RotateCodesBack(d == kv.BF16, h.bits, turn.Block, rows, codes[n*perRow:],
		scales[4*n:], turn.Back, limit); rows = rows[size:] {
		n += kern.RowsAtOnce
	}
	return n
}

// affineF16 writes the binary16 scale and minimum of a range cut into 2^bits levels, and returns
// them as they are read back. A scale that would underflow is the smallest subnormal; one beyond
// binary16 is not ok.
func affineF16(dst []byte, lo, hi float32, bits int) (scale, minimum float32, ok bool) {
	top := float32(int(1)<<bits - 1)
	s16, m16 := kern.F32ToF16((hi-lo)/top), kern.F32ToF16(lo)
	if s16 == 0 && hi > lo {
		s16 = 1
	}
	dst[0], dst[1], dst[2], dst[3] = byte(s16), byte(s16>>8), byte(m16), byte(m16>>8)
	return kern.F16ToF32(s16), kern.F16ToF32(m16), s16 < 0x7c00 && m16&0x7c00 != 0x7c00
}

// affineOf returns a binary16 scale and minimum, and whether they can be such.
func affineOf(scales []byte) (scale, minimum float32, ok bool) {
	s16 := uint16(scales[0]) | uint16(scales[1])<<8
	m16 := uint16(scales[2]) | uint16(scales[3])<<8
	return kern.F16ToF32(s16), kern.F16ToF32(m16), s16 < 0x7c00 && m16&0x7c00 != 0x7c00
}

// unpackAffineF16 sets w.vals to code·scale + minimum.
func unpackAffineF16(w *rowScratch, scales, codes []byte, bits int) bool {
	s, m, ok := affineOf(scales)
	if !ok {
		return false
	}
	quant.Unpack(w.codes, codes, bits)
	for i, c := range w.codes {
		w.vals[i] = float32(float32(c)*s) + m
	}
	return true
}
