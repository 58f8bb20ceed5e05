package compressors_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
)

// row returns a tensor of one row of keys.
func row(d kv.DType, bits ...uint16) kv.Tensor {
	t := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: 1, KeyDim: len(bits)}, d)
	copy(t.Bits[kv.K], bits)
	return t
}

func TestGGMLBlocksAreThoseOfTheReference(t *testing.T) {
	text, err := os.ReadFile("testdata/ggml/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		in, err1 := hex.DecodeString(fields[1])
		want, err2 := hex.DecodeString(fields[2])
		if err1 != nil || err2 != nil || len(in) != 64 {
			t.Fatalf("bad line %q", line)
		}
		src := row(kv.F16, make([]uint16, 32)...)
		for i := range src.Bits[kv.K] {
			src.Bits[kv.K][i] = uint16(in[2*i]) | uint16(in[2*i+1])<<8
		}
		_, c, err := compressors.Open(fields[0])
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.AppendCompress(nil, src)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s of %s:\n got %x\nwant %x (%v)", fields[0], fields[1], got, want, err)
		}
	}
}

// TestGGMLBlocksByHand has a block whose numbers can be checked on paper: 1, then zeros, then -8
// in the last place.
func TestGGMLBlocksByHand(t *testing.T) {
	src := row(kv.F16, make([]uint16, 32)...)
	src.Bits[kv.K][0], src.Bits[kv.K][31] = 0x3c00, 0xc800
	for spec, want := range map[string]string{
		// d = -8/-8 = 1 (0x3c00); 1 is code 9, 0 is 8, -8 is 0
		"q4_0": "003c" + "89" + strings.Repeat("88", 14) + "08",
		// d = -8/-16 = 0.5 (0x3800); 1 is 18, 0 is 16, -8 is 0: low halves 2, 0, 0; all fifth bits
		// but the last
		"q5_0": "0038" + "ffffff7f" + "02" + strings.Repeat("00", 15),
	} {
		_, c, _ := compressors.Open(spec)
		got, err := c.AppendCompress(nil, src)
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s: got %x, want %s (%v)", spec, got, want, err)
		}
	}
}

func TestGGMLRefusesWhatLlamaCppRefuses(t *testing.T) {
	_, c, _ := compressors.Open("q8_0")
	src := row(kv.F16, make([]uint16, 80)...)
	if _, err := c.AppendCompress(nil, src); !errors.Is(err, compressors.ErrUnsupported) {
		t.Errorf("a head dimension of 80: %v", err)
	}
	big := row(kv.BF16, make([]uint16, 32)...)
	big.Bits[kv.K][3] = kv.BF16.Bits(3e38)
	for _, spec := range []string{"q8_0", "q4_0", "q4_1", "q5_0", "q5_1"} {
		_, c, _ := compressors.Open(spec)
		if _, err := c.AppendCompress(nil, big); !errors.Is(err, compressors.ErrNonFinite) {
			t.Errorf("%s: a scale beyond binary16: %v", spec, err)
		}
	}
}
