package compressors_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

func ordinary(d kv.DType) kv.Tensor {
	shape := kv.Shape{Layers: 2, Heads: 4, Tokens: 192, KeyDim: 64, ValueDim: 64}
	return codectest.Tensor(77, shape, d)
}

func TestMoreBitsAreNeverWorse(t *testing.T) {
	src := ordinary(kv.F16)
	for _, spec := range []string{"uniform", "uniform:axis=channel", "uniform:symmetric=true,group=32",
		"uniform:zero=int", "uniform:axis=head,group=64", "kivi:residual=0", "kivi"} {
		last := map[kv.Side]float64{kv.K: math.Inf(1), kv.V: math.Inf(1)}
		for bits := 2; bits <= 8; bits++ {
			sep := ":"
			if strings.Contains(spec, ":") {
				sep = ","
			}
			got, _ := pass(t, fmt.Sprintf("%s%sbits=%d", spec, sep, bits), src)
			for _, side := range kv.Sides {
				e := nmse(src, got, side)
				if e > last[side] {
					t.Errorf("%s: NMSE of %v is %g at %d bits, %g at one less", spec, side, e, bits, last[side])
				}
				last[side] = e
			}
		}
	}
}

// independent lists codecs that work on each head alone, so that heads may change places, and
// whose arithmetic is free of absolute thresholds, so that values may be scaled by powers of 2.
var independent = []string{"uniform", "uniform:axis=channel,group=32", "uniform:axis=head,bits=6",
	"uniform:bits=8,symmetric=true", "uniform:zero=int", "kivi", "kivi:residual=0", "q8_0", "q4_0",
	"q4_1", "q5_0", "q5_1", "fp8_e4m3", "fp8_e5m2:scale=token", "lossless_split", "knorm+uniform"}

func TestPermutedHeadsErrAsBefore(t *testing.T) {
	src := ordinary(kv.BF16)
	swapped := src.Clone()
	order := []int{2, 0, 3, 1}
	move := func(to, from kv.Tensor) {
		for _, side := range kv.Sides {
			for l := range src.Layers {
				for h, other := range order {
					copy(to.Plane(side, l, h), from.Plane(side, l, other))
				}
			}
		}
	}
	move(swapped, src)
	for _, spec := range independent {
		want, _ := pass(t, spec, src)
		got, _ := pass(t, spec, swapped)
		moved := want.Clone()
		if move(moved, want); !got.Equal(moved) {
			t.Errorf("%s: permuting the heads changes more than their order", spec)
		}
	}
}

func TestScalingByPowersOfTwoScalesWhatComesBack(t *testing.T) {
	src := ordinary(kv.BF16)
	scale := func(t kv.Tensor, f float32) kv.Tensor {
		c := t.Clone()
		for _, side := range kv.Sides {
			for i, bits := range c.Bits[side] {
				c.Bits[side][i] = kv.BF16.Bits(kv.BF16.Float(bits) * f)
			}
		}
		return c
	}
	for _, spec := range independent {
		if spec == "fp8_e4m3" { // a plain cast saturates and underflows at fixed numbers
			continue
		}
		want, _ := pass(t, spec, src)
		for _, f := range []float32{0.25, 8, 64} {
			got, _ := pass(t, spec, scale(src, f))
			if !got.Equal(scale(want, f)) {
				t.Errorf("%s: values times %g come back as other than %g times", spec, f, f)
			}
		}
	}
}

func TestStagesThatChangeNothingChangeNothing(t *testing.T) {
	src := ordinary(kv.F16)
	for _, spec := range []string{"identity", "uniform", "kivi", "q4_0", "lossless_split"} {
		want, _ := pass(t, spec, src)
		for _, with := range []string{spec + "+zstd", spec + "+huff0+lz4", "knorm:keep=1+" + spec} {
			if got, _ := pass(t, with, src); !got.Equal(want) {
				t.Errorf("%s gives other values than %s", with, spec)
			}
		}
	}
}

// TestKIVIKeepsTheTokensThatItsAuthorsKeep checks the window at prefill, token by token.
func TestKIVIKeepsTheTokensThatItsAuthorsKeep(t *testing.T) {
	for _, c := range []struct{ tokens, residual, keys, values int }{
		{100, 128, 100, 100}, {128, 128, 0, 128}, {129, 128, 1, 128}, {300, 128, 44, 128},
		{300, 32, 12, 32}, {31, 32, 31, 31}, {64, 0, 0, 0}, {1, 128, 1, 1},
	} {
		shape := kv.Shape{Layers: 1, Heads: 2, Tokens: c.tokens, KeyDim: 64, ValueDim: 64}
		src := codectest.Tensor(3, shape, kv.F16)
		spec := fmt.Sprintf("kivi:residual=%d", c.residual)
		got, n := pass(t, spec, src)
		for side, window := range map[kv.Side]int{kv.K: c.keys, kv.V: c.values} {
			if exact := exactTail(src, got, side); exact != window {
				t.Errorf("%s, %d tokens: the last %d of %v are exact, want %d",
					spec, c.tokens, exact, side, window)
			}
		}
		// The published size: (S-w)(b + 32/G) + 16w bits per channel.
		bits := 0
		for _, w := range []int{c.keys, c.values} {
			bits += 2 * 64 * ((c.tokens-w)*2 + (c.tokens-w)*32/32 + 16*w)
		}
		if c.tokens%32 == 0 && n*8 != bits {
			t.Errorf("%s, %d tokens: %d bytes, want %d", spec, c.tokens, n, bits/8)
		}
	}
}

// exactTail returns how many of the last tokens come back bit for bit in all heads.
func exactTail(a, b kv.Tensor, side kv.Side) int {
	for n := range a.Tokens {
		token := a.Tokens - 1 - n
		for h := range a.Heads {
			x, y := a.Row(side, 0, h, token), b.Row(side, 0, h, token)
			for i := range x {
				if x[i] != y[i] {
					return n
				}
			}
		}
	}
	return a.Tokens
}

func TestConstantGroupsComeBackExactly(t *testing.T) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		for _, spec := range compressors.Specs() {
			if name := spec.Name(); name != "uniform" && name != "kivi" {
				continue
			}
			src := ordinary(d)
			for i := range src.Bits[kv.K] { // every channel and every layer has one value of its own
				c, layer := i%64, i/(4*192*64)
				src.Bits[kv.K][i] = d.Bits(float32(layer+1) * float32(c-20) / 7)
			}
			for i := range src.Bits[kv.V] { // every head and token has one value
				src.Bits[kv.V][i] = d.Bits(float32(i/64%531) / 3)
			}
			got, _ := pass(t, string(spec), src)
			byChannel := spec.Name() == "kivi" || strings.Contains(string(spec), "axis=channel")
			if byChannel && nmse(src, got, kv.K) != 0 {
				t.Errorf("%s %v: a channel of one value does not come back", spec, d)
			}
			byToken := spec.Name() == "kivi" || !strings.Contains(string(spec), "axis=")
			if byToken && nmse(src, got, kv.V) != 0 {
				t.Errorf("%s %v: a token of one value does not come back", spec, d)
			}
		}
	}
}

// TestGroupsBeyondTheScalesTypeAreKeptAsTheyAre: bfloat16 reaches far beyond binary16.
func TestGroupsBeyondTheScalesTypeAreKeptAsTheyAre(t *testing.T) {
	src := ordinary(kv.BF16)
	big := src.Row(kv.K, 1, 2, 30)
	for i := range big {
		big[i] = kv.BF16.Bits(float32(i-30) * 1e36)
	}
	for _, spec := range []string{"uniform", "uniform:group=32,symmetric=true",
		"uniform:bits=8,scale=bf16"} {
		got, n := pass(t, spec, src)
		row := got.Row(kv.K, 1, 2, 30)
		exact := 0
		for i := range row {
			if row[i] == big[i] {
				exact++
			}
		}
		_, c, _ := compressors.Open(spec)
		extra := n - c.(compressors.Sizer).PredictedBytes(src)
		wide := strings.Contains(spec, "bf16")
		if !wide && (exact != 64 || extra != 128) || wide && extra != 0 {
			t.Errorf("%s: %d of 64 values exact, %d bytes more than predicted", spec, exact, extra)
		}
	}
}

func TestAGroupLongerThanItsAxisIsRefused(t *testing.T) {
	src := ordinary(kv.F16)
	for spec, ok := range map[string]bool{
		"uniform:group=64": true, "uniform:group=65": false, "uniform:axis=channel,group=192": true,
		"uniform:axis=channel,group=193": false, "uniform:axis=head,group=12288": true,
		"uniform:axis=layer,group=12289": false, "kivi:group=65": false,
	} {
		_, c, err := compressors.Open(spec)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.AppendCompress(nil, src)
		if ok != (err == nil) || err != nil && !errors.Is(err, compressors.ErrUnsupported) {
			t.Errorf("%s of %v: %v", spec, src.Shape, err)
		}
	}
}

func TestParametersOutOfRangeAreNamed(t *testing.T) {
	for spec, want := range map[string]string{
		"uniform:bits=1": "bits is 1, want 2 to 8", "uniform:axis=row": `axis is "row"`,
		"uniform:group=-1": "group is -1", "uniform:scale=f64": `scale is "f64"`,
		"uniform:zero=max": `zero is "max"`, "uniform:symmetric=true,zero=int": "no zero point",
		"kivi:group=0": "group is 0", "kivi:residual=-1": "residual is -1", "kivi:bits=9": "bits is 9",
		"turboquant_vllm:preset=2bit": `preset is "2bit"`, "turboquant_vllm:raw=-1": "raw is -1",
		"int8_per_token_head:round=up": `round is "up"`, "qjl:m=0": "m is 0", "qjl:bits=9": "bits is 9",
		"gear:rank=-1": "rank is -1", "gear:outliers=0.6": "outliers is 0.6", "gear:bits=0": "bits is 0",
		"fp8_e4m3:scale=row": `scale is "row"`, "lossless_lz4:level=10": "level is 10",
	} {
		if _, _, err := compressors.Open(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) = %v, want an error with %q", spec, err, want)
		}
	}
}
