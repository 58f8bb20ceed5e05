package kvshuttle

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"kvgauge/compressors/kv"
)

// object writes a JSON object as Python's json.dumps does by default: ", " and ": " between
// items, keys in the order of insertion, floats as repr prints them.
type object struct{ b []byte }

func newObject(dst []byte) object { return object{append(dst, '{')} }

func (o *object) key(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ", "...)
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, "\": "...)
}

func (o *object) int(name string, v int) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, int64(v), 10)
}

func (o *object) float(name string, v float64) {
	o.key(name)
	o.b = appendRepr(o.b, v)
}

func (o *object) text(name, v string) {
	o.key(name)
	o.b = append(o.b, '"')
	o.b = append(o.b, v...)
	o.b = append(o.b, '"')
}

func (o *object) ints(name string, vs ...int) {
	o.key(name)
	o.b = append(o.b, '[')
	for i, v := range vs {
		if i > 0 {
			o.b = append(o.b, ", "...)
		}
		o.b = strconv.AppendInt(o.b, int64(v), 10)
	}
	o.b = append(o.b, ']')
}

// floats writes float32 values as Python prints them once widened to double.
func (o *object) floats(name string, vs []float32) {
	o.key(name)
	o.b = append(o.b, '[')
	for i, v := range vs {
		if i > 0 {
			o.b = append(o.b, ", "...)
		}
		o.b = appendRepr(o.b, float64(v))
	}
	o.b = append(o.b, ']')
}

// shapes writes the two entries that open every metadata object.
func (o *object) shapes(s kv.Shape) {
	o.ints("key_shape", s.Layers, s.Heads, s.Tokens, s.KeyDim)
	o.ints("val_shape", s.Layers, s.Heads, s.Tokens, s.ValueDim)
}

func (o *object) close() []byte { return append(o.b, '}') }

// appendRepr appends a double as Python's repr prints it: the shortest digits that read back,
// in positional notation from 1e-4 up to 1e16, with ".0" on whole numbers.
func appendRepr(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	case v == 0:
		if math.Signbit(v) {
			dst = append(dst, '-')
		}
		return append(dst, "0.0"...)
	}
	abs := math.Abs(v)
	if abs < 1e-4 || abs >= 1e16 {
		return strconv.AppendFloat(dst, v, 'e', -1, 64) // two digits of exponent at least, as Python
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'f', -1, 64)
	if bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}

// metaFloats returns the list of n floats called name in a metadata text, in dst's memory.
func metaFloats(dst []float32, meta []byte, name string, n int) ([]float32, error) {
	at := bytes.Index(meta, []byte(name))
	if at < 0 || !bytes.HasPrefix(meta[at+len(name):], []byte(`": [`)) {
		return nil, fmt.Errorf("metadata without a list called %q", name)
	}
	list, _, closed := bytes.Cut(meta[at+len(name)+len(`": [`):], []byte("]"))
	dst = grow(dst, n)
	for i := range dst {
		field, rest, more := bytes.Cut(list, []byte(", "))
		if !closed || more != (i < n-1) {
			return nil, fmt.Errorf("metadata %q has not %d numbers", name, n)
		}
		// The bytes are not kept, so reading them as a string costs no copy.
		v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(field), len(field)), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, fmt.Errorf("metadata %q: %q is not a number", name, field)
		}
		dst[i], list = float32(v), rest
	}
	return dst, nil
}
