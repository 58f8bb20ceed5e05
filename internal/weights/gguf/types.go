package gguf

import (
	"encoding/binary"
	"fmt"
	"math"

	"kvgauge/internal/kern"
)

// A Type is how a tensor's values are held.
type Type uint32

// The types that can be read.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q4_K Type = 12
	Q5_K Type = 13
	Q6_K Type = 14
	BF16 Type = 30
)

// formats say how each type is laid out: values and bytes of a block, and how to read one.
var formats = map[Type]struct {
	name         string
	block, bytes int
	widen        func(dst []float32, src []byte) // one block
}{
	F32:  {"F32", 1, 4, widenF32},
	F16:  {"F16", 1, 2, widenF16},
	BF16: {"BF16", 1, 2, widenBF16},
	Q4_0: {"Q4_0", 32, 18, widenQ40},
	Q4_1: {"Q4_1", 32, 20, widenQ41},
	Q5_0: {"Q5_0", 32, 22, widenQ50},
	Q5_1: {"Q5_1", 32, 24, widenQ51},
	Q8_0: {"Q8_0", 32, 34, widenQ80},
	Q4_K: {"Q4_K", 256, 144, widenQ4K},
	Q5_K: {"Q5_K", 256, 176, widenQ5K},
	Q6_K: {"Q6_K", 256, 210, widenQ6K},
}

// others are the names of types that are known and not read.
var others = map[Type]string{
	9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
	19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16",
	26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}

// String returns the type's name as llama.cpp spells it.
func (t Type) String() string {
	if f, ok := formats[t]; ok {
		return f.name
	}
	if name, ok := others[t]; ok {
		return name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Block returns how many values share a block and the bytes of one; zeros for a type that is not
// supported.
func (t Type) Block() (values, bytes int) {
	f := formats[t]
	return f.block, f.bytes
}

// Widen sets dst to the values of the blocks in src, exactly as the reference formulas of ggml
// give them in float32 (products rounded before sums). len(dst) is a multiple of the block and
// src has its bytes; the type must be supported.
func (t Type) Widen(dst []float32, src []byte) {
	f := formats[t]
	if f.block == 1 {
		f.widen(dst, src)
		return
	}
	for len(dst) > 0 {
		f.widen(dst[:f.block], src[:f.bytes])
		dst, src = dst[f.block:], src[f.bytes:]
	}
}

// ReadRows fills dst with rows [from, from+n) of t as float32, where n = len(dst)/t.Columns().
// scratch is grown as needed and returned for the next call; nil will do.
func (f *File) ReadRows(t Tensor, dst []float32, from int64, scratch []byte) ([]byte, error) {
	block, each := t.Type.Block()
	row := t.Columns() / int64(block) * int64(each)
	n := int64(len(dst)) / t.Columns()
	if from < 0 || from+n > t.Rows() || n*t.Columns() != int64(len(dst)) {
		return scratch, fmt.Errorf("tensor %q: rows [%d, %d) of %d", t.Name, from, from+n, t.Rows())
	}
	if int64(cap(scratch)) < n*row {
		scratch = make([]byte, n*row)
	}
	scratch = scratch[:n*row]
	if n, err := f.r.ReadAt(scratch, t.Offset+from*row); n < len(scratch) {
		return scratch, fmt.Errorf("tensor %q at offset %d: %w", t.Name, t.Offset+from*row, err)
	}
	t.Type.Widen(dst, scratch)
	return scratch, nil
}

func half(b []byte) float32 { return kern.F16ToF32(binary.LittleEndian.Uint16(b)) }

func widenF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func widenF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = half(src[2*i:])
	}
}

func widenBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = kern.BF16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}
