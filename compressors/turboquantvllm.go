package compressors

import (
	"fmt"
	"slices"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// turboQuantVLLM is what vLLM releases as turboquant_PRESET (its pull request 38479), after
// TurboQuant (arXiv 2504.19874) but not as the paper has it: one plain Hadamard matrix turns the
// keys of all layers, values are not turned, and nothing estimates inner products without bias.
//
//	preset     keys                              values   bytes, K and V of 128 channels
//	k8v4       E4M3, a plain cast                4 bits   196
//	4bit_nc    4 bits, Lloyd–Max, norm correction   4 bits   134
//	k3v4_nc    3 bits, the same                  4 bits   118
//	3bit_nc    3 bits, the same                  3 bits   102
//
// Keys: the length in binary16, then the Lloyd–Max code of each coordinate of the turned unit
// vector; norm correction scales what is decoded to that length. Values: per token a binary16
// scale and minimum, and codes ⌊(x−min)/s + 0.5⌋ with s before it is rounded. The first and last
// raw layers stay in 16 bits: two each in the engine, except in hybrid models.
//
// Departures: codes stand in our order (packed along the row, the first in the low bits), scales
// apart from them; a head dimension that is no power of two is turned in blocks of its largest
// power-of-two divisor. That the engine floors s at 1e-8 and adds lengths up in another order
// was not established.
type turboQuantVLLM struct {
	keyBits, valueBits int // keyBits 8 is E4M3
	book               quant.CodeBook
}

type turboQuantVLLMParams struct {
	Preset string `param:"preset" doc:"k8v4, 4bit_nc, k3v4_nc or 3bit_nc"`
	Raw    int    `param:"raw" doc:"how many first and how many last layers stay raw"`
}

func init() {
	Register(registry.Family[Codec, turboQuantVLLMParams]{
		Name: "turboquant_vllm", Doc: "vLLM's TurboQuant presets: turned keys by code book, values by range",
		Source: "vLLM, turboquant_* cache types, 2026", Tags: []string{"quantiser"},
		Defaults: turboQuantVLLMParams{"4bit_nc", 2},
		Variants: []turboQuantVLLMParams{{"k8v4", 0}, {"4bit_nc", 0}, {"k3v4_nc", 0}, {"3bit_nc", 0}},
		New:      newTurboQuantVLLM,
	})
	preset := func(name string, bytes, keys, values float64) []Anchor {
		spec := "turboquant_vllm:preset=" + name + ",raw=0"
		if name == "4bit_nc" { // the default
			spec = "turboquant_vllm:raw=0"
		}
		return append([]Anchor{{Spec: spec, Measure: BytesPerTokenHead, Want: bytes, Basis: Rate,
			From: "vLLM pull request 38479: bytes of 128 channels of keys and values"}},
			OnWhite(Independently, WhiteRow{Spec: spec, Bits: bytes / 32, Keys: keys, Values: values})[1:]...)
	}
	Certify("turboquant_vllm", Certificate{
		Deviations: []string{
			"it is vLLM's and departs from TurboQuant as vLLM does: one plain Hadamard matrix, values not " +
				"turned, nothing unbiased",
			"scales stand apart from codes, and codes in our order",
			"head dimensions that are no power of two are turned in blocks",
		},
		Anchors: slices.Concat(preset("4bit_nc", 134, .00921, .00994), preset("k8v4", 196, 7.0e-4, .00994),
			preset("k3v4_nc", 118, .0339, .00994), preset("3bit_nc", 102, .0339, .0457)),
		Beyond: []Claim{{"GSM8K of Qwen3-4B .900 → .860, .840, .780, .720 by preset (vLLM pull request 38479)",
			"Qwen3-4B on a GPU"}},
		UseWhen: "vLLM holds this type",
	})
}

func newTurboQuantVLLM(p turboQuantVLLMParams) (Codec, error) {
	bits, ok := map[string]turboQuantVLLM{
		"k8v4": {keyBits: 8, valueBits: 4}, "4bit_nc": {keyBits: 4, valueBits: 4},
		"k3v4_nc": {keyBits: 3, valueBits: 4}, "3bit_nc": {keyBits: 3, valueBits: 3},
	}[p.Preset]
	if !ok {
		return nil, fmt.Errorf("preset is %q, want k8v4, 4bit_nc, k3v4_nc or 3bit_nc", p.Preset)
	}
	if p.Raw < 0 {
		return nil, fmt.Errorf("raw is %d, want at least 0", p.Raw)
	}
	if bits.keyBits < 8 {
		bits.book = quant.LloydMax(bits.keyBits)
	}
	return &rowWise{format: &bits, raw: p.Raw}, nil
}

func (q *turboQuantVLLM) rowBytes(side kv.Side, dim int) (scales, codes int) {
	switch {
	case side == kv.V:
		return 4, quant.PackedBytes(dim, q.valueBits)
	case q.keyBits == 8:
		return 0, dim
	}
	return 2, quant.PackedBytes(dim, q.keyBits)
}

func (q *turboQuantVLLM) compressRow(w *rowScratch, side kv.Side, scales, codes []byte) bool {
	switch {
	case side == kv.V:
		return floorAffine(w, scales, codes, q.valueBits)
	case q.keyBits < 8:
		return vllmKeys{q}.compressVals(w, len(w.vals), scales, codes)
	}
	for i, x := range w.vals {
		codes[i] = quant.E4M3.Encode(x)
	}
	return true
}

func (q *turboQuantVLLM) decompressRow(w *rowScratch, side kv.Side, scales, codes []byte) bool {
	switch {
	case side == kv.V:
		return unpackAffineF16(w, scales, codes, q.valueBits)
	case q.keyBits < 8:
		return vllmKeys{q}.decompressVals(w, len(w.vals), scales, codes)
	}
	for i, c := range codes {
		w.vals[i] = quant.E4M3.Value(c)
	}
	return quant.E4M3.Valid(codes)
}

// floorAffine writes binary16 scale and minimum of w.vals and codes from the unrounded scale.
func floorAffine(w *rowScratch, scales, codes []byte, bits int) bool {
	lo, hi := quant.Range(w.vals)
	s, ok := putFloorAffine(scales, lo, hi, bits)
	if !ok {
		return false
	}
	top := int32(1)<<bits - 1
	for i, x := range w.vals {
		w.codes[i] = byte(min(int32(float32((x-lo)/s)+0.5), top))
	}
	quant.Pack(codes, w.codes, bits)
	return true
}

// putFloorAffine writes the scale and minimum of a range, and returns the scale before it is rounded.
func putFloorAffine(scales []byte, lo, hi float32, bits int) (s float32, ok bool) {
	s = max((hi-lo)/float32(int(1)<<bits-1), 1e-8)
	s16, m16 := kern.F32ToF16(s), kern.F32ToF16(lo)
	scales[0], scales[1], scales[2], scales[3] = byte(s16), byte(s16>>8), byte(m16), byte(m16>>8)
	return s, s16 < 0x7c00 && m16&0x7c00 != 0x7c00
}
