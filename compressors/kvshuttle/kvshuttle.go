// Package kvshuttle holds KVShuttle's fourteen codecs to the byte (repository awneesht/KVShuttle
// at commit 768c6d7), registered as kvshuttle/NAME, so that its published tables can be put to
// the test and its users can move over.
//
// They are not the codecs of the papers whose names they carry: each doc comment says how it
// departs. The papers' codecs are registered under their own names in package compressors.
//
// All of them work on float16: a bf16 cache is rounded to float16 first, as KVShuttle converts
// what it is given. None checks for NaN or infinity, and neither do these: what comes out is what
// comes out of KVShuttle.
//
// A payload here is KVShuttle's payload, then its metadata as the JSON text that it counts in its
// ratio, then the length of that text as a little-endian uint32.
package kvshuttle

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// A format is what one of the codecs does; codec supplies everything around it.
type format interface {
	// compress appends the payload to dst and the JSON text of the metadata to meta.
	compress(w *work, dst, meta []byte) ([]byte, []byte, error)

	// decompress fills w.out from a payload of the tensor's shape and its metadata text.
	decompress(w *work, payload, meta []byte) error
}

// codec makes a compressors.Codec of a format.
type codec struct {
	format
	caps compressors.Capabilities
}

// define registers a format under kvshuttle/name.
func define(name, doc string, caps compressors.Capabilities, f format) {
	if caps.Streaming == "" {
		caps.Streaming = "tensor"
	}
	compressors.Register(registry.Family[compressors.Codec, struct{}]{
		Name: "kvshuttle/" + name, Doc: doc, Source: "KVShuttle 768c6d7", Tags: []string{"kvshuttle"},
		New: func(struct{}) (compressors.Codec, error) { return &codec{f, caps}, nil },
	})
}

// work is the scratch of one call: the tensor as float16 values, and where results go.
type work struct {
	kv.Shape
	src   kv.Tensor // what is compressed
	vals  []float32 // one layer, widened or to be stored: a layer stays in the caches
	bits  []uint16
	out   kv.Tensor
	meta  []byte
	codes []byte
	f32   []float32
	side  [2][]float32 // kept tokens or factors of keys and values
	more  []float32
	ints  [3][]int
}

var pool = sync.Pool{New: func() any { return new(work) }}

// grow returns a slice of n elements, reusing s where it is large enough; its content is not
// cleared.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// widen sets dst to one head of one layer of the source, rounded to float16.
func (w *work) widen(dst []float32, side kv.Side, l, h int) {
	plane := w.src.Plane(side, l, h)
	w.src.DType.Widen(dst, plane)
	if w.src.DType != kv.F16 {
		w.bits = grow(w.bits, len(plane))
		kern.NarrowF16(w.bits, dst)
		kern.WidenF16(dst, w.bits)
	}
}

// layer returns one layer of the source: [H][S][D]. It lives in w.vals until the next call.
func (w *work) layer(side kv.Side, l int) []float32 {
	xs := w.layerRoom(side)
	n := w.Tokens * w.Dim(side)
	for h := range w.Heads {
		w.widen(xs[h*n:(h+1)*n], side, l, h)
	}
	return xs
}

// slice returns one head of one layer of the source: [S][D]. It lives in w.vals likewise.
func (w *work) slice(side kv.Side, l, h int) []float32 {
	xs := w.sliceRoom(side)
	w.widen(xs, side, l, h)
	return xs
}

// layerRoom returns room for one layer in w.vals, which is not cleared.
func (w *work) layerRoom(side kv.Side) []float32 {
	w.vals = grow(w.vals, w.Heads*w.Tokens*w.Dim(side))
	return w.vals
}

// sliceRoom returns room for one head of one layer in w.vals.
func (w *work) sliceRoom(side kv.Side) []float32 {
	w.vals = grow(w.vals, w.Tokens*w.Dim(side))
	return w.vals
}

// store writes float32 results to one head of one layer, through float16.
func (w *work) store(side kv.Side, l, h int, vals []float32) {
	w.bits = grow(w.bits, len(vals))
	kern.NarrowF16(w.bits, vals)
	w.storeBits(side, l, h, w.bits)
}

// storeBits writes float16 patterns to one head of one layer of the output.
func (w *work) storeBits(side kv.Side, l, h int, bits []uint16) {
	plane := w.out.Plane(side, l, h)
	if w.out.DType == kv.F16 {
		copy(plane, bits)
		return
	}
	for i, b := range bits {
		plane[i] = w.out.DType.Bits(kern.F16ToF32(b))
	}
}

// storeLayer writes one layer of results [H][S][D] through float16.
func (w *work) storeLayer(side kv.Side, l int, vals []float32) {
	n := w.Tokens * w.Dim(side)
	for h := range w.Heads {
		w.store(side, l, h, vals[h*n:(h+1)*n])
	}
}

func (c *codec) Capabilities() compressors.Capabilities { return c.caps }

func (c *codec) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if src.ValueDim == 0 || src.Tokens == 0 {
		return dst, fmt.Errorf("%w: KVShuttle's codecs want at least one token, and values",
			compressors.ErrUnsupported)
	}
	w := pool.Get().(*work)
	defer pool.Put(w)
	w.Shape, w.src = src.Shape, src
	dst, meta, err := c.compress(w, dst, w.meta[:0])
	w.meta, w.src = meta, kv.Tensor{}
	if err != nil {
		return dst, err
	}
	dst = append(dst, meta...)
	return binary.LittleEndian.AppendUint32(dst, uint32(len(meta))), nil
}

// errLength is returned by formats for a payload of the wrong length.
var errLength = errors.New("payload length does not fit the shape")

func (c *codec) Decompress(dst kv.Tensor, src []byte) error {
	payload, meta, err := split(src)
	if err != nil {
		return err
	}
	if dst.ValueDim == 0 || dst.Tokens == 0 {
		return fmt.Errorf("%w: no tensor of this shape is compressed", compressors.ErrCorrupt)
	}
	w := pool.Get().(*work)
	defer pool.Put(w)
	w.Shape, w.out = dst.Shape, dst
	err = c.decompress(w, payload, meta)
	w.out = kv.Tensor{}
	if err != nil {
		return fmt.Errorf("%w: %v", compressors.ErrCorrupt, err)
	}
	return nil
}

// split cuts one of our payloads into KVShuttle's payload and metadata text.
func split(src []byte) (payload, meta []byte, err error) {
	n := len(src) - 4
	if n < 0 {
		return nil, nil, fmt.Errorf("%w: cut short", compressors.ErrCorrupt)
	}
	m := int64(binary.LittleEndian.Uint32(src[n:]))
	if m > int64(n) {
		return nil, nil, fmt.Errorf("%w: metadata of %d bytes in %d", compressors.ErrCorrupt, m, n)
	}
	return src[:n-int(m)], src[n-int(m) : n], nil
}

func (c *codec) AppendSections(dst []compressors.Section, _ kv.Tensor, src []byte) (
	[]compressors.Section, error) {
	payload, meta, err := split(src)
	return append(dst, compressors.Section{Kind: compressors.Codes, Bytes: len(payload)},
		compressors.Section{Kind: compressors.Header, Bytes: len(meta) + 4}), err
}

// Unwrap returns KVShuttle's payload, without the metadata.
func (c *codec) Unwrap(_ kv.Tensor, src []byte) ([]byte, error) {
	payload, _, err := split(src)
	return payload, err
}

// Inspect returns what KVShuttle itself says of the payload: metadata_json, its ratio (payload
// and metadata text, against float16), and the message that it would put on the wire.
func (c *codec) Inspect(head kv.Tensor, src []byte) (map[string]any, error) {
	payload, meta, err := split(src)
	if err != nil {
		return nil, err
	}
	size := sha256.New()
	n := writeWire(size, head, payload, meta)
	return map[string]any{
		"metadata_json":   string(meta),
		"payload_bytes":   len(payload),
		"wire_len":        n,
		"wire_sha256":     hex.EncodeToString(size.Sum(nil)),
		"kvshuttle_ratio": float64(head.RawBytes()) / float64(len(payload)+len(meta)),
	}, nil
}

// WireLen returns the length of the message that KVShuttle would send for one of our payloads.
func WireLen(head kv.Tensor, src []byte) (int, error) {
	payload, meta, err := split(src)
	if err != nil {
		return 0, err
	}
	return 4 + len(wireHeader(head, payload, meta)) + len(payload), nil
}

// Ratio returns KVShuttle's own compression ratio of one of our payloads.
func Ratio(head kv.Tensor, src []byte) (float64, error) {
	payload, meta, err := split(src)
	return float64(head.RawBytes()) / float64(len(payload)+len(meta)), err
}

// writeWire writes the wire message: a big-endian length, the metadata with six bookkeeping
// fields, the payload. It returns its length.
func writeWire(h hash.Hash, head kv.Tensor, payload, meta []byte) int {
	text := wireHeader(head, payload, meta)
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
	h.Write(text)
	h.Write(payload)
	return 4 + len(text) + len(payload)
}

func wireHeader(head kv.Tensor, payload, meta []byte) []byte {
	text := append([]byte(nil), meta[:len(meta)-1]...) // without the closing brace
	return fmt.Appendf(text, ", \"_original_size_bytes\": %d, \"_compressed_size_bytes\": %d, "+
		"\"_num_layers\": %d, \"_num_heads\": %d, \"_seq_len\": %d, \"_head_dim\": %d}",
		head.RawBytes(), len(payload), head.Layers, head.Heads, head.Tokens, head.KeyDim)
}
