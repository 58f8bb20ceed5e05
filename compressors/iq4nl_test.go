package compressors_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// TestIQ4NLByHand: one 8 among zeros gives d = 8/-127 and code 0; zeros become code 8, the level
// nearest to them (1, not -10), and the fit, which weighs by squares, leaves d as it is.
func TestIQ4NLByHand(t *testing.T) {
	src := row(kv.F16, make([]uint16, 32)...)
	src.Bits[kv.K][3] = 0x4800
	for spec, want := range map[string]string{
		"iq4_nl": "08ac" + "888888" + "80" + strings.Repeat("88", 12), // -0.06299 in binary16
	} {
		_, c, _ := compressors.Open(spec)
		got, err := c.AppendCompress(nil, src)
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s: got %x, want %s (%v)", spec, got, want, err)
		}
	}
}

// TestTurnedBlocksKnowNoOutliers: one loud channel costs all others of its block their digits,
// unless the row is turned first.
func TestTurnedBlocksKnowNoOutliers(t *testing.T) {
	shape := kv.Shape{Layers: 1, Heads: 2, Tokens: 64, KeyDim: 128, ValueDim: 128}
	src := codectest.Tensor(5, shape, kv.F16)
	for _, side := range kv.Sides {
		for i := 7; i < len(src.Bits[side]); i += 128 {
			src.Bits[side][i] = kv.F16.Bits(30 + float32(i%5))
		}
	}
	for _, spec := range []string{"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl"} {
		plain, n := pass(t, spec, src)
		turned, m := pass(t, spec+":rot=true", src)
		if n != m {
			t.Errorf("%s: %d bytes, turned %d", spec, n, m)
		}
		for _, side := range kv.Sides {
			a, b := smallOnes(src, plain, side), smallOnes(src, turned, side)
			if b > a {
				t.Errorf("%s: error of %v beside an outlier %g, turned %g", spec, side, a, b)
			}
		}
	}
}

// smallOnes is the squared error over the block of 32 that holds the loud channel, without it.
func smallOnes(src, got kv.Tensor, side kv.Side) float64 {
	sum := 0.0
	for i, bits := range src.Bits[side] {
		if c := i % 128; c < 32 && c != 7 {
			d := float64(src.DType.Float(bits)) - float64(got.DType.Float(got.Bits[side][i]))
			sum += d * d
		}
	}
	return sum
}
