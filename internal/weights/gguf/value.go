package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"kvgauge/internal/weights/budget"
)

// The types of a metadata value.
const (
	kindU8 = iota
	kindI8
	kindU16
	kindI16
	kindU32
	kindI32
	kindF32
	kindBool
	kindString
	kindArray
	kindU64
	kindI64
	kindF64
)

// widths are the bytes of the types that have a fixed size.
var widths = [...]int{
	kindU8: 1, kindI8: 1, kindU16: 2, kindI16: 2, kindU32: 4, kindI32: 4, kindF32: 4,
	kindBool: 1, kindU64: 8, kindI64: 8, kindF64: 8,
}

// A Value is the value of a metadata key: int64, float64, bool or string, or a slice of one of
// these. Unsigned 64-bit integers beyond int64 become float64.
type Value struct{ Any any }

// Int returns an integer value.
func (v Value) Int() (int64, bool) { n, ok := v.Any.(int64); return n, ok }

// Float returns a float value, or an integer as one.
func (v Value) Float() (float64, bool) {
	if n, ok := v.Any.(int64); ok {
		return float64(n), true
	}
	f, ok := v.Any.(float64)
	return f, ok
}

// Bool returns a boolean value.
func (v Value) Bool() (bool, bool) { b, ok := v.Any.(bool); return b, ok }

// Text returns a string value.
func (v Value) Text() (string, bool) { s, ok := v.Any.(string); return s, ok }

// Texts returns an array of strings.
func (v Value) Texts() ([]string, bool) { s, ok := v.Any.([]string); return s, ok }

// Ints returns an array of integers.
func (v Value) Ints() ([]int64, bool) { s, ok := v.Any.([]int64); return s, ok }

// String returns the value as text, arrays by their length.
func (v Value) String() string {
	switch a := v.Any.(type) {
	case []string:
		return fmt.Sprintf("[%d strings]", len(a))
	case []int64:
		return fmt.Sprintf("[%d integers]", len(a))
	case []float64:
		return fmt.Sprintf("[%d floats]", len(a))
	case []bool:
		return fmt.Sprintf("[%d booleans]", len(a))
	}
	return fmt.Sprint(v.Any)
}

// A decoder reads forwards through a window, and knows how much of the file is left.
type decoder struct {
	r      io.ReaderAt
	size   int64
	at     int64 // of the next byte
	buf    []byte
	bufAt  int64 // file offset of buf[0]
	budget *budget.Budget
}

const window = 1 << 16

// bytes returns the next n bytes; they are valid until the next call.
func (d *decoder) bytes(n int) ([]byte, error) {
	if int64(n) > d.size-d.at {
		return nil, fmt.Errorf("%d more bytes wanted: %w", n, io.ErrUnexpectedEOF)
	}
	if d.at+int64(n) > d.bufAt+int64(len(d.buf)) {
		want := min(max(int64(n), window), d.size-d.at)
		if int64(cap(d.buf)) < want {
			d.buf = make([]byte, want)
		}
		d.buf, d.bufAt = d.buf[:want], d.at
		if _, err := d.r.ReadAt(d.buf, d.at); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	from := d.at - d.bufAt
	d.at += int64(n)
	return d.buf[from : from+int64(n)], nil
}

func (d *decoder) u32() (uint32, error) {
	b, err := d.bytes(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (d *decoder) u64() (uint64, error) {
	b, err := d.bytes(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// count reads how many things of at least each bytes follow.
func (d *decoder) count(each int64, what string) (int, error) {
	n, err := d.u64()
	if err != nil {
		return 0, err
	}
	if n > uint64((d.size-d.at)/each) {
		return 0, fmt.Errorf("%d %s in the %d bytes that are left", n, what, d.size-d.at)
	}
	return int(n), nil
}

func (d *decoder) text(limit int) (string, error) {
	n, err := d.count(1, "bytes of text")
	if err != nil {
		return "", err
	}
	if n > limit {
		return "", fmt.Errorf("text of %d bytes, want at most %d", n, limit)
	}
	if err := d.budget.Take(int64(n)+32, 1); err != nil {
		return "", err
	}
	b, err := d.bytes(n)
	return string(b), err
}

func (d *decoder) value() (Value, error) {
	kind, err := d.u32()
	if err != nil {
		return Value{}, err
	}
	switch kind {
	case kindString:
		s, err := d.text(math.MaxInt32)
		return Value{s}, err
	case kindArray:
		return d.array()
	}
	if int(kind) >= len(widths) || widths[kind] == 0 {
		return Value{}, fmt.Errorf("value type %d is not known", kind)
	}
	b, err := d.bytes(widths[kind])
	if err != nil {
		return Value{}, err
	}
	return Value{scalar(kind, b)}, nil
}

// scalar decodes one value of a fixed-size type.
func scalar(kind uint32, b []byte) any {
	le := binary.LittleEndian
	switch kind {
	case kindU8:
		return int64(b[0])
	case kindI8:
		return int64(int8(b[0]))
	case kindU16:
		return int64(le.Uint16(b))
	case kindI16:
		return int64(int16(le.Uint16(b)))
	case kindU32:
		return int64(le.Uint32(b))
	case kindI32:
		return int64(int32(le.Uint32(b)))
	case kindI64:
		return int64(le.Uint64(b))
	case kindU64:
		if n := le.Uint64(b); n > math.MaxInt64 {
			return float64(n)
		}
		return int64(le.Uint64(b))
	case kindF32:
		return float64(math.Float32frombits(le.Uint32(b)))
	case kindF64:
		return math.Float64frombits(le.Uint64(b))
	}
	return b[0] != 0
}

func (d *decoder) array() (Value, error) {
	kind, err := d.u32()
	if err != nil {
		return Value{}, err
	}
	if kind == kindArray {
		return Value{}, errors.New("an array of arrays is not supported")
	}
	if kind == kindString {
		return d.texts()
	}
	if int(kind) >= len(widths) || widths[kind] == 0 {
		return Value{}, fmt.Errorf("array of type %d is not known", kind)
	}
	n, err := d.count(int64(widths[kind]), "array elements")
	if err != nil {
		return Value{}, err
	}
	if err := d.budget.Take(int64(n), 8); err != nil {
		return Value{}, err
	}
	switch kind {
	case kindF32, kindF64:
		return fill[float64](d, kind, n)
	case kindBool:
		return fill[bool](d, kind, n)
	}
	return fill[int64](d, kind, n)
}

func fill[T any](d *decoder, kind uint32, n int) (Value, error) {
	out := make([]T, n)
	for i := range out {
		b, err := d.bytes(widths[kind])
		if err != nil {
			return Value{}, err
		}
		v, ok := scalar(kind, b).(T)
		if !ok {
			return Value{}, fmt.Errorf("array element %d is beyond 63 bits", i)
		}
		out[i] = v
	}
	return Value{out}, nil
}

func (d *decoder) texts() (Value, error) {
	n, err := d.count(8, "strings")
	if err != nil {
		return Value{}, err
	}
	if err := d.budget.Take(int64(n), 16); err != nil {
		return Value{}, err
	}
	out := make([]string, n)
	for i := range out {
		if out[i], err = d.text(math.MaxInt32); err != nil {
			return Value{}, fmt.Errorf("string %d: %w", i, err)
		}
	}
	return Value{out}, nil
}
