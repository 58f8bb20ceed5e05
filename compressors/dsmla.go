package compressors

import (
	"encoding/binary"
	"fmt"
	"math"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/nprand"
	"kvgauge/internal/registry"
)

// dsMLA is the engines' formats for DeepSeek's latent attention (MLA), whose cache is one row of
// 512 + 64 channels a token and no values: a latent, and behind it a key that RoPE has turned.
//
//	fp8_ds_mla     656 bytes   512 E4M3 in four tiles of 128, each with a float32 scale
//	                           max(amax/448, 2^-126); the 64 in bfloat16
//	nvfp4_ds_mla   352 bytes   512 E2M1 in 32 blocks of 16, each with an E4M3 scale amax/6 and no
//	                           tensor scale; the 64 a plain cast to E4M3
//
// fp8_ds_mla is that of DeepSeek-V3.2 (FlashMLA, vLLM). nvfp4_ds_mla is that of FlashMLA's sparse
// decoding (its pull request 18, August 2026); other builds have records of 288, 368 and 432 bytes
// by the same name. That codes come from a division by the scale, and ties go to even, is taken
// from the formats' description; the kernels' rounding was not established.
//
// Departures: scales stand apart from codes here, in one run for all tokens; inside the run the
// order is the engines'. A cache in binary16 has its 64 channels rounded to bfloat16. Other head
// dimensions, more heads than one per layer aside, and values are refused.
type dsMLA struct{ rowWise }

const (
	latentDim = 512
	ropeDim   = 64
)

func init() {
	for _, f := range []struct {
		name, doc string
		format    rowFormat
	}{
		{"fp8_ds_mla", "DeepSeek's MLA latent in 656 bytes: E4M3 in tiles of 128, RoPE part bfloat16", fp8Latent{}},
		{"nvfp4_ds_mla", "DeepSeek's MLA latent in 352 bytes: NVFP4 blocks, RoPE part E4M3", nvfp4Latent{}},
	} {
		Register(registry.Family[Codec, struct{}]{
			Name: f.name, Doc: f.doc, Source: "FlashMLA and vLLM, 2025 and 2026", Tags: []string{"quantiser", "mla"},
			New: func(struct{}) (Codec, error) { return &dsMLA{rowWise{format: f.format}}, nil },
		})
	}
	latent := Source{Name: "white Gaussian latent, bf16, 512+64", Make: whiteLatent}
	for _, r := range []struct {
		name, when, layout string
		bytes, nmse, rope  float64
	}{
		{"fp8_ds_mla", "DeepSeek's latent cache in vLLM or FlashMLA", "FlashMLA, layout of its FP8 cache: " +
			"512 E4M3, 4 float32 and 64 bfloat16 a token", 656, 6.64e-4, 0},
		{"nvfp4_ds_mla", "DeepSeek's latent cache in FlashMLA's sparse decoding", "vllm-project/FlashMLA, " +
			"pull request 18: 512 E2M1, 64 and 32 E4M3 a token", 352, .00905, 7.0e-4},
	} {
		Certify(r.name, Certificate{
			Deviations: []string{
				"scales stand apart from codes, in one run for all tokens",
				"the RoPE part of a binary16 cache is rounded to bfloat16",
			},
			Anchors: []Anchor{
				{Source: latent, Measure: BytesPerTokenHead, Want: r.bytes, Basis: Published, From: r.layout},
				{Source: latent, Measure: latentNMSE(0, latentDim), Want: r.nmse, Within: .03 * r.nmse,
					Basis: Oracle, From: Independently},
				{Source: latent, Measure: latentNMSE(latentDim, latentDim+ropeDim), Want: r.rope,
					Within: .03 * r.rope, Basis: Oracle, From: Independently},
			},
			UseWhen: r.when,
		})
	}
}

// whiteLatent is White for these formats: 512 tokens of two layers.
func whiteLatent() kv.Tensor {
	t := kv.New(kv.Shape{Layers: 2, Heads: 1, Tokens: 512, KeyDim: latentDim + ropeDim}, kv.BF16)
	r := nprand.New(20260303)
	for i := range t.Bits[kv.K] {
		t.Bits[kv.K][i] = kv.BF16.Bits(float32(r.Normal()))
	}
	return t
}

// latentNMSE is the NMSE of some channels.
func latentNMSE(from, to int) Measure {
	return Measure{fmt.Sprintf("NMSE of channels %d to %d", from, to-1), func(p Pass) (float64, error) {
		var sse, power float64
		for i, bits := range p.Src.Bits[kv.K] {
			if c := i % p.Src.KeyDim; c < from || c >= to {
				continue
			}
			x := float64(p.Src.DType.Float(bits))
			e := float64(p.Got.DType.Float(p.Got.Bits[kv.K][i])) - x
			sse += float64(e * e)
			power += float64(x * x)
		}
		return sse / power, nil
	}}
}

// AppendCompress implements Codec.
func (c *dsMLA) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if err := checkLatent(src); err != nil {
		return dst, err
	}
	return c.rowWise.AppendCompress(dst, src)
}

// Decompress implements Codec.
func (c *dsMLA) Decompress(dst kv.Tensor, src []byte) error {
	if err := checkLatent(dst); err != nil {
		return corrupt("%v", err)
	}
	return c.rowWise.Decompress(dst, src)
}

func checkLatent(t kv.Tensor) error {
	if t.KeyDim != latentDim+ropeDim || t.ValueDim != 0 {
		return fmt.Errorf("%w: rows of %d and %d channels, want an MLA latent of %d + %d and no values",
			ErrUnsupported, t.KeyDim, t.ValueDim, latentDim, ropeDim)
	}
	return nil
}

type fp8Latent struct{}

const latentTile = 128

func (fp8Latent) rowBytes(kv.Side, int) (scales, codes int) {
	return 4 * latentDim / latentTile, latentDim + 2*ropeDim
}

func (fp8Latent) compressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	for at := 0; at < latentDim; at += latentTile {
		tile := w.vals[at : at+latentTile]
		s := max(quant.Largest(tile)/448, 0x1p-126)
		putFloat(scales[4*at/latentTile:], s)
		for i, x := range tile {
			codes[at+i] = quant.E4M3.Encode(x / s)
		}
	}
	for i, x := range w.vals[latentDim:] {
		binary.LittleEndian.PutUint16(codes[latentDim+2*i:], kv.BF16.Bits(x))
	}
	return true
}

func (fp8Latent) decompressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	ok := quant.E4M3.Valid(codes[:latentDim])
	for at := 0; at < latentDim; at += latentTile {
		s := getFloat(scales[4*at/latentTile:])
		ok = ok && positive(s)
		for i := range latentTile {
			w.vals[at+i] = quant.E4M3.Value(codes[at+i]) * s
		}
	}
	for i := range ropeDim {
		bits := binary.LittleEndian.Uint16(codes[latentDim+2*i:])
		ok = ok && bits&0x7f80 != 0x7f80
		w.vals[latentDim+i] = kv.BF16.Float(bits)
	}
	return ok
}

// compressRows implements manyRows.
func (f fp8Latent) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) int {
	ns, nc := f.rowBytes(kv.K, dim)
	n := 0
	for ; len(rows) >= dim; n++ {
		row := rows[:dim]
		top, tiles := kern.TilesE4M3(d == kv.BF16, codes, scales, row[:latentDim])
		if tiles < latentDim/latentTile || !d.Finite(top) || !writeRope(d, codes[latentDim:nc], row[latentDim:]) {
			break
		}
		rows, scales, codes = rows[dim:], scales[ns:], codes[nc:]
	}
	return n
}

// writeRope writes src as bfloat16, and returns false if one is not finite.
func writeRope(d kv.DType, dst []byte, src []uint16) bool {
	if d.FirstNonFinite(src) >= 0 {
		return false
	}
	if d == kv.BF16 {
		putBits(dst, src)
		return true
	}
	var vals [ropeDim]float32
	var bits [ropeDim]uint16
	d.Widen(vals[:], src)
	kv.BF16.NarrowSaturated(bits[:], vals[:]) // which cuts nothing
	putBits(dst, bits[:])
	return true
}

// decompressRows implements manyRows.
func (f fp8Latent) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) int {
	ns, nc := f.rowBytes(kv.K, dim)
	limit := math.Float32bits(d.Max() / quant.E4M3.Max)
	n := 0
	for ; len(rows) >= dim; n++ {
		row := rows[:dim]
		top, tiles := kern.E4M3.RestoreRows(d == kv.BF16, row[:latentDim], codes, scales, latentTile, limit)
		for i := range tiles {
			if !positive(getFloat(scales[4*i:])) {
				return n
			}
		}
		if top == 0x7f || tiles < latentDim/latentTile || !readRope(d, row[latentDim:], codes[latentDim:nc]) {
			break // not a number, or something else that the reference has to look at
		}
		rows, scales, codes = rows[dim:], scales[ns:], codes[nc:]
	}
	return n
}

// readRope sets dst from bfloat16, and returns false if one is not finite.
func readRope(d kv.DType, dst []uint16, src []byte) bool {
	var bits [ropeDim]uint16
	readBits(bits[:], src)
	if kv.BF16.FirstNonFinite(bits[:]) >= 0 {
		return false
	}
	if d == kv.BF16 {
		copy(dst, bits[:])
		return true
	}
	var vals [ropeDim]float32
	kv.BF16.Widen(vals[:], bits[:])
	d.NarrowSaturated(dst, vals[:])
	return true
}

type nvfp4Latent struct{}

const latentBlock = 16

func (nvfp4Latent) rowBytes(kv.Side, int) (scales, codes int) {
	return latentDim / latentBlock, latentDim/2 + ropeDim
}

func (nvfp4Latent) compressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	for at := 0; at < latentDim; at += latentBlock {
		block := w.vals[at : at+latentBlock]
		scale := quant.E4M3.Encode(quant.Largest(block) / quant.MaxE2M1)
		scales[at/latentBlock] = scale
		s := quant.E4M3.Value(scale)
		for i, x := range block {
			w.codes[at+i] = 0
			if s > 0 {
				w.codes[at+i] = quant.EncodeE2M1(min(max(x/s, -8), 8))
			}
		}
	}
	quant.Pack(codes[:latentDim/2], w.codes[:latentDim], 4)
	for i, x := range w.vals[latentDim:] {
		codes[latentDim/2+i] = quant.E4M3.Encode(x)
	}
	return true
}

func (nvfp4Latent) decompressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	rope := codes[latentDim/2:]
	quant.Unpack(w.codes[:latentDim], codes[:latentDim/2], 4)
	for i, c := range w.codes[:latentDim] {
		w.vals[i] = quant.ValueE2M1(c) * quant.E4M3.Value(scales[i/latentBlock])
	}
	for i, c := range rope {
		w.vals[latentDim+i] = quant.E4M3.Value(c)
	}
	ok := quant.E4M3.Valid(rope) && quant.E4M3.Valid(scales)
	for _, s := range scales {
		ok = ok && s < 0x80
	}
	return ok
}

// compressRows implements manyRows.
func (f nvfp4Latent) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) int {
	ns, nc := f.rowBytes(kv.K, dim)
	n := 0
	for ; len(rows) >= dim; n++ {
		row := rows[:dim]
		top, blocks := kern.BlocksE2M1(d == kv.BF16, codes, scales, row[:latentDim])
		if blocks < ns || !d.Finite(top) || !quant.E4M3.Cast(d, codes[latentDim/2:nc], row[latentDim:]) {
			break
		}
		rows, scales, codes = rows[dim:], scales[ns:], codes[nc:]
	}
	return n
}

// decompressRows implements manyRows.
func (f nvfp4Latent) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) int {
	ns, nc := f.rowBytes(kv.K, dim)
	n := 0
	for ; len(rows) >= dim && kern.Vectors(); n++ {
		row := rows[:dim]
		blocks := kern.NVFP4.Restore(d == kv.BF16, row[:latentDim], codes[:latentDim/2], scales[:ns], 1,
			d.Max()/quant.MaxE2M1, false)
		if blocks < ns || !quant.E4M3.Decode(d, row[latentDim:], codes[latentDim/2:nc], false) {
			break
		}
		rows, scales, codes = rows[dim:], scales[ns:], codes[nc:]
	}
	return n
}
