package safetensors

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"testing"
)

func sample(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	err := Write(&b, map[string]string{"b": "2", "a": "ü\""}, []Entry{
		{Name: "f32", DType: F32, Shape: []int{2, 3}, Data: AppendF32(nil, []float32{1, -2, 3, 4.5, 5, 6})},
		{Name: "f16", DType: F16, Shape: []int{2}, Data: AppendU16(nil, []uint16{0x3c00, 0xc000})},
		{Name: "bf16", DType: BF16, Shape: []int{1, 2}, Data: AppendU16(nil, []uint16{0x3f80, 0xc000})},
		{Name: "i32", DType: I32, Shape: []int{2}, Data: AppendI32(nil, []int32{-1, 7})},
		{Name: "i64", DType: I64, Shape: nil, Data: AppendI64(nil, []int64{-9})},
		{Name: "empty", DType: U8, Shape: []int{0, 5}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWrittenFileIsReadBack(t *testing.T) {
	raw := sample(t)
	f, err := Read(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"b": "2", "a": "ü\""}; !reflect.DeepEqual(f.Metadata, want) {
		t.Errorf("metadata %v, want %v", f.Metadata, want)
	}
	for name, want := range map[string][]float32{
		"f32": {1, -2, 3, 4.5, 5, 6}, "f16": {1, -2}, "bf16": {1, -2},
	} {
		tensor, ok := f.Tensor(name)
		if !ok {
			t.Fatalf("no tensor %q", name)
		}
		got := make([]float32, tensor.Elements())
		if err := f.Floats(tensor, got, 0); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	i64, _ := f.Tensor("i64")
	b := make([]byte, 8)
	if err := f.ReadAt(i64, b, 0); err != nil || int64(binary.LittleEndian.Uint64(b)) != -9 {
		t.Errorf("i64: got %v, %v", b, err)
	}
	if err := f.ReadAt(i64, b, 1); err == nil {
		t.Error("a read beyond a tensor must fail")
	}
}

// file returns a safetensors file with this header and that many bytes of data.
func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func TestHostileHeadersAreRefused(t *testing.T) {
	long := binary.LittleEndian.AppendUint64(nil, math.MaxUint64)
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"short":        {[]byte{1, 2}, "want 8 bytes"},
		"huge header":  {long, "header of 18446744073709551615 bytes"},
		"not json":     {file("nope", 0), "JSON object"},
		"cut json":     {file(`{"a":{"dtype":"F32"`, 0), "EOF"},
		"beyond":       {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 3), "3 bytes of data"},
		"overflow":     {file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0), "beyond"},
		"negative":     {file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}`, 0), "beyond"},
		"size":         {file(`{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,4]}}`, 4), "takes 2 bytes"},
		"dtype":        {file(`{"a":{"dtype":"Q7","shape":[1],"data_offsets":[0,4]}}`, 4), `"Q7" is not supported`},
		"twice":        {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), "comes twice"},
		"gap":          {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), "gaps"},
		"overlap":      {file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), "gaps"},
		"trailing":     {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 2), "end at offset"},
		"metadata int": {file(`{"__metadata__":{"a":1}}`, 0), "want strings"},
	} {
		_, err := Read(bytes.NewReader(c.raw), int64(len(c.raw)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestWriteRefusesWhatReadWould(t *testing.T) {
	for _, entries := range [][]Entry{
		{{Name: "a", DType: F32, Shape: []int{2}, Data: make([]byte, 4)}},
		{{Name: "a", DType: U8}, {Name: "a", DType: U8}},
		{{Name: "a", DType: "X", Shape: []int{0}}},
	} {
		if err := Write(&bytes.Buffer{}, nil, entries); err == nil {
			t.Errorf("%v must be refused", entries)
		}
	}
}

func FuzzSafetensors(f *testing.F) {
	f.Add(sample(f))
	f.Add(file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := Read(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return
		}
		var entries []Entry
		for _, tensor := range file.Tensors {
			data := make([]byte, tensor.Bytes)
			if err := file.ReadAt(tensor, data, 0); err != nil {
				t.Fatal(err)
			}
			entries = append(entries, Entry{tensor.Name, tensor.DType, tensor.Shape, data})
		}
		if err := Write(&bytes.Buffer{}, file.Metadata, entries); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
	})
}
