package compressors_test

import (
	"context"
	"sync"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/internal/modeldata"
	"kvgauge/internal/testenv"
)

// smol hands in SmolLM2's caches, computed once.
var smol struct {
	sync.Once
	data func(source string) (compressors.Data, error)
}

// smolData returns what certificates ask of SmolLM2.
func smolData(t *testing.T, source string) compressors.Data {
	t.Helper()
	if testing.Short() {
		t.Skip("a prefill of SmolLM2 is not for -short")
	}
	path := testenv.SmolLM2(t)
	smol.Do(func() { smol.data = modeldata.Of(context.Background(), path) })
	d, err := smol.data(source)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// frameRatio compresses to a frame, compares what comes back, and returns raw bytes over frame
// bytes.
func frameRatio(t *testing.T, spec string, src kv.Tensor) float64 {
	t.Helper()
	canonical, c, err := compressors.Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := compressors.AppendFrame(nil, canonical, c, src)
	if err != nil {
		t.Fatal(err)
	}
	f, err := compressors.ParseFrame(blob, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := f.Decompress()
	if err != nil {
		t.Fatal(err)
	}
	if c.Capabilities().Lossless && !back.Equal(src) {
		t.Errorf("%s does not come back bit for bit", spec)
	}
	return float64(src.RawBytes()) / float64(len(blob))
}

// TestFP8CachesShrinkFurtherOnACacheOfSmolLM2: many engines hold 8-bit floats already. Order-0
// codes of single bytes find their uneven exponents; what matches strings finds little more.
func TestFP8CachesShrinkFurtherOnACacheOfSmolLM2(t *testing.T) {
	src := smolData(t, compressors.SmolLM2BF16.Name).Cache
	for _, c := range []struct {
		spec        string
		least, most float64
	}{
		{"fp8_e4m3", 1.99, 2},
		{"fp8_e4m3+huff0", 2.35, 2.45},
		{"fp8_e4m3:scale=token+huff0", 2.2, 2.35},
		{"fp8_e5m2+huff0", 2.7, 2.85},
		{"fp8_e4m3+zstd:level=better", 2.25, 2.45},
		{"fp8_e4m3+lz4", 1.99, 2.01},
		{"trunc:bits=3", 1.98, 2.1},
		{"trunc:bits=3,coder=exp", 2.05, 2.2},
	} {
		got := frameRatio(t, c.spec, src)
		t.Logf("%-26s %.4f", c.spec, got)
		if got < c.least || got > c.most {
			t.Errorf("%s: ratio %.4f, want %g to %g", c.spec, got, c.least, c.most)
		}
	}
}
