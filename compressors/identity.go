package compressors

import (
	"encoding/binary"
	"slices"

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
	dst = slices.Grow(dst, 2*len(src))[:n+2*len(src)]
	putBits(dst[n:], src)
	return dst
}

// putBits writes 16-bit patterns little-endian to the first 2*len(src) bytes of dst.
func putBits(dst []byte, src []uint16) {
	for len(src) >= 4 {
		p := (*[4]uint16)(src)
		binary.LittleEndian.PutUint64(dst,
			uint64(p[0])|uint64(p[1])<<16|uint64(p[2])<<32|uint64(p[3])<<48)
		dst, src = dst[8:], src[4:]
	}
	for i, b := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], b)
	}
}

// readBits reads len(dst) little-endian patterns.
func readBits(dst []uint16, src []byte) {
	src = src[:2*len(dst)]
	for len(dst) >= 4 {
		x := binary.LittleEndian.Uint64(src)
		p := (*[4]uint16)(dst)
		p[0], p[1], p[2], p[3] = uint16(x), uint16(x>>16), uint16(x>>32), uint16(x>>48)
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint16(src[2*i:])
	}
}
