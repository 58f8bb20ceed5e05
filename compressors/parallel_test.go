package compressors_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// TestParallelGivesTheSameBytes compares every codec on three goroutines with itself on one.
func TestParallelGivesTheSameBytes(t *testing.T) {
	shape := kv.Shape{Layers: 3, Heads: 2, Tokens: 41, KeyDim: 64, ValueDim: 64}
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		plain := codectest.Tensor(9, shape, d)
		marked := plain.Clone() // with groups whose values are equal and no scale's multiple
		for i := range marked.Bits[kv.V][:64*3] {
			marked.Bits[kv.V][i] = d.Bits(3e-6)
		}
		for _, spec := range allSpecs() {
			_, c, err := compressors.Open(string(spec))
			if err != nil {
				t.Fatal(err)
			}
			if c.Capabilities().NeedsFit {
				continue
			}
			p := compressors.Parallel(c, 3)
			for _, src := range []kv.Tensor{plain, marked, plain.Slice(5, 40), plain.SliceLayers(1, 2)} {
				compareCodecs(t, string(spec), c, p, src)
			}
		}
	}
}

func compareCodecs(t *testing.T, spec string, c, p compressors.Codec, src kv.Tensor) {
	t.Helper()
	want, err := c.AppendCompress(nil, src)
	if errors.Is(err, compressors.ErrUnsupported) {
		return
	}
	got, errParallel := p.AppendCompress(nil, src)
	if err != nil || errParallel != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: parallel payload differs (%v, %v)", spec, err, errParallel)
	}
	one, many := kv.New(src.Shape, src.DType), kv.New(src.Shape, src.DType)
	one.Meta, many.Meta = src.Meta, src.Meta
	if err := errors.Join(c.Decompress(one, want), p.Decompress(many, want)); err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	if !one.Equal(many) {
		t.Errorf("%s: decompressed in parallel, the tensor differs", spec)
	}
}

func TestParallelSaysWhereTheFirstNonFiniteValueIs(t *testing.T) {
	src := codectest.Tensor(3, kv.Shape{Layers: 4, Heads: 2, Tokens: 20, KeyDim: 64, ValueDim: 64}, kv.BF16)
	src.Row(kv.K, 2, 1, 7)[9] = 0x7f80
	src.Row(kv.V, 0, 0, 0)[0] = 0xffc0
	for _, spec := range []string{"uniform", "kivi:residual=16", "hadamard", "uniform:axis=layer", "q8_0",
		"fp8_e4m3", "fp8_e4m3:scale=tensor", "nvfp4", "mxfp8", "int8_per_token_head"} {
		_, c, _ := compressors.Open(spec)
		_, err := compressors.Parallel(c, 2).AppendCompress(nil, src)
		if !errors.Is(err, compressors.ErrNonFinite) ||
			!strings.Contains(err.Error(), "k, layer 2, head 1, token 7") {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func TestParallelAllocatesNothing(t *testing.T) {
	src := codectest.Tensor(4, kv.Shape{Layers: 4, Heads: 2, Tokens: 64, KeyDim: 64, ValueDim: 64}, kv.F16)
	dst := src.Clone()
	for _, spec := range []string{"uniform", "kivi", "hadamard", "q4_0", "mxfp4", "fp8_e4m3:scale=head",
		"lossless_split", "lossless_exp", "gear", "svdq", "xkv"} {
		_, c, _ := compressors.Open(spec)
		c = compressors.Parallel(c, 2)
		var payload []byte
		n := testing.AllocsPerRun(50, func() {
			var err error
			if payload, err = c.AppendCompress(payload[:0], src); err != nil {
				t.Fatal(err)
			}
			if err = c.Decompress(dst, payload); err != nil {
				t.Fatal(err)
			}
		})
		if n >= 1 && !raceDetector() {
			t.Errorf("%s: %g allocations a call", spec, n)
		}
	}
}

// raceDetector says whether pools forget what they hold, as they do under the race detector.
func raceDetector() bool {
	var p sync.Pool
	for range 64 {
		p.Put(new([64]byte))
		if p.Get() == nil {
			return true
		}
	}
	return false
}

// TestParallelCallsMayOverlap has more callers than helpers.
func TestParallelCallsMayOverlap(t *testing.T) {
	src := codectest.Tensor(6, kv.Shape{Layers: 4, Heads: 2, Tokens: 33, KeyDim: 64, ValueDim: 64}, kv.BF16)
	_, c, _ := compressors.Open("kivi:residual=0")
	want, err := c.AppendCompress(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			p := compressors.Parallel(c, 3)
			for range 20 {
				got, err := p.AppendCompress(nil, src)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("payload differs (%v)", err)
				}
			}
		})
	}
	callers.Wait()
}

// TestParallelSaysWhichLayerIsDamaged changes a byte of codes in the second of two layers' keys.
func TestParallelSaysWhichLayerIsDamaged(t *testing.T) {
	src := codectest.Tensor(2, kv.Shape{Layers: 2, Heads: 2, Tokens: 300, KeyDim: 64, ValueDim: 64}, kv.BF16)
	dst := src.Clone()
	for _, spec := range []string{"lossless_zstd", "lossless_exp"} {
		_, c, _ := compressors.Open(spec)
		p := compressors.Parallel(c, 2)
		payload, err := p.AppendCompress(nil, src)
		if err != nil {
			t.Fatal(err)
		}
		first, err := c.AppendCompress(nil, src.SliceLayers(0, 1))
		if err != nil {
			t.Fatal(err)
		}
		at := len(first)/2 + 2000 // keys take about half: well inside layer 1
		for i := range payload[at : at+64] {
			payload[at+i] ^= 0x55
		}
		err = p.Decompress(dst, payload)
		if !errors.Is(err, compressors.ErrCorrupt) || !strings.Contains(err.Error(), "layer 1 of k") {
			t.Errorf("%s: %v", spec, err)
		}
	}
}
