package kvshuttle

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"kvgauge/compressors/kv"
)

// object writes a JSON object as Python's json.dumps does by default: ", " and ": " between
// items, keys in the order of insertion, floats as repr prints them.
type object struct{ b []byte }

func newObject(dst []byte) *object { return &object{append(dst, '{')} }

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

// metaFloats returns the list of n floats called name in a metadata text.
func metaFloats(meta []byte, name string, n int) ([]float32, error) {
	_, rest, ok := bytes.Cut(meta, []byte(`"`+name+`": [`))
	list, _, closed := bytes.Cut(rest, []byte("]"))
	if !ok || !closed {
		return nil, fmt.Errorf("metadata without a list called %q", name)
	}
	fields := bytes.Split(list, []byte(", "))
	if len(fields) != n {
		return nil, fmt.Errorf("metadata %q has %d numbers, want %d", name, len(fields), n)
	}
	out := make([]float32, n)
	for i, field := range fields {
		v, err := strconv.ParseFloat(string(field), 64)
		if err != nil {
			return nil, fmt.Errorf("metadata %q: %q is not a number", name, field)
		}
		out[i] = float32(v)
	}
	return out, nil
}
