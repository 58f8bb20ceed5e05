package gguf

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"kvgauge/internal/weights/budget"
)

func TestBlocksEqualTheReference(t *testing.T) {
	raw, err := os.ReadFile("testdata/blocks.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Type   string
		ID     Type
		Blocks string
		Values string `json:"values_f32le"`
	}
	if err := json.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(formats)-1 { // all but F32
		t.Errorf("%d types have vectors, %d are supported", len(rows), len(formats)-1)
	}
	for _, row := range rows {
		src, _ := hex.DecodeString(row.Blocks)
		want, _ := hex.DecodeString(row.Values)
		if row.ID.String() != row.Type {
			t.Errorf("type %d is %v, want %s", row.ID, row.ID, row.Type)
		}
		got := make([]float32, len(want)/4)
		row.ID.Widen(got, src)
		for i, v := range got {
			w := math.Float32frombits(binary.LittleEndian.Uint32(want[4*i:]))
			if v != w {
				t.Fatalf("%s: value %d is %g, want %g", row.Type, i, v, w)
			}
		}
	}
}

// writer makes small GGUF files.
type writer struct{ bytes.Buffer }

func (w *writer) u32(v uint32) *writer { binary.Write(w, binary.LittleEndian, v); return w }
func (w *writer) u64(v uint64) *writer { binary.Write(w, binary.LittleEndian, v); return w }
func (w *writer) str(s string) *writer { w.u64(uint64(len(s))).WriteString(s); return w }

func head(tensors, pairs uint64) *writer {
	w := &writer{}
	w.WriteString(Magic)
	return w.u32(3).u64(tensors).u64(pairs)
}

func small() []byte {
	w := head(1, 3)
	w.str("a.text").u32(kindString).str("hello")
	w.str("a.ints").u32(kindArray).u32(kindI32).u64(2).u32(7).u32(math.MaxUint32)
	w.str("a.texts").u32(kindArray).u32(kindString).u64(2).str("x").str("yz")
	w.str("w").u32(2).u64(32).u64(2).u32(uint32(Q8_0)).u64(0)
	for w.Len()%defaultAlign != 0 {
		w.WriteByte(0)
	}
	for range 2 {
		w.Write([]byte{0, 0x3c}) // scale 1
		for j := range 32 {
			w.WriteByte(byte(j - 16))
		}
	}
	return w.Bytes()
}

func read(raw []byte) (*File, error) {
	size := int64(len(raw))
	return Read(bytes.NewReader(raw), size, budget.New(size, 0))
}

func TestSmallFile(t *testing.T) {
	f, err := read(small())
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := f.Meta["a.text"].Text(); s != "hello" {
		t.Errorf("a.text is %q", s)
	}
	if n, _ := f.Meta["a.ints"].Ints(); len(n) != 2 || n[0] != 7 || n[1] != -1 {
		t.Errorf("a.ints is %v", n)
	}
	if s, _ := f.Meta["a.texts"].Texts(); len(s) != 2 || s[1] != "yz" {
		t.Errorf("a.texts is %v", s)
	}
	w, _ := f.Tensor("w")
	row := make([]float32, 32)
	if _, err := f.ReadRows(w, row, 1, nil); err != nil || row[0] != -16 || row[31] != 15 {
		t.Errorf("row 1 is %v, %v", row, err)
	}
	if _, err := f.ReadRows(w, row, 2, nil); err == nil {
		t.Error("row 2 of 2 must fail")
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	tensor := func(dims []uint64, kind uint32, offset uint64) []byte {
		w := head(1, 0).str("w").u32(uint32(len(dims)))
		for _, d := range dims {
			w.u64(d)
		}
		w.u32(kind).u64(offset)
		w.Write(make([]byte, 64))
		return w.Bytes()
	}
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"magic":       {[]byte("GGML12345678"), "no GGUF file"},
		"version":     {(&writer{*bytes.NewBufferString(Magic)}).u32(1).u64(0).u64(0).Bytes(), "version 1"},
		"counts":      {head(1<<60, 0).Bytes(), "tensors in the 8 bytes"},
		"pairs":       {head(0, 1<<60).Bytes(), "metadata pairs"},
		"long key":    {head(0, 1).u64(1 << 40).u64(0).u64(0).Bytes(), "bytes of text"},
		"long array":  {head(0, 1).str("k").u32(kindArray).u32(kindU8).u64(1 << 62).Bytes(), "array elements"},
		"nested":      {head(0, 1).str("k").u32(kindArray).u32(kindArray).u64(1).Bytes(), "array of arrays"},
		"kind":        {head(0, 1).str("k").u32(99).u64(0).Bytes(), "value type 99"},
		"twice":       {head(0, 2).str("k").u32(kindU8).str("").str("k").u32(kindU8).str("").Bytes(), ""},
		"dims":        {tensor([]uint64{1, 1, 1, 1, 1}, 0, 0), "5 dimensions"},
		"overflow":    {tensor([]uint64{1 << 32, 1 << 32, 1 << 32}, 0, 0), "beyond the file"},
		"zero":        {tensor([]uint64{0}, 0, 0), "beyond the file"},
		"beyond":      {tensor([]uint64{32}, 0, 0), "lie beyond"},
		"offset":      {tensor([]uint64{1}, 0, 1<<40), "beyond the file"},
		"unaligned":   {tensor([]uint64{1}, 0, 4), "no multiple of 32"},
		"odd block":   {tensor([]uint64{33}, uint32(Q8_0), 0), "no multiple of Q8_0's block"},
		"unsupported": {tensor([]uint64{256}, 10, 0), "Q2_K is not supported"},
		"cut":         {small()[:200], ""},
	} {
		_, err := read(c.raw)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestBudgetIsCharged(t *testing.T) {
	raw := small()
	_, err := Read(bytes.NewReader(raw), int64(len(raw)), budget.New(1, 100))
	if err == nil || !strings.Contains(err.Error(), "--max-bytes") {
		t.Errorf("got %v, want an error that names --max-bytes", err)
	}
}

func FuzzGGUF(f *testing.F) {
	f.Add(small())
	f.Add(small()[:100])
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := read(raw)
		if err != nil {
			return
		}
		for _, tensor := range file.Tensors {
			if tensor.Rows() > 0 {
				if _, err := file.ReadRows(tensor, make([]float32, tensor.Columns()), 0, nil); err != nil {
					t.Fatalf("%v cannot be read: %v", tensor, err)
				}
			}
		}
	})
}
