package kvfile

import (
	"bytes"
	"fmt"
	"io"

	"kvgauge/compressors/kv"
	"kvgauge/internal/weights/safetensors"
)

// readSafetensors reads a cache of tensors k and v, or one in blocks.
func readSafetensors(f io.ReaderAt, size int64, o Options) (kv.Tensor, error) {
	st, err := safetensors.Read(f, size)
	if err != nil {
		return kv.Tensor{}, err
	}
	switch layout := st.Metadata[metaLayout]; layout {
	case "":
	case "vllm":
		return readPaged(st, o.limit(size), o)
	default:
		return kv.Tensor{}, fmt.Errorf("metadata layout is %.40q, want none or vllm", layout)
	}
	var sides [2]*array
	for _, side := range kv.Sides {
		if x, ok := st.Tensor(side.String()); ok {
			if sides[side], err = arrayOf(st, x); err != nil {
				return kv.Tensor{}, err
			}
		}
	}
	if sides[kv.K] == nil {
		return kv.Tensor{}, fmt.Errorf("no tensor named k among %d: is this a cache?", len(st.Tensors))
	}
	head, err := headOf(sides[kv.K], sides[kv.V], o)
	if err != nil {
		return kv.Tensor{}, err
	}
	meta, err := parseMeta(st.Metadata, head.Tokens)
	if err != nil {
		return kv.Tensor{}, err
	}
	t, err := assemble(sides[kv.K], sides[kv.V], o.limit(size), o)
	if err != nil {
		return kv.Tensor{}, err
	}
	return withMeta(t, meta, sides[kv.K].elem, o)
}

// withMeta gives t, which was read from values of type e, its metadata. A file of 16 bits that says
// its values were held in 8 must have no others.
func withMeta(t kv.Tensor, meta *kv.Meta, e elem, o Options) (kv.Tensor, error) {
	if held := e.held(); held != "" {
		if meta == nil {
			meta = &kv.Meta{}
		}
		if meta.Held != "" && meta.Held != held {
			return kv.Tensor{}, fmt.Errorf("metadata held is %s, and values are %v", meta.Held, e)
		}
		meta.Held = held
	}
	if t.Meta = meta; e.held() == "" && t.Held() != "" && !o.head && !t.Held().Holds(t) {
		return kv.Tensor{}, fmt.Errorf("metadata held is %s, and there are other values", t.Held())
	}
	return t, nil
}

// arrayOf finds the values of one tensor.
func arrayOf(st *safetensors.File, x safetensors.Tensor) (*array, error) {
	a := &array{name: x.Name, open: func() (io.Reader, error) { return st.Section(x), nil }}
	for _, d := range x.Shape {
		a.shape = append(a.shape, int64(d))
	}
	switch x.DType {
	case safetensors.F16:
		a.elem = elemF16
	case safetensors.BF16:
		a.elem = elemBF16
	case safetensors.F32:
		a.elem = elemF32
	case safetensors.F8E4M3:
		a.elem = elemE4M3
	case safetensors.F8E5M2:
		a.elem = elemE5M2
	default:
		return nil, fmt.Errorf("%.40q is %s, want F16, BF16, F32, F8_E4M3 or F8_E5M2", x.Name, x.DType)
	}
	return a, nil
}

// dtypeName spells c's type as safetensors do.
func (c content) dtypeName() safetensors.DType {
	switch {
	case c.wide != nil:
		return safetensors.F32
	case c.DType == kv.BF16:
		return safetensors.BF16
	}
	return safetensors.F16
}

// writeSafetensors writes tensors k and, where there are values, v, with metadata.
func (c content) writeSafetensors(w io.Writer, kept *kv.Kept) error {
	meta := map[string]string{}
	if err := appendMeta(meta, c.Tensor, kept); err != nil {
		return err
	}
	dtype := c.dtypeName()
	var entries []safetensors.Entry
	for _, side := range kv.Sides {
		if c.Dim(side) == 0 {
			continue
		}
		var b bytes.Buffer
		b.Grow(int(dtype.Size()) * c.Elements(side))
		if err := c.writeSide(&b, side, false); err != nil {
			return err
		}
		entries = append(entries, safetensors.Entry{Name: side.String(), DType: dtype, Data: b.Bytes(),
			Shape: []int{c.Layers, c.Heads, c.Tokens, c.Dim(side)}})
	}
	return safetensors.Write(w, meta, entries)
}
