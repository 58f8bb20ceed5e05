package compressors_test

import (
	"math"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// heldIn returns what a cache is after a lossy codec.
func heldIn(t *testing.T, spec string, src kv.Tensor) kv.Tensor {
	t.Helper()
	_, c, err := compressors.Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := c.AppendCompress(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	out := kv.New(src.Shape, src.DType)
	out.Meta = src.Meta
	if err := c.Decompress(out, payload); err != nil {
		t.Fatal(err)
	}
	return out
}

// patternBound returns the order-0 entropy, in bytes, of whole patterns of each layer's side.
func patternBound(src kv.Tensor) float64 {
	sum := 0.0
	for _, side := range kv.Sides {
		n := src.Elements(side) / src.Layers
		for l := range src.Layers {
			counts := map[uint16]float64{}
			for h := range src.Heads {
				for _, b := range src.Plane(side, l, h) {
					counts[b]++
				}
			}
			for _, c := range counts {
				sum += c * math.Log2(float64(n)/c) / 8
			}
		}
	}
	return sum
}

// TestCachesHeldIn8BitsComeNearTheEntropyOfTheirCodes: whatever the format and however many heads
// share a scale, and with special numbers among them.
func TestCachesHeldIn8BitsComeNearTheEntropyOfTheirCodes(t *testing.T) {
	shape := kv.Shape{Layers: 2, Heads: 3, Tokens: 1024, KeyDim: 64, ValueDim: 64}
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		for _, spec := range []string{"fp8_e4m3", "fp8_e4m3:scale=tensor", "fp8_e4m3:scale=head",
			"fp8_e5m2", "fp8_e5m2:scale=head"} {
			src := heldIn(t, spec, codectest.Tensor(6, shape, d))
			want := patternBound(heldIn(t, "fp8_"+spec[4:8], codectest.Tensor(6, shape, d)))
			for i, b := range []uint16{0xffff, 0x8000, 0} {
				src.Bits[kv.K][100*i] = b
			}
			back, n := pass(t, "lossless_fp8:coder=rans", src)
			if !back.Equal(src) {
				t.Errorf("%v %s: does not come back bit for bit", d, spec)
			}
			if float64(n) > 1.05*want {
				t.Errorf("%v %s: %d bytes, %.1f %% of the order-0 bound", d, spec, n, 100*float64(n)/want)
			}
		}
	}
}

// TestCachesNotHeldIn8BitsCostAByteALayer over lossless_exp.
func TestCachesNotHeldIn8BitsCostAByteALayer(t *testing.T) {
	shape := kv.Shape{Layers: 2, Heads: 3, Tokens: 512, KeyDim: 64, ValueDim: 64}
	src := codectest.Tensor(6, shape, kv.BF16)
	_, n := pass(t, "lossless_fp8", src)
	_, m := pass(t, "lossless_exp:coder=huff0", src)
	if n != m+2*shape.Layers {
		t.Errorf("%d bytes, %d for lossless_exp", n, m)
	}
}

// TestFP8CachesOfSmolLM2ShrinkByMoreThanASixth: without loss, whatever their scales.
func TestFP8CachesOfSmolLM2ShrinkByMoreThanASixth(t *testing.T) {
	caches := map[string]kv.Tensor{"bf16": smolData(t, compressors.SmolLM2BF16.Name).Cache,
		"f16": smolData(t, compressors.SmolLM2F16.Name).Cache}
	for _, c := range []struct {
		held, spec string
		least      float64
	}{
		{"fp8_e4m3", "lossless_fp8", 2.44},
		{"fp8_e4m3", "lossless_exp", 2.42},
		{"fp8_e4m3:scale=tensor", "lossless_fp8", 2.42},
		{"fp8_e4m3:scale=head", "lossless_fp8", 2.39},
		{"fp8_e5m2", "lossless_fp8", 2.87},
	} {
		for _, d := range []string{"bf16", "f16"} {
			got := frameRatio(t, c.spec, heldIn(t, c.held, caches[d]))
			t.Logf("%-22s in %-4s %-14s %.4f", c.held, d, c.spec, got)
			if got < c.least {
				t.Errorf("%s in %s: %s reaches %.4f, want at least %g", c.held, d, c.spec, got, c.least)
			}
		}
	}
}

// FuzzBooksOfPatterns reads books that nobody wrote.
func FuzzBooksOfPatterns(f *testing.F) {
	shape := kv.Shape{Layers: 1, Heads: 2, Tokens: 9, KeyDim: 8}
	_, c, _ := compressors.Open("lossless_fp8")
	for _, scale := range []uint16{1, 3} {
		src := kv.New(shape, kv.F16)
		for i := range src.Bits[kv.K] {
			src.Bits[kv.K][i] = uint16(i%100)*scale + uint16(i/100)<<15
		}
		payload, _ := c.AppendCompress(nil, src)
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		dst := kv.New(shape, kv.F16)
		if c.Decompress(dst, payload) != nil {
			return
		}
		again, err := c.AppendCompress(nil, dst)
		if err != nil {
			t.Fatal(err)
		}
		back := kv.New(shape, kv.F16)
		if err := c.Decompress(back, again); err != nil || !back.Equal(dst) {
			t.Errorf("what was read does not come back (%v)", err)
		}
	})
}

// TestCacheFilesAndCodecsAgreeOnEightBits: what a file's codes are read as is what fp8_e4m3 and
// fp8_e5m2 make of them.
func TestCacheFilesAndCodecsAgreeOnEightBits(t *testing.T) {
	for spec, held := range map[string]kv.Held{"fp8_e4m3": kv.HeldE4M3, "fp8_e5m2": kv.HeldE5M2} {
		for _, d := range []kv.DType{kv.F16, kv.BF16} {
			src := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: 1, KeyDim: 256}, d)
			for i, b := range held.Patterns(d) {
				if d.Finite(b) {
					src.Bits[kv.K][i] = b
				}
			}
			if got, _ := pass(t, spec, src); !got.Equal(src) {
				t.Errorf("%s in %v changes values of %s", spec, d, held)
			}
		}
	}
}
