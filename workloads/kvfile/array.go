package kvfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"kvgauge/compressors/kv"
	"kvgauge/internal/weights/safetensors"
)

// An elem is the type of a file's values.
type elem uint8

const (
	elemF16 elem = iota
	elemBF16
	elemF32
	elemE4M3
	elemE5M2
)

func (e elem) String() string {
	return [...]string{"F16", "BF16", "F32", "F8_E4M3", "F8_E5M2"}[e]
}

func (e elem) size() int64 { return [...]int64{2, 2, 4, 1, 1}[e] }

// held is the 8-bit type of values of 8 bits, or "".
func (e elem) held() kv.Held { return [...]kv.Held{"", "", "", kv.HeldE4M3, kv.HeldE5M2}[e] }

// dtype is the 16-bit type that values are read into: their own where they have 16 bits.
func (e elem) dtype(o Options) kv.DType {
	switch e {
	case elemF16:
		return kv.F16
	case elemBF16:
		return kv.BF16
	}
	return o.DType
}

// An array is one side of a cache as it lies in a file, found but not read.
type array struct {
	name    string  // as the file has it, for errors
	shape   []int64 // [layers, heads, tokens, dim]; any number of dims until checked
	elem    elem
	fortran bool                      // the first index varies fastest
	open    func() (io.Reader, error) // the values, little-endian
}

// maxDim bounds one dimension, so that no product of four overflows unseen.
const maxDim = 1 << 40

// elements returns the product of the dimensions, or an error when it exceeds what a cache may
// have.
func (a *array) elements() (int64, error) {
	n := int64(1)
	for _, d := range a.shape {
		if d < 0 || d > maxDim {
			return 0, fmt.Errorf("%s: dimension %d is out of range", a.name, d)
		}
		if d != 0 && n > kv.MaxElements/d {
			return 0, fmt.Errorf("%s: shape %v has more than %d values", a.name, a.shape, kv.MaxElements)
		}
		n *= d
	}
	return n, nil
}

// empty says whether an array stands for "no values": an absent side.
func (a *array) empty() bool {
	if a == nil {
		return true
	}
	return len(a.shape) == 0 || a.shape[len(a.shape)-1] == 0
}

// assemble reads both sides into a tensor. v may be nil or empty. Limit bounds the memory.
func assemble(k, v *array, limit int64, o Options) (kv.Tensor, error) {
	head, err := headOf(k, v, o)
	if err != nil {
		return kv.Tensor{}, err
	}
	if o.head {
		return head, nil
	}
	need := int64(head.RawBytes())
	if k.fortran || (!v.empty() && v.fortran) {
		need *= 2 // the transpose needs both orders at once
	}
	if need > limit {
		return kv.Tensor{}, fmt.Errorf("a cache of %s in %v takes %d bytes, more than the %d allowed: "+
			"raise --max-bytes if that is right", head.Shape, head.DType, need, limit)
	}
	t := kv.New(head.Shape, head.DType)
	for side, a := range []*array{kv.K: k, kv.V: v} {
		if t.Dim(kv.Side(side)) == 0 {
			continue
		}
		if err := a.read(t.Bits[side], t.DType); err != nil {
			return kv.Tensor{}, fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return t, nil
}

// headOf checks that two arrays are the sides of one cache and returns its shape and type.
func headOf(k, v *array, o Options) (kv.Tensor, error) {
	var t kv.Tensor
	for _, a := range []*array{k, v} {
		if a != k && a.empty() {
			continue
		}
		if len(a.shape) != 4 {
			return t, fmt.Errorf("%s: shape %v, want 4 dimensions [layers, heads, tokens, head_dim]",
				a.name, a.shape)
		}
		if _, err := a.elements(); err != nil {
			return t, err
		}
	}
	t.Shape = kv.Shape{Layers: int(k.shape[0]), Heads: int(k.shape[1]), Tokens: int(k.shape[2]),
		KeyDim: int(k.shape[3])}
	if !v.empty() {
		t.ValueDim = int(v.shape[3])
		for i, want := range k.shape[:3] {
			if v.shape[i] != want {
				return t, fmt.Errorf("%s has shape %v and %s %v: want the same layers, heads and tokens",
					k.name, k.shape, v.name, v.shape)
			}
		}
		if k.elem != v.elem {
			return t, fmt.Errorf("%s is %v and %s %v: want one type", k.name, k.elem, v.name, v.elem)
		}
	}
	t.DType = k.elem.dtype(o)
	return t, t.Shape.Check()
}

// read fills dst, in [layer][head][token][channel] order, with the array's values.
func (a *array) read(dst []uint16, d kv.DType) error {
	r, err := a.open()
	if err != nil {
		return err
	}
	if !a.fortran {
		return readValues(dst, r, a.elem, d)
	}
	flat := make([]uint16, len(dst))
	if err := readValues(flat, r, a.elem, d); err != nil {
		return err
	}
	transpose(dst, flat, a.shape)
	return nil
}

// transpose turns Fortran order into C order.
func transpose(dst, src []uint16, shape []int64) {
	n0, n1, n2, n3 := int(shape[0]), int(shape[1]), int(shape[2]), int(shape[3])
	at := 0
	for i := range n0 {
		for j := range n1 {
			for k := range n2 {
				from := i + n0*(j+n1*k)
				for l := range n3 {
					dst[at] = src[from+n0*n1*n2*l]
					at++
				}
			}
		}
	}
}

// readValues reads len(dst) values of type e and stores them in d.
func readValues(dst []uint16, r io.Reader, e elem, d kv.DType) error {
	buf := make([]byte, min(1<<16, max(1, len(dst))*int(e.size())))
	var wide []float32
	var patterns *[256]uint16
	switch {
	case e == elemF32:
		wide = make([]float32, len(buf)/4)
	case e.held() != "":
		patterns = e.held().Patterns(d)
	}
	for done := 0; done < len(dst); {
		n := min(len(buf)/int(e.size()), len(dst)-done)
		chunk := buf[:n*int(e.size())]
		if _, err := io.ReadFull(r, chunk); err != nil {
			return cutShort(err, done, len(dst))
		}
		out := dst[done : done+n]
		switch {
		case e == elemF32:
			if err := roundChunk(out, wide[:n], chunk, done, d); err != nil {
				return err
			}
		case patterns != nil:
			for i, code := range chunk {
				out[i] = patterns[code]
			}
		default:
			for i := range out {
				out[i] = binary.LittleEndian.Uint16(chunk[2*i:])
			}
		}
		done += n
	}
	return nil
}

func cutShort(err error, done, want int) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("cut short after %d of %d values", done, want)
	}
	return err
}

// roundChunk rounds little-endian float32 to d. A finite value that would become infinite is an
// error, since nobody asked for infinities; infinities and NaNs themselves pass.
func roundChunk(dst []uint16, wide []float32, chunk []byte, at int, d kv.DType) error {
	for i := range wide {
		wide[i] = math.Float32frombits(binary.LittleEndian.Uint32(chunk[4*i:]))
	}
	d.Narrow(dst, wide)
	for i, b := range dst {
		if !d.Finite(b) && !math.IsInf(float64(wide[i]), 0) && wide[i] == wide[i] {
			return fmt.Errorf("value %d is %g, beyond the range of %v", at+i, wide[i], d)
		}
	}
	return nil
}

// A content is a cache to be written: a tensor, or its shape and metadata beside float32 values.
type content struct {
	kv.Tensor
	wide *[2][]float32 // values in [layer][head][token][channel] order; nil means the tensor's own
}

// writeSide writes one side's values in C order, little-endian: as they are, or widened to
// float32 exactly.
func (c content) writeSide(w io.Writer, side kv.Side, widen bool) error {
	if c.Dim(side) == 0 {
		return nil
	}
	var buf []byte
	n := c.Tokens * c.Dim(side)
	for l := range c.Layers {
		for h := range c.Heads {
			if c.wide == nil {
				buf = appendPlane(buf[:0], c.Plane(side, l, h), c.DType, widen)
			} else {
				from := (l*c.Heads + h) * n
				buf = safetensors.AppendF32(buf[:0], c.wide[side][from:from+n])
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
	}
	return nil
}

func appendPlane(buf []byte, plane []uint16, d kv.DType, widen bool) []byte {
	for _, b := range plane {
		if widen {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(d.Float(b)))
		} else {
			buf = binary.LittleEndian.AppendUint16(buf, b)
		}
	}
	return buf
}
