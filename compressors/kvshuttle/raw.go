package kvshuttle

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
)

// raw is KVShuttle's identity: keys, then values, as float16. Unlike compressors' identity it
// charges its metadata.
type raw struct{}

func init() {
	define("identity", "float16 as it is, with metadata", compressors.Capabilities{}, raw{},
		certify(append(onFallback(.999993, 0, 0), unchanged())))
	define("lossless_zstd", "one zstd frame, level 3, over the raw float16 bytes, no plane split",
		compressors.Capabilities{}, rawCoded{zstdCoder{}}, smaller("1.099"))
	define("lossless_lz4", "one lz4 frame over the raw float16 bytes, no plane split",
		compressors.Capabilities{}, rawCoded{lz4Coder{}}, smaller("1.016"))
}

// smaller is the certificate of a lossless codec, whose ratio depends on the data.
func smaller(ratio string) compressors.Certificate {
	c := certify([]compressors.Anchor{unchanged()})
	c.Beyond = append(c.Beyond, compressors.Claim{
		Says:  "ratio " + ratio + " (KVShuttle 768c6d7, confidence_intervals.json, compression_sweep_cis)",
		Takes: "the caches that it was measured on, which are not published"})
	return c
}

func rawBytes(s kv.Shape, side kv.Side) int { return 2 * s.Elements(side) }

func (raw) compress(w *work, dst, meta []byte) ([]byte, []byte, error) {
	dst = slices.Grow(dst, w.RawBytes())
	dst = appendBits(appendBits(dst, w.flat(kv.K)), w.flat(kv.V))
	o := rawMeta(w, meta)
	return dst, o.close(), nil
}

// rawMeta writes the metadata that identity and the lossless codecs share.
func rawMeta(w *work, meta []byte) object {
	o := newObject(meta)
	o.shapes(w.Shape)
	o.text("key_dtype", "float16")
	o.text("val_dtype", "float16")
	o.int("key_bytes_len", rawBytes(w.Shape, kv.K))
	return o
}

func (raw) decompress(w *work, payload, _ []byte) error {
	if len(payload) != w.RawBytes() {
		return errLength
	}
	c := cutter{payload}
	for _, side := range kv.Sides {
		readBits(w.room(side), c.take(2*w.Elements(side)))
		w.done(side)
	}
	return nil
}

// rawCoded is raw behind a general-purpose byte coder.
type rawCoded struct{ coder byteCoder }

// A byteCoder codes keys and values, whose bytes lie apart, as if they were one run. What decode
// gives them holds rubbish before.
type byteCoder interface {
	encode(w *work, dst, keys, values []byte) ([]byte, error)
	decode(w *work, keys, values, src []byte) error
}

func (c rawCoded) compress(w *work, dst, meta []byte) ([]byte, []byte, error) {
	dst, err := c.coder.encode(w, dst, asPayload(w.flat(kv.K)), asPayload(w.flat(kv.V)))
	o := rawMeta(w, meta)
	o.int("original_len", w.RawBytes())
	return dst, o.close(), err
}

func (c rawCoded) decompress(w *work, payload, _ []byte) error {
	k, v := w.room(kv.K), w.room(kv.V)
	if littleEndian {
		if err := c.coder.decode(w, inMemory(k), inMemory(v), payload); err != nil {
			return err
		}
	} else {
		keys, values := make([]byte, 2*len(k)), make([]byte, 2*len(v))
		if err := c.coder.decode(w, keys, values, payload); err != nil {
			return err
		}
		readBits(k, keys)
		readBits(v, values)
	}
	w.done(kv.K)
	w.done(kv.V)
	return nil
}

// zstdCoder is zstd at level 3 with the content size in the frame and no checksum, as the Python
// binding writes it. Sizes differ from the C library's: the format is the same, the search is not.
type zstdCoder struct{}

var zstdDecoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(math.MaxInt64))
	if err != nil {
		panic(err)
	}
	return d
}}

var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true),
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(3)), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return e
})

// Both ways zstd wants one run, and the content size before the content: the sides are copied.
func (zstdCoder) encode(w *work, dst, keys, values []byte) ([]byte, error) {
	w.codes = append(append(grow(w.codes, len(keys)+len(values))[:0], keys...), values...)
	return zstdEncoder().EncodeAll(w.codes, dst), nil
}

func (zstdCoder) decode(w *work, keys, values, src []byte) error {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return err
	}
	want := len(keys) + len(values)
	if !h.HasFCS || h.FrameContentSize != uint64(want) {
		return fmt.Errorf("a frame of %d bytes, want %d", h.FrameContentSize, want)
	}
	d := zstdDecoders.Get().(*zstd.Decoder)
	defer zstdDecoders.Put(d)
	var err error
	if w.codes, err = d.DecodeAll(src, grow(w.codes, want)[:0]); err != nil {
		return err
	}
	if len(w.codes) != want {
		return fmt.Errorf("%d bytes inside, want %d", len(w.codes), want)
	}
	copy(keys, w.codes)
	copy(values, w.codes[len(keys):])
	return nil
}

// lz4Coder is an lz4 frame with the library's defaults.
type lz4Coder struct{}

func (lz4Coder) encode(_ *work, dst, keys, values []byte) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	w := lz4.NewWriter(buf)
	for _, side := range [][]byte{keys, values} {
		if _, err := w.Write(side); err != nil {
			return dst, err
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

func (lz4Coder) decode(_ *work, keys, values, src []byte) error {
	r := lz4.NewReader(bytes.NewReader(src))
	for _, side := range [][]byte{keys, values} {
		if n, err := io.ReadFull(r, side); err != nil {
			return fmt.Errorf("%d bytes inside, want %d: %w", n, len(side), err)
		}
	}
	if n, err := r.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return fmt.Errorf("more than %d bytes inside, or no end: %v", len(keys)+len(values), err)
	}
	return nil
}
