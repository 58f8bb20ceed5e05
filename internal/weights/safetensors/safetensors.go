// Package safetensors reads and writes the safetensors format of Hugging Face: eight bytes that
// give the length of a JSON header, the header (per tensor its type, shape and byte range, and
// a map of strings as "__metadata__"), then the tensors' bytes, little-endian, without gaps.
package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
)

// A DType names the type of a tensor's elements as the header spells it.
type DType string

// The types that have a size here. A header with another type is refused.
const (
	Bool   DType = "BOOL"
	U8     DType = "U8"
	I8     DType = "I8"
	I16    DType = "I16"
	F8E4M3 DType = "F8_E4M3"
	F8E5M2 DType = "F8_E5M2"
	U16    DType = "U16"
	F16    DType = "F16"
	BF16   DType = "BF16"
	I32    DType = "I32"
	U32    DType = "U32"
	F32    DType = "F32"
	I64    DType = "I64"
	U64    DType = "U64"
	F64    DType = "F64"
)

var sizes = map[DType]int64{
	Bool: 1, U8: 1, I8: 1, F8E4M3: 1, F8E5M2: 1, I16: 2, U16: 2, F16: 2, BF16: 2,
	I32: 4, U32: 4, F32: 4, I64: 8, U64: 8, F64: 8,
}

// Size returns the bytes of one element, 0 for a type that is not known.
func (d DType) Size() int64 { return sizes[d] }

// metadataKey is the header's one key that is no tensor.
const metadataKey = "__metadata__"

// maxHeader is the longest header that the format's own implementation reads.
const maxHeader = 100_000_000

// A Tensor says where a tensor lies.
type Tensor struct {
	Name   string
	DType  DType
	Shape  []int
	Offset int64 // of its first byte in the file
	Bytes  int64
}

// Elements returns the product of the shape, 1 for a scalar.
func (t Tensor) Elements() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= int64(d)
	}
	return n
}

// A File is the parsed header of a safetensors file and the reader behind it. It is safe for
// concurrent use if the reader is.
type File struct {
	Metadata map[string]string // never nil
	Tensors  []Tensor          // by offset
	byName   map[string]int
	r        io.ReaderAt
}

// Tensor returns the tensor of that name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// ReadAt fills dst with t's bytes from byte offset from of the tensor on.
func (f *File) ReadAt(t Tensor, dst []byte, from int64) error {
	if from < 0 || from > t.Bytes || int64(len(dst)) > t.Bytes-from {
		return fmt.Errorf("tensor %q: bytes [%d, %d) of %d", t.Name, from, from+int64(len(dst)), t.Bytes)
	}
	if _, err := f.r.ReadAt(dst, t.Offset+from); err != nil && !(errors.Is(err, io.EOF) && len(dst) == 0) {
		return fmt.Errorf("tensor %q at offset %d: %w", t.Name, t.Offset+from, noEOF(err))
	}
	return nil
}

// Section returns a reader of t's bytes.
func (f *File) Section(t Tensor) *io.SectionReader {
	return io.NewSectionReader(f.r, t.Offset, t.Bytes)
}

// Read parses the header of the size bytes behind r. Everything it returns has been checked
// against size: every tensor lies in the file, the ranges cover the data without gap or overlap,
// shapes and byte counts agree, and no name comes twice. Memory is bounded by a small multiple
// of the header, which is at most size. r is kept.
func Read(r io.ReaderAt, size int64) (*File, error) {
	var head [8]byte
	if size < 8 {
		return nil, fmt.Errorf("want 8 bytes of header length, the file has %d", size)
	}
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("header length: %w", noEOF(err))
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > uint64(size-8) || n > maxHeader {
		return nil, fmt.Errorf("header of %d bytes at offset 8: the file has %d, the format allows %d",
			n, size-8, maxHeader)
	}
	raw := make([]byte, n)
	if _, err := r.ReadAt(raw, 8); err != nil && n > 0 {
		return nil, fmt.Errorf("header at offset 8: %w", noEOF(err))
	}
	f := &File{Metadata: map[string]string{}, byName: map[string]int{}, r: r}
	if err := f.parse(raw, 8+int64(n), size); err != nil {
		return nil, fmt.Errorf("header at offset 8: %w", err)
	}
	return f, nil
}

// entry is one tensor in the header.
type entry struct {
	DType   *DType   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
}

// parse reads the header's object key by key, because decoding into a map would let the second of two
// equal keys win unseen.
func (f *File) parse(raw []byte, data, size int64) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("want a JSON object")
	}
	seenMeta := false
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key := t.(string)
		if key == metadataKey {
			if seenMeta {
				return errors.New("key \"__metadata__\" comes twice")
			}
			seenMeta = true
			if err := d.Decode(&f.Metadata); err != nil {
				return fmt.Errorf("key \"__metadata__\": want strings: %w", err)
			}
			continue
		}
		if err := f.add(d, key, data, size); err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if f.Metadata == nil {
		f.Metadata = map[string]string{}
	}
	return f.layOut(data, size)
}

func (f *File) add(d *json.Decoder, name string, data, size int64) error {
	var e entry
	if err := d.Decode(&e); err != nil {
		return err
	}
	if _, twice := f.byName[name]; twice {
		return errors.New("comes twice")
	}
	if e.DType == nil || len(e.Offsets) != 2 || e.Shape == nil {
		return errors.New("want dtype, shape and two data_offsets")
	}
	each := e.DType.Size()
	if each == 0 {
		return fmt.Errorf("dtype %q is not supported", *e.DType)
	}
	from, to := e.Offsets[0], e.Offsets[1]
	if from > to || to > uint64(size-data) {
		return fmt.Errorf("data_offsets [%d, %d]: the file has %d bytes of data", from, to, size-data)
	}
	t := Tensor{Name: name, DType: *e.DType, Offset: data + int64(from), Bytes: int64(to - from)}
	want := each
	for _, dim := range e.Shape {
		if dim < 0 || (dim > 0 && want > size/dim) {
			return fmt.Errorf("shape %v is beyond the file's %d bytes", e.Shape, size)
		}
		want *= dim
		t.Shape = append(t.Shape, int(dim))
	}
	if want != t.Bytes {
		return fmt.Errorf("shape %v of %s takes %d bytes, data_offsets give %d",
			e.Shape, t.DType, want, t.Bytes)
	}
	f.byName[name] = len(f.Tensors)
	f.Tensors = append(f.Tensors, t)
	return nil
}

// layOut sorts the tensors by offset and checks that they cover the data exactly.
func (f *File) layOut(data, size int64) error {
	sort.SliceStable(f.Tensors, func(i, j int) bool {
		a, b := f.Tensors[i], f.Tensors[j]
		if a.Offset != b.Offset {
			return a.Offset < b.Offset
		}
		return a.Bytes < b.Bytes // empty tensors may share an offset with the next
	})
	at := data
	for i, t := range f.Tensors {
		f.byName[t.Name] = i
		if t.Offset != at {
			return fmt.Errorf("tensor %q begins at offset %d, want %d: gaps and overlaps are not allowed",
				t.Name, t.Offset, at)
		}
		at += t.Bytes
	}
	if at != size {
		return fmt.Errorf("tensors end at offset %d, the file at %d", at, size)
	}
	return nil
}

// noEOF turns the end of the file where more was promised into what it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
