package compressors_test

import (
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// TestExponentCodesFindFractionBitsThatAreNotUsed: values computed in bfloat16 and held in
// binary16 end in three zeros, but for subnormal numbers, whose last bits travel apart.
func TestExponentCodesFindFractionBitsThatAreNotUsed(t *testing.T) {
	shape := kv.Shape{Layers: 2, Heads: 2, Tokens: 512, KeyDim: 64, ValueDim: 64}
	for _, spec := range []string{"lossless_exp", "lossless_exp:coder=huff0"} {
		src := codectest.Tensor(8, shape, kv.F16)
		_, before := pass(t, spec, src)
		for _, side := range kv.Sides {
			for i := range src.Bits[side] {
				src.Bits[side][i] &^= 7
			}
			for i, b := range []uint16{0x0001, 0x83ff, 0x7c00, 0xfe01, 0x7fff, 0} {
				src.Bits[side][1000*i+17] = b
			}
		}
		back, n := pass(t, spec, src)
		if !back.Equal(src) {
			t.Errorf("%s: does not come back bit for bit", spec)
		}
		values := float64(src.RawBytes() / 2)
		if saved := float64(8*(before-n)) / values; saved < 2.95 {
			t.Errorf("%s: three bits of each value are zeros, and %.2f are saved", spec, saved)
		}
	}
}

// TestExponentCodesSendSpecialNumbersApartOnlyWhereThatIsShorter: a cache of zeros with a few
// short fractions must not pay for bits of each zero.
func TestExponentCodesSendSpecialNumbersApartOnlyWhereThatIsShorter(t *testing.T) {
	src := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: 1024, KeyDim: 64}, kv.F16)
	for i := range src.Bits[kv.K] {
		switch i % 128 {
		case 0:
			src.Bits[kv.K][i] = 0x3c00 // 1, no fraction at all
		case 1:
			src.Bits[kv.K][i] = 0x0200 // subnormal, one bit
		}
	}
	back, n := pass(t, "lossless_exp", src)
	if !back.Equal(src) {
		t.Error("does not come back bit for bit")
	}
	if values := src.Elements(kv.K); n > values/4 {
		t.Errorf("%d bytes for %d values, want under 2 bits a value", n, values)
	}
}

// TestExponentTablesFollowChannels: where channels differ in magnitude, classes of channels save
// what one table cannot.
func TestExponentTablesFollowChannels(t *testing.T) {
	src := codectest.Tensor(4,
		kv.Shape{Layers: 1, Heads: 2, Tokens: 1024, KeyDim: 64, ValueDim: 64}, kv.BF16)
	for _, side := range kv.Sides {
		for h := range 2 {
			for i := range src.Tokens {
				for c, b := range src.Row(side, 0, h, i) {
					e := 100 + 4*(c*7%8) + int(b>>5&1) + int(b>>6&1)
					src.Row(side, 0, h, i)[c] = b&0x807f | uint16(e)<<7
				}
			}
		}
	}
	_, one := pass(t, "lossless_exp:classes=1", src)
	_, eight := pass(t, "lossless_exp", src)
	values := float64(src.RawBytes() / 2)
	if saved := float64(8*(one-eight)) / values; saved < 2.8 {
		t.Errorf("eight classes save %.2f bits a value, want log2(8) less some", saved)
	}
}

func TestExponentRejectsClassesThatDoNotFit(t *testing.T) {
	for _, spec := range []string{
		"lossless_exp:classes=0", "lossless_exp:classes=17", "lossless_exp:coder=fse",
	} {
		if _, _, err := compressors.Open(spec); err == nil {
			t.Errorf("%s opens", spec)
		}
	}
}
