package compressors_test

import (
	"math"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// oracles are what codecs reach on white Gaussian noise, N(0, 1) in binary16 with rows of 128:
// bits per value, and squared error over squares. They were computed independently of this
// repository, from 2^21 samples.
var oracles = []struct {
	spec       string
	bits, nmse float64
}{
	{"uniform:bits=8", 8.25, 3.445e-5},
	{"uniform:bits=8,group=32,symmetric=true", 8.5, 2.86e-5},
	{"uniform:bits=4", 4.25, .00996},
	{"uniform:bits=4,group=64", 4.5, .00803},
	{"uniform:bits=4,group=32", 5, .00611},
	{"uniform:bits=4,symmetric=true", 4.125, .01377},
	{"uniform:bits=3", 3.25, .0457},
	{"uniform:bits=3,group=32", 4, .0281},
	{"uniform:bits=2", 2.25, .2504},
	{"uniform:bits=2,group=32", 3, .1544},
	{"uniform:bits=2,group=32,axis=channel", 3, .1544},
	{"uniform:bits=4,zero=int", 4.1875, .00996 * 1.016},
	{"uniform:bits=4,group=32,zero=int", 4.75, .00611 * 1.07},
	{"q4_0", 4.5, .00740},
	{"q4_1", 5, .00613},
	{"q5_0", 5.5, .00182},
	{"q5_1", 6, .00143},
	{"q8_0", 8.5, 2.86e-5},
	{"iq4_nl", 4.5, .00618},
	{"iq4_nl:search=true", 4.5, .00582},
	{"iq4_nl:rot=true", 4.5, .00618}, // turning white noise changes nothing
	{"q4_0:rot=true", 4.5, .00740},
	{"q4_1:rot=true", 5, .00613},
	{"q5_0:rot=true", 5.5, .00182},
	{"q5_1:rot=true", 6, .00143},
	{"q8_0:rot=true", 8.5, 2.86e-5},
	{"int8_per_token_head", 8.25, 1.667e-4},
	{"int8_per_token_head:round=nearest", 8.25, 4.177e-5},
	{"fp8_per_token_head", 8.25, 6.61e-4}, // largest values always at 448, above the middle of an octave
	{"int4_per_token_head", 4.25, .0101},
	{"polarquant", 3.875, .0321},
	{"fp8_e4m3", 8, 7.0e-4},
	{"fp8_e4m3:scale=tensor", 8, 7.0e-4},
	{"fp8_e5m2", 8, 2.78e-3},
	{"fp8_e5m2:scale=tensor", 8, 2.78e-3},
	{"mxfp4", 4.25, .01323},
	{"mxfp8", 8.25, 8.6e-4},
	{"nvfp4", 4.5, .00905},
	{"nvfp4_4over6", 4.5, .00758},
	{"hadamard", 4.25, .00923},
	{"hadamard:bits=3", 3.25, .0414},
	{"hadamard:bits=2", 2.25, .225},
	{"hadamard:clip=1", 4.25, .00995},
	{"hadamard:bits=3,clip=1", 3.25, .0457},
	{"hadamard:bits=2,clip=1", 2.25, .250},
	{"turboquant:bits=1", 1.125, .3610},
	{"turboquant:bits=2", 2.125, .1161},
	{"turboquant:bits=3", 3.125, .0340},
	{"turboquant:bits=4", 4.125, .00935},
	{"turboquant:bits=5", 5.125, .00247},
	{"turboquant:bits=2,nc=true", 2.125, .1189},
	{"turboquant:bits=3,nc=true", 3.125, .0339},
	{"turboquant:bits=4,nc=true", 4.125, .00921},
	{"turboquant:bits=1,mode=prod", 1.25, .567},
	{"turboquant:bits=2,mode=prod", 2.25, .205},
	{"turboquant:bits=3,mode=prod", 3.25, .066},
	{"turboquant:bits=4,mode=prod", 4.25, .0193},
	{"kivi:residual=0", 3, .1544},
	{"kivi:bits=4,residual=0", 5, .00611},
}

// tolerance is that of a squared error: 2 %, or 0.09 dB.
const tolerance = .02

// gaussian returns white noise in keys and values.
func gaussian(tokens int) kv.Tensor {
	t := kv.New(kv.Shape{Layers: 1, Heads: 2, Tokens: tokens, KeyDim: 128, ValueDim: 128}, kv.F16)
	r := codectest.Rand(20260101)
	for _, side := range kv.Sides {
		for i := range t.Bits[side] {
			t.Bits[side][i] = kv.F16.Bits(float32(r.Normal()))
		}
	}
	return t
}

// pass sends src through a codec and returns what came back and the payload's length.
func pass(t testing.TB, spec string, src kv.Tensor) (kv.Tensor, int) {
	t.Helper()
	_, c, err := compressors.Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := c.AppendCompress(nil, src)
	if err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	dst := kv.New(src.Shape, src.DType)
	dst.Meta = src.Meta
	if err := c.Decompress(dst, payload); err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	return dst, len(payload)
}

// nmse returns the squared error of one side over its squares.
func nmse(src, got kv.Tensor, side kv.Side) float64 {
	var sse, power float64
	for i, bits := range src.Bits[side] {
		x, y := float64(src.DType.Float(bits)), float64(got.DType.Float(got.Bits[side][i]))
		sse += (y - x) * (y - x)
		power += x * x
	}
	return sse / power
}

func TestOnWhiteNoiseCodecsReachTheirOracles(t *testing.T) {
	src := gaussian(2048)
	for _, o := range oracles {
		got, n := pass(t, o.spec, src)
		if bits := 16 * float64(n) / float64(src.RawBytes()); math.Abs(bits-o.bits) > 1e-3 {
			t.Errorf("%s: %.4f bits per value, want %g", o.spec, bits, o.bits)
		}
		for _, side := range kv.Sides {
			if e := nmse(src, got, side); math.Abs(e/o.nmse-1) > tolerance {
				t.Errorf("%s: NMSE of %v is %.5g, want %.5g ± 2 %% (%+.2f %%)",
					o.spec, side, e, o.nmse, 100*(e/o.nmse-1))
			}
		}
	}
}
