package compressors_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

func TestSplitZipRefusesBinary16AndSaysWhy(t *testing.T) {
	_, c, err := compressors.Open("splitzip")
	if err != nil {
		t.Fatal(err)
	}
	shape := kv.Shape{Layers: 1, Heads: 1, Tokens: 9, KeyDim: 8, ValueDim: 8}
	src := codectest.Tensor(1, shape, kv.F16)
	_, err = c.AppendCompress(nil, src)
	if !errors.Is(err, compressors.ErrUnsupported) || !strings.Contains(err.Error(), "one bit") {
		t.Errorf("got %v, want ErrUnsupported with the reason", err)
	}
}

// patterns returns a bfloat16 tensor of one head, keys alone, made of these exponents in turn.
func patterns(tokens int, exponent func(i int) int) kv.Tensor {
	src := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: tokens, KeyDim: 64}, kv.BF16)
	for i := range src.Bits[kv.K] {
		src.Bits[kv.K][i] = uint16(i*40503)&0x807f | uint16(exponent(i))<<7
	}
	return src
}

// TestSplitZipSizesFollowTheFormula: 12 bits a value and 24 an escape, beside 16 bytes of a book
// and 2 a chunk; a chunk that would grow costs 16 bits a value.
func TestSplitZipSizesFollowTheFormula(t *testing.T) {
	const tokens, values = 512, 512 * 64
	const chunks = values / 1024
	for _, c := range []struct {
		name     string
		exponent func(i int) int
		bits     int
	}{
		{"sixteen exponents", func(i int) int { return 100 + i%16 }, 12 * values},
		{"sixteen and rare others", func(i int) int {
			if i%128 == 77 {
				return 255 - i/128%9
			}
			return 90 + 3*(i%16)
		}, 12*values + 24*values/128},
		{"all exponents alike", func(i int) int { return i % 256 }, 16 * values},
	} {
		src := patterns(tokens, c.exponent)
		back, n := pass(t, "splitzip", src)
		if !back.Equal(src) {
			t.Errorf("%s: does not come back bit for bit", c.name)
		}
		if want := c.bits/8 + 2*chunks + 16; n != want {
			t.Errorf("%s: %d bytes, want %d", c.name, n, want)
		}
	}
}

// TestSplitZipBooksFitLargeLayersFromASample: a layer too large to count whole still finds the
// exponents of every channel.
func TestSplitZipBooksFitLargeLayersFromASample(t *testing.T) {
	src := patterns(1<<14, func(i int) int { return 96 + i%64/4 })
	_, n := pass(t, "splitzip", src)
	values := float64(src.RawBytes() / 2)
	if bits := 8 * float64(n) / values; math.Abs(bits-12-16.0/1024) > 0.01 {
		t.Errorf("%.3f bits a value, want 12 and 2 bytes a chunk", bits)
	}
}
