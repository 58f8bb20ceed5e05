package compressors

import (
	"encoding/binary"
	"slices"

	"kvgauge/compressors/kv"
)

// appendRaw appends the patterns of every plane, keys first, little-endian.
func appendRaw(dst []byte, src kv.Tensor) []byte {
	n := len(dst)
	dst = growBytes(dst, src.RawBytes())
	out := dst[n:]
	for _, side := range kv.Sides {
		if src.Dim(side) == 0 {
			continue
		}
		for l := range src.Layers {
			out = putLayer(out, src, side, l)
		}
	}
	return dst
}

// putLayer writes the patterns of one layer of one side and returns what is left of dst.
func putLayer(dst []byte, src kv.Tensor, side kv.Side, layer int) []byte {
	for h := range src.Heads {
		plane := src.Plane(side, layer, h)
		putBits(dst, plane)
		dst = dst[2*len(plane):]
	}
	return dst
}

// readLayer undoes putLayer and returns what is left of src.
func readLayer(dst kv.Tensor, side kv.Side, layer int, src []byte) []byte {
	for h := range dst.Heads {
		plane := dst.Plane(side, layer, h)
		readBits(plane, src)
		src = src[2*len(plane):]
	}
	return src
}

// growBytes extends dst by n bytes of arbitrary content.
func growBytes(dst []byte, n int) []byte { return slices.Grow(dst, n)[:len(dst)+n] }

func putUint32(b []byte, x uint32) { binary.LittleEndian.PutUint32(b, x) }

func getUint32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

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
