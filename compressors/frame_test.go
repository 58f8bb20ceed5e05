package compressors

import (
	"bytes"
	"errors"
	"strings"
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

// TestAFrameRemembersAHolderInEightBits: in flags, and in what listings say.
func TestAFrameRemembersAHolderInEightBits(t *testing.T) {
	spec, c, _ := Open("identity")
	for _, held := range []kv.Held{"", kv.HeldE4M3, kv.HeldE5M2} {
		src := sample()
		src.Meta.Held = held
		blob, err := AppendFrame(nil, spec, c, src)
		if err != nil {
			t.Fatal(err)
		}
		f, err := ParseFrame(blob, 0)
		if err != nil || f.Head.Held() != held {
			t.Fatalf("held in %q, comes back as %q, %v", held, f.Head.Held(), err)
		}
		facts, err := f.Facts(c)
		if got, ok := facts["ratio_held"]; err != nil || ok != (held != "") ||
			ok && got != float64(src.RawBytes())/2/float64(len(blob)) {
			t.Errorf("held in %q: %v of what was held, %v", held, got, err)
		}
		blob[6] |= frameHeldE4M3 | frameHeldE5M2
		blob = appendSum(blob[:len(blob)-4], 0)
		if _, err := ParseFrame(blob, 0); !errors.Is(err, ErrCorrupt) {
			t.Errorf("held in two types: %v", err)
		}
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

func TestAFrameMadeInPlaceIsThatOfItsPayload(t *testing.T) {
	long := sample()
	long.Meta.Model = strings.Repeat("a model with a long name ", 40)
	for _, src := range []kv.Tensor{sample(), long} {
		for _, text := range []string{"identity", "uniform:bits=8", "knorm+identity+zstd"} {
			spec, c, err := Open(text)
			if err != nil {
				t.Fatal(err)
			}
			payload, err := c.AppendCompress(nil, src)
			if err != nil {
				t.Fatal(err)
			}
			want, err := AppendPayloadFrame(nil, spec, c, src, payload)
			if err != nil {
				t.Fatal(err)
			}
			for _, room := range []int{0, len(want) / 2, 4 * len(want)} {
				got, err := AppendFrame(append(make([]byte, 0, room), "before"...), spec, c, src)
				if err != nil || string(got[:6]) != "before" || !bytes.Equal(got[6:], want) {
					t.Errorf("%s with room for %d: another frame (%v)", spec, room, err)
				}
			}
		}
	}
}

func TestScratchCountsAgainstTheLimit(t *testing.T) {
	spec, c, _ := Open("identity+zstd")
	src := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: 4096, KeyDim: 64, ValueDim: 64}, kv.BF16)
	blob, err := AppendFrame(nil, spec, c, src)
	if err != nil {
		t.Fatal(err)
	}
	for limit, fits := range map[int]bool{src.RawBytes() - 1: false, src.RawBytes(): false,
		8 * src.RawBytes(): true, 0: true} {
		f, err := ParseFrame(blob, limit)
		if err == nil {
			_, _, err = f.Decompress()
		}
		if fits != (err == nil) || err != nil && !strings.Contains(err.Error(), "--max-bytes") {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

// lazy decompresses to whatever dst held before.
type lazy struct{ Codec }

func (lazy) Decompress(kv.Tensor, []byte) error { return nil }

func TestNothingOfAUsedTensorIsLeftInIt(t *testing.T) {
	src := sample()
	spec, c, err := Open("identity")
	if err != nil {
		t.Fatal(err)
	}
	blob, err := AppendFrame(nil, spec, c, src)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFrame(blob, 0)
	if err != nil {
		t.Fatal(err)
	}
	used := src.Clone()
	if _, err := f.DecompressInto(used, lazy{c}); err != nil || !used.Equal(kv.New(src.Shape, src.DType)) {
		t.Errorf("a codec that writes nothing leaves %v, %v", used.Bits, err)
	}
	if _, err := f.DecompressInto(used, c); err != nil || !used.Equal(src) {
		t.Errorf("came back as %v, %v", used.Bits, err)
	}
	if _, err := f.DecompressInto(src.Slice(0, 2), c); !errors.Is(err, kv.ErrShape) {
		t.Errorf("a tensor of another shape gave %v", err)
	}
}
