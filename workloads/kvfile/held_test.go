package kvfile

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/weights/safetensors"
)

// codes returns a tensor of 8-bit values: 0, 1, 2, … and around.
func codes(name string, d safetensors.DType, shape ...int) safetensors.Entry {
	n := 1
	for _, x := range shape {
		n *= x
	}
	e := safetensors.Entry{Name: name, DType: d, Shape: shape, Data: make([]byte, n)}
	for i := range e.Data {
		e.Data[i] = byte(i)
	}
	return e
}

// TestCachesOfEightBitsAreWidenedAndRemembered reads both types into both, whole and in blocks.
func TestCachesOfEightBitsAreWidenedAndRemembered(t *testing.T) {
	for name, held := range map[safetensors.DType]kv.Held{
		safetensors.F8E4M3: kv.HeldE4M3, safetensors.F8E5M2: kv.HeldE5M2} {
		for _, d := range []kv.DType{kv.BF16, kv.F16} {
			raw := cacheOf(t, map[string]string{"model": "m"}, codes("k", name, 1, 2, 16, 8), codes("v", name, 1, 2, 16, 4))
			got, err := readOne(bytes.NewReader(raw), int64(len(raw)), Options{DType: d})
			if err != nil {
				t.Fatal(err)
			}
			table := held.Patterns(d)
			for _, side := range kv.Sides {
				for i, b := range got.Bits[side] {
					if b != table[byte(i)] {
						t.Fatalf("%s in %v: value %d is %#x, want %#x", name, d, i, b, table[byte(i)])
					}
				}
			}
			if got.DType != d || got.Held() != held || got.HeldBytes() != 2*16*12 || got.Meta.Model != "m" {
				t.Errorf("%s: %v held in %q, %d bytes", name, got.DType, got.Held(), got.HeldBytes())
			}
			head, err := readOne(bytes.NewReader(raw), int64(len(raw)), Options{DType: d, head: true})
			if err != nil || head.Held() != held || head.DType != d {
				t.Errorf("%s: its head is %v held in %q (%v)", name, head.DType, head.Held(), err)
			}
			blocks := paged(t, 5, codes("layer.0", name, 2, 2, 4, 1, 2))
			got, err = readOne(bytes.NewReader(blocks), int64(len(blocks)), Options{DType: d})
			if err != nil || got.Held() != held || got.Row(kv.V, 0, 0, 4)[1] != table[16+4*2+1] {
				t.Errorf("%s in blocks: held in %q (%v)", name, got.Held(), err)
			}
		}
	}
}

// TestWhatWasHeldInEightBitsIsWrittenWithThat: as long as it is still true.
func TestWhatWasHeldInEightBitsIsWrittenWithThat(t *testing.T) {
	raw := cacheOf(t, nil, codes("k", safetensors.F8E4M3, 1, 1, 32, 8))
	x, err := readOne(bytes.NewReader(raw), int64(len(raw)), Defaults)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	for i, want := range []kv.Held{kv.HeldE4M3, ""} {
		if err := Write(path, x); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path, Defaults)
		if err != nil || !got.Equal(x) || got.Held() != want {
			t.Errorf("%d: comes back held in %q, want %q (%v)", i, got.Held(), want, err)
		}
		x.Bits[kv.K][3] = kv.BF16.Bits(1.0625) // as a lossy codec leaves it
	}
	if err := WritePaged(path, x, 4); err != nil {
		t.Fatal(err)
	}
	if err := WriteFloat32(path, x, [2][]float32{make([]float32, 256), nil}); err != nil {
		t.Error(err)
	}
}

// heldHostile is one file of each mistake, and what its error says.
func heldHostile(t testing.TB) map[string][]byte {
	e4m3, e5m2 := safetensors.F8E4M3, safetensors.F8E5M2
	return map[string][]byte{
		"k is F8_E4M3 and v F8_E5M2: want one": cacheOf(t, nil, codes("k", e4m3, 1, 1, 1, 2), codes("v", e5m2, 1, 1, 1, 2)),
		`metadata held is "int4", want`:        cacheOf(t, map[string]string{"held": "int4"}, codes("k", e4m3, 1, 1, 1, 2)),
		"metadata held is f8_e5m2, and values": cacheOf(t, map[string]string{"held": "f8_e5m2"}, codes("k", e4m3, 1, 1, 1, 2)),
		"metadata held is f8_e4m3, and there are other values": cacheOf(t, map[string]string{"held": "f8_e4m3"},
			safetensors.Entry{Name: "k", DType: safetensors.BF16, Shape: []int{1, 1, 1, 1}, Data: []byte{1, 1}}),
	}
}

// f8Seeds are whole files of 8 bits.
func f8Seeds(t testing.TB) [][]byte {
	src := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: 2, KeyDim: 2}, kv.BF16)
	src.Meta = &kv.Meta{Held: kv.HeldE5M2}
	var b bytes.Buffer
	if err := (content{Tensor: src}).writeSafetensors(io.Writer(&b), nil); err != nil {
		t.Fatal(err)
	}
	return [][]byte{b.Bytes(), paged(t, 3, codes("layer.0", safetensors.F8E5M2, 2, 1, 4, 1, 1)),
		cacheOf(t, nil, codes("k", safetensors.F8E4M3, 1, 1, 2, 2), codes("v", safetensors.F8E4M3, 1, 1, 2, 1))}
}
