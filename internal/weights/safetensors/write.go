package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// An Entry is a tensor to be written. Data is its bytes, little-endian, last dimension fastest.
type Entry struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte
}

// Write writes a file of the entries in their order, with metadata (which may be nil). The header
// is padded with spaces to a multiple of eight bytes, and its keys are in a fixed order, so equal
// input gives equal bytes. It returns an error when an entry's data do not fill its shape or a
// name comes twice.
func Write(w io.Writer, metadata map[string]string, entries []Entry) error {
	header, err := header(metadata, entries)
	if err != nil {
		return err
	}
	var head [8]byte
	binary.LittleEndian.PutUint64(head[:], uint64(len(header)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, e := range entries {
		if _, err := w.Write(e.Data); err != nil {
			return err
		}
	}
	return nil
}

func header(metadata map[string]string, entries []Entry) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(metadata) > 0 {
		text, err := json.Marshal(metadata) // sorts the keys
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", metadataKey, text)
	}
	seen := map[string]bool{metadataKey: true}
	at := 0
	for _, e := range entries {
		if seen[e.Name] {
			return nil, fmt.Errorf("tensor %q comes twice", e.Name)
		}
		seen[e.Name] = true
		if err := e.check(); err != nil {
			return nil, err
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(e.Name)
		if err != nil {
			return nil, err
		}
		shape, err := json.Marshal(append([]int{}, e.Shape...))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `%s:{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`,
			name, e.DType, shape, at, at+len(e.Data))
		at += len(e.Data)
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	return b.Bytes(), nil
}

func (e Entry) check() error {
	t := Tensor{Shape: e.Shape}
	if size := e.DType.Size(); size == 0 || t.Elements()*size != int64(len(e.Data)) {
		return fmt.Errorf("tensor %q: %d bytes do not fill %v of %s", e.Name, len(e.Data), e.Shape, e.DType)
	}
	return nil
}

// AppendF32 appends the bytes of float32 values.
func AppendF32(dst []byte, src []float32) []byte {
	for _, v := range src {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}

// AppendU16 appends the bytes of 16-bit patterns, as F16 and BF16 are held.
func AppendU16(dst []byte, src []uint16) []byte {
	for _, v := range src {
		dst = binary.LittleEndian.AppendUint16(dst, v)
	}
	return dst
}

// AppendI32 appends the bytes of int32 values.
func AppendI32(dst []byte, src []int32) []byte {
	for _, v := range src {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
	}
	return dst
}

// AppendI64 appends the bytes of int64 values.
func AppendI64(dst []byte, src []int64) []byte {
	for _, v := range src {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return dst
}
