package compressors

import (
	"errors"
	"testing"

	"kvgauge/compressors/kv"
)

func sample() kv.Tensor {
	t := kv.New(kv.Shape{Layers: 2, Heads: 1, Tokens: 3, KeyDim: 4, ValueDim: 2}, kv.BF16)
	for _, side := range kv.Sides {
		for i := range t.Bits[side] {
			t.Bits[side][i] = uint16(0x3c00 + 7*i)
		}
	}
	t.Meta = &kv.Meta{Model: "tiny", Positions: []int32{3, 4, 90},
		Rope: &kv.Rope{Theta: 1e5, Dim: 4, Applied: true}}
	return t
}

func TestAFrameCarriesEverythingAcross(t *testing.T) {
	src := sample()
	spec, c, err := Open("identity")
	if err != nil {
		t.Fatal(err)
	}
	blob, err := AppendFrame([]byte("before"), spec, c, src)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFrame(blob[len("before"):], 0)
	if err != nil {
		t.Fatal(err)
	}
	got, kept, err := f.Decompress()
	if err != nil || kept != nil || !got.Equal(src) {
		t.Fatalf("came back as %v, kept %v, %v", got, kept, err)
	}
	m := got.Meta
	if m.Model != "tiny" || *m.Rope != *src.Meta.Rope || m.Position(2) != 90 {
		t.Errorf("metadata came back as %+v", m)
	}
	if len(f.Sections) != 1 || f.Sections[0] != (Section{Raw, src.RawBytes()}) {
		t.Errorf("sections %v", f.Sections)
	}
}

func TestEveryChangedOrMissingByteIsAnError(t *testing.T) {
	spec, c, _ := Open("identity")
	blob, err := AppendFrame(nil, spec, c, sample())
	if err != nil {
		t.Fatal(err)
	}
	for i := range blob {
		if _, err := ParseFrame(blob[:i], 0); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d: %v", i, err)
		}
		bad := append([]byte(nil), blob...)
		bad[i] ^= 0x40
		if _, err := ParseFrame(bad, 0); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
}
