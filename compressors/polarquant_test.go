package compressors_test

import (
	"math"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
)

// TestPolarBlocksKeepTheirRadius: the tree changes angles only, so a block's length comes back to
// the rounding of binary16; the rotation keeps the row's.
func TestPolarBlocksKeepTheirRadius(t *testing.T) {
	src := gaussian(64)
	got, n := pass(t, "polarquant", src)
	if want := src.RawBytes() * 31 / 128; n != want { // 3.875 bits of 16
		t.Errorf("%d bytes, want %d", n, want)
	}
	for token := range src.Tokens {
		a, b := squares(src, token), squares(got, token)
		if math.Abs(b/a-1) > 2e-3 {
			t.Fatalf("token %d: length² %g came back as %g", token, a, b)
		}
	}
}

func TestPolarQuantRefusesOtherBlocks(t *testing.T) {
	_, c, _ := compressors.Open("polarquant")
	if _, err := c.AppendCompress(nil, row(kv.F16, make([]uint16, 24)...)); err == nil {
		t.Error("a head dimension of 24 is taken")
	}
}
