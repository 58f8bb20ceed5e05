// Package gguf reads GGUF, the file format of llama.cpp: a header, metadata as typed key-value
// pairs, a table of tensors, and their data in blocks of quantised values. Versions 2 and 3,
// little-endian.
package gguf

import (
	"fmt"
	"io"

	"kvgauge/internal/weights/budget"
)

// Magic is what a file begins with.
const Magic = "GGUF"

const (
	maxDims      = 4
	maxName      = 1 << 16 // bytes of a key's or tensor's name
	defaultAlign = 32
)

// A File is the parsed header of a GGUF file and the reader behind it. It is safe for concurrent
// use if the reader is.
type File struct {
	Meta    map[string]Value
	Tensors []Tensor // in the file's order
	byName  map[string]int
	r       io.ReaderAt
}

// A Tensor says where a tensor lies. Shape is in GGUF's order: Shape[0] varies fastest, so a
// matrix of R rows with C columns each is [C, R].
type Tensor struct {
	Name   string
	Type   Type
	Shape  []int64
	Offset int64 // of its first byte in the file
	Bytes  int64
}

// Columns returns the length of a row.
func (t Tensor) Columns() int64 { return t.Shape[0] }

// Rows returns how many rows there are: the product of all dimensions but the first.
func (t Tensor) Rows() int64 {
	n := int64(1)
	for _, d := range t.Shape[1:] {
		n *= d
	}
	return n
}

// Tensor returns the tensor of that name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// Read parses the header of the size bytes behind r. Every length is checked against what is
// left of the file before anything is allocated, memory is charged to b, and every tensor lies
// in the file. Errors name the offset. r is kept.
func Read(r io.ReaderAt, size int64, b *budget.Budget) (*File, error) {
	d := &decoder{r: r, size: size, budget: b}
	f := &File{Meta: map[string]Value{}, byName: map[string]int{}, r: r}
	if err := f.read(d); err != nil {
		return nil, fmt.Errorf("offset %d: %w", d.at, err)
	}
	return f, nil
}

func (f *File) read(d *decoder) error {
	magic, err := d.bytes(4)
	if err != nil {
		return err
	}
	if string(magic) != Magic {
		return fmt.Errorf("want %q, got %q: no GGUF file", Magic, magic)
	}
	version, err := d.u32()
	if err != nil {
		return err
	}
	if version != 2 && version != 3 {
		return fmt.Errorf("GGUF version %d is not supported, want 2 or 3", version)
	}
	tensors, err := d.count(24, "tensors")
	if err != nil {
		return err
	}
	pairs, err := d.count(13, "metadata pairs")
	if err != nil {
		return err
	}
	for range pairs {
		if err := f.readPair(d); err != nil {
			return err
		}
	}
	for range tensors {
		if err := f.readTensor(d); err != nil {
			return err
		}
	}
	return f.place(d)
}

func (f *File) readPair(d *decoder) error {
	key, err := d.text(maxName)
	if err != nil {
		return fmt.Errorf("metadata key: %w", err)
	}
	if _, twice := f.Meta[key]; twice {
		return fmt.Errorf("metadata %q comes twice", key)
	}
	v, err := d.value()
	if err != nil {
		return fmt.Errorf("metadata %q: %w", key, err)
	}
	f.Meta[key] = v
	return nil
}

// readTensor reads one row of the tensor table; Offset is left relative to the data.
func (f *File) readTensor(d *decoder) error {
	name, err := d.text(maxName)
	if err != nil {
		return fmt.Errorf("tensor name: %w", err)
	}
	if _, twice := f.byName[name]; twice {
		return fmt.Errorf("tensor %q comes twice", name)
	}
	t := Tensor{Name: name}
	if err := t.readShape(d); err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	if err := d.budget.Take(1, 128); err != nil {
		return err
	}
	f.byName[name] = len(f.Tensors)
	f.Tensors = append(f.Tensors, t)
	return nil
}

func (t *Tensor) readShape(d *decoder) error {
	dims, err := d.u32()
	if err != nil {
		return err
	}
	if dims < 1 || dims > maxDims {
		return fmt.Errorf("has %d dimensions, want 1 to %d", dims, maxDims)
	}
	elements := int64(1)
	for range dims {
		n, err := d.u64()
		if err != nil {
			return err
		}
		// A type takes at least half a byte a value, so more than 16 × size is a lie.
		if n < 1 || n > uint64(16*d.size)/uint64(elements) {
			return fmt.Errorf("dimension %d is beyond the file's %d bytes", n, d.size)
		}
		elements *= int64(n)
		t.Shape = append(t.Shape, int64(n))
	}
	kind, err := d.u32()
	if err != nil {
		return err
	}
	t.Type = Type(kind)
	block, each := t.Type.Block()
	if block == 0 {
		return fmt.Errorf("type %v is not supported", t.Type)
	}
	if t.Shape[0]%int64(block) != 0 {
		return fmt.Errorf("rows of %d values are no multiple of %v's block of %d", t.Shape[0], t.Type, block)
	}
	t.Bytes = elements / int64(block) * int64(each)
	offset, err := d.u64()
	if err != nil {
		return err
	}
	if offset > uint64(d.size) {
		return fmt.Errorf("offset %d is beyond the file's %d bytes", offset, d.size)
	}
	t.Offset = int64(offset)
	return nil
}

// place turns offsets that count from the data into offsets in the file.
func (f *File) place(d *decoder) error {
	align := uint64(defaultAlign)
	if v, ok := f.Meta["general.alignment"]; ok {
		n, ok := v.Int()
		if !ok || n < 1 || n > 1<<20 || n&(n-1) != 0 {
			return fmt.Errorf("general.alignment is %v, want a power of two", v)
		}
		align = uint64(n)
	}
	data := int64((uint64(d.at) + align - 1) &^ (align - 1))
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if uint64(t.Offset)%align != 0 {
			return fmt.Errorf("tensor %q: offset %d is no multiple of %d", t.Name, t.Offset, align)
		}
		t.Offset += data
		if t.Offset > d.size || t.Bytes > d.size-t.Offset {
			return fmt.Errorf("tensor %q: bytes [%d, %d) lie beyond the file's %d",
				t.Name, t.Offset, t.Offset+t.Bytes, d.size)
		}
	}
	return nil
}
