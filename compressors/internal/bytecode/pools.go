package bytecode

import (
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Buffer returns a pooled slice of n bytes, whose contents are arbitrary; Release takes it back.
func Buffer(n int) *[]byte {
	b := buffers.Get().(*[]byte)
	*b = slices.Grow((*b)[:0], n)[:n]
	return b
}

// Release gives back what Buffer returned. The caller must not use it afterwards.
func Release(b *[]byte) { buffers.Put(b) }

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// zstdLevels are klauspost's, by the names that it prints.
var zstdLevels = [...]zstd.EncoderLevel{
	zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression, zstd.SpeedBestCompression,
}

var zstdEncoders [len(zstdLevels)]sync.Pool

// zstdDecoders never write beyond the capacity that they are given, whatever a frame claims.
var zstdDecoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderLowmem(true))
	if err != nil {
		panic("bytecode: " + err.Error()) // the options are constants
	}
	return d
}}

// ZstdLevel returns the index of a level called fastest, default, better or best.
func ZstdLevel(name string) (int, error) {
	for i, l := range zstdLevels {
		if l.String() == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("level is %q, want fastest, default, better or best", name)
}

// AppendZstd appends src as a zstd frame, without checksum.
func AppendZstd(dst, src []byte, level int) []byte {
	e, ok := zstdEncoders[level].Get().(*zstd.Encoder)
	if !ok {
		var err error
		e, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithEncoderLevel(zstdLevels[level]), zstd.WithZeroFrames(true))
		if err != nil {
			panic("bytecode: " + err.Error())
		}
	}
	defer zstdEncoders[level].Put(e)
	return e.EncodeAll(src, dst)
}

// ReadZstd fills dst from a zstd frame; it returns false if src is none, or of another length.
func ReadZstd(dst, src []byte) bool {
	d := zstdDecoders.Get().(*zstd.Decoder)
	defer zstdDecoders.Put(d)
	out, err := d.DecodeAll(src, dst[:0:len(dst)])
	return err == nil && len(out) == len(dst)
}
