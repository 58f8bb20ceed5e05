package compressors

import (
	"fmt"
	"math"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// perTokenHead is vLLM's int8_per_token_head and fp8_per_token_head: a float32 scale per token and
// head, s = max(amax/127, 1e-6) or max(amax/448, 1e-6), and codes of x·(1/s).
//
// int8 codes are cut off towards zero, because vLLM's kernel clamps a float and stores it as an
// integer; round=nearest is what one would expect, ties to even, at a quarter of the squared error.
// fp8 is E4M3, rounded to nearest even; the engine leaves that to the compiler's cast, whose
// saturation is as here.
//
// Scales: one float32 a row. Codes: a byte a value. Bits per value: 8 + 32/head_dim.
type perTokenHead struct {
	fp8     bool
	nearest bool
}

// int4PerTokenHead is vLLM's int4_per_token_head: rows are turned by random signs and a Hadamard
// matrix and quantised asymmetrically; s = max((max−min)/15, 1e-6), zero point z = −min/s rounded
// half away from zero and clamped to 0…15, codes x·(1/s) + z likewise, and z takes the place of the
// low four bits of the float32 scale. x' = (code − z)·s.
//
// Departures: signs come from our generator and not from torch's; the turned row is divided by
// √head_dim and stays float32, where the engine leaves it long, rounds it to the cache's type and
// divides later, so scales here are smaller by √head_dim; a head dimension that is no power of two,
// which the engine refuses, is turned in blocks.
//
// Scales: one float32 a row. Codes: two a byte, the first low. Bits per value: 4 + 32/head_dim.
type int4PerTokenHead struct{ seed uint64 }

type int8PerTokenHeadParams struct {
	Round string `param:"round" doc:"zero (towards zero, as vLLM) or nearest"`
}

type int4PerTokenHeadParams struct {
	Seed int `param:"seed" doc:"of the rotation's signs"`
}

func init() {
	const (
		source  = "vLLM, pull request 38378, 2026"
		source4 = "vLLM, pull requests 38854 and 39074, 2026"
	)
	gsm8k := func(accuracy string) []Claim {
		return []Claim{{"GSM8K of Qwen3.5-35B-A3B .956 → " + accuracy + ", 500 questions, within its noise " +
			"(vLLM pull request 39074)", "that model on a GPU"}}
	}
	tags := []string{"quantiser"}
	Register(registry.Family[Codec, int8PerTokenHeadParams]{
		Name: "int8_per_token_head", Doc: "vLLM's 8-bit integers with a float32 scale per token and head",
		Source: source, Tags: tags, Defaults: int8PerTokenHeadParams{"zero"},
		Variants: []int8PerTokenHeadParams{{"nearest"}},
		New: func(p int8PerTokenHeadParams) (Codec, error) {
			if p.Round != "zero" && p.Round != "nearest" {
				return nil, fmt.Errorf("round is %q, want zero or nearest", p.Round)
			}
			return &rowWise{format: perTokenHead{nearest: p.Round == "nearest"}}, nil
		},
	})
	Register(registry.Family[Codec, struct{}]{
		Name: "fp8_per_token_head", Doc: "vLLM's E4M3 with a float32 scale per token and head",
		Source: source, Tags: tags,
		New: func(struct{}) (Codec, error) { return &rowWise{format: perTokenHead{fp8: true}}, nil },
	})
	Register(registry.Family[Codec, int4PerTokenHeadParams]{
		Name: "int4_per_token_head", Doc: "vLLM's 4-bit integers of turned rows, zero point inside the scale",
		Source: source4, Tags: tags, Defaults: int4PerTokenHeadParams{1},
		New: func(p int4PerTokenHeadParams) (Codec, error) {
			return &rowWise{format: &int4PerTokenHead{uint64(p.Seed)}}, nil
		},
	})
	Certify("int8_per_token_head", Certificate{
		Anchors: OnWhite(Independently,
			WhiteRow{Spec: "int8_per_token_head", Bits: 8.25, NMSE: 1.667e-4},
			WhiteRow{Spec: "int8_per_token_head:round=nearest", Bits: 8.25, NMSE: 4.177e-5}),
		Beyond:  gsm8k(".956"),
		UseWhen: "vLLM holds this type; round=nearest quarters its error",
	})
	Certify("fp8_per_token_head", Certificate{
		// The largest of a row always lands at 448, above the middle of an octave.
		Anchors: OnWhite(Independently, WhiteRow{Spec: "fp8_per_token_head", Bits: 8.25, NMSE: 6.61e-4}),
		Beyond:  gsm8k(".966"),
		UseWhen: "vLLM holds this type",
	})
	Certify("int4_per_token_head", Certificate{
		Deviations: []string{
			"signs come from our generator, not from torch's",
			"the turned row stays float32 and is divided by √head_dim at once, so scales are smaller by that",
			"head dimensions that are no power of two, which the engine refuses, are turned in blocks",
		},
		Anchors: OnWhite(Independently, WhiteRow{Spec: "int4_per_token_head", Bits: 4.25, NMSE: .0101}),
		Beyond:  gsm8k(".968"),
		UseWhen: "vLLM holds this type",
	})
}

func (perTokenHead) rowBytes(_ kv.Side, dim int) (scales, codes int) { return 4, dim }

func (p perTokenHead) compressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	top := float32(127)
	if p.fp8 {
		top = 448
	}
	s := max(quant.Largest(w.vals)/top, 1e-6)
	putFloat(scales, s)
	inv := 1 / s
	for i, x := range w.vals {
		q := x * inv // no more than top, give or take a rounding
		switch {
		case p.fp8:
			codes[i] = quant.E4M3.Encode(q)
		case p.nearest:
			codes[i] = byte(quant.Nearest(q))
		default:
			codes[i] = byte(int8(q))
		}
	}
	return true
}

func (p perTokenHead) decompressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	s := getFloat(scales)
	if p.fp8 {
		for i, c := range codes {
			w.vals[i] = quant.E4M3.Value(c) * s
		}
		return positive(s) && quant.E4M3.Valid(codes)
	}
	for i, c := range codes {
		w.vals[i] = float32(int8(c)) * s
	}
	return positive(s)
}

// compressRows implements manyRows.
func (p perTokenHead) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) int {
	s := kern.RowScales{Least: 1e-6, Zero: 1e-6}
	if p.fp8 {
		if !kern.Vectors() || !quant.E4M3.ScaleRows(d, codes, scales, rows, dim, s) {
			return 0
		}
		return len(rows) / dim
	}
	top, n := kern.Int8Rows(d == kv.BF16, p.nearest, codes, scales, rows, dim, s)
	if !d.Finite(top) {
		return 0
	}
	return n
}

// decompressRows implements manyRows. It stops before a scale of zero.
func (p perTokenHead) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) int {
	n := 0
	if p.fp8 {
		top, did := kern.E4M3.RestoreRows(d == kv.BF16, rows, codes, scales, dim,
			math.Float32bits(d.Max()/quant.E4M3.Max))
		if top == 0x7f { // not a number
			return 0
		}
		n = did
	} else {
		n = kern.RestoreInt8(d == kv.BF16, rows, codes, scales, dim, math.Float32bits(d.Max()/128))
	}
	for i := range n {
		if getFloat(scales[4*i:]) == 0 {
			return i
		}
	}
	return n
}

// positive says whether s is a scale: finite and more than zero.
func positive(s float32) bool { return s > 0 && s <= math.MaxFloat32 }
