package compressors

import (
	"encoding/binary"

	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// identity sends the cache as it is: keys, then values, little-endian patterns in layer, head,
// token, channel order. It is what every other codec is compared with.
type identity struct{}

func init() {
	Register(registry.Family[Codec, struct{}]{
		Name: "identity", Doc: "the cache as it is: the baseline", Source: "this repository",
		Tags: []string{"lossless"},
		New:  func(struct{}) (Codec, error) { return identity{}, nil },
	})
}

func (identity) Capabilities() Capabilities {
	return Capabilities{Lossless: true, FixedRate: true, KeyOnly: true, Streaming: "token"}
}

func (identity) PredictedBytes(head kv.Tensor) int { return head.RawBytes() }

func (identity) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	return appendRaw(dst, src), nil
}

func (identity) Decompress(dst kv.Tensor, src []byte) error {
	if len(src) != dst.RawBytes() {
		return corrupt("%d bytes, want %d", len(src), dst.RawBytes())
	}
	readRaw(dst, src)
	return nil
}

func (identity) AppendSections(dst []Section, _ kv.Tensor, payload []byte) ([]Section, error) {
	return append(dst, Section{Raw, len(payload)}), nil
}

// appendRaw appends the patterns of every plane, keys first, little-endian.
func appendRaw(dst []byte, src kv.Tensor) []byte {
	for _, side := range kv.Sides {
		if src.Dim(side) == 0 {
			continue
		}
		for l := range src.Layers {
			for h := range src.Heads {
				dst = appendBits(dst, src.Plane(side, l, h))
			}
		}
	}
	return dst
}

// readRaw undoes appendRaw; src has dst.RawBytes() bytes.
func readRaw(dst kv.Tensor, src []byte) {
	for _, side := range kv.Sides {
		if dst.Dim(side) == 0 {
			continue
		}
		for l := range dst.Layers {
			for h := range dst.Heads {
				plane := dst.Plane(side, l, h)
				readBits(plane, src)
				src = src[2*len(plane):]
			}
		}
	}
}

// appendBits appends 16-bit patterns little-endian.
func appendBits(dst []byte, src []uint16) []byte {
	n := len(dst)
	dst = append(dst, make([]byte, 2*len(src))...)
	out := dst[n:]
	for i, b := range src {
		binary.LittleEndian.PutUint16(out[2*i:], b)
	}
	return dst
}

// readBits reads len(dst) little-endian patterns.
func readBits(dst []uint16, src []byte) {
	src = src[:2*len(dst)]
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint16(src[2*i:])
	}
}
