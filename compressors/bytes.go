package compressors

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"kvgauge/compressors/kv"
)

// appendRaw appends the patterns of every plane, keys first, little-endian.
func appendRaw(dst []byte, src kv.Tensor) []byte {
	n := len(dst)
	dst = growBytes(dst, src.RawBytes())
	out := dst[n:]
	for _, side := range kv.Sides {
		out = putPlanes(out, src, side, 0, src.Layers*src.Heads)
	}
	return dst
}

// readRaw undoes appendRaw, of src as long as dst's patterns.
func readRaw(dst kv.Tensor, src []byte) {
	for _, side := range kv.Sides {
		src = readPlanes(dst, side, 0, dst.Layers*dst.Heads, src)
	}
}

// putLayer writes the patterns of one layer of one side and returns what is left of dst.
func putLayer(dst []byte, src kv.Tensor, side kv.Side, layer int) []byte {
	return putPlanes(dst, src, side, layer*src.Heads, (layer+1)*src.Heads)
}

// readLayer undoes putLayer and returns what is left of src.
func readLayer(dst kv.Tensor, side kv.Side, layer int, src []byte) []byte {
	return readPlanes(dst, side, layer*dst.Heads, (layer+1)*dst.Heads, src)
}

// putPlanes writes the patterns of planes [from, to) of one side and returns what is left of dst.
// Planes that lie side by side are copied in one go: of a long one, copy fetches no line of dst.
func putPlanes(dst []byte, src kv.Tensor, side kv.Side, from, to int) []byte {
	if all, ok := planes(src, side, from, to); ok {
		putBits(dst, all)
		return dst[2*len(all):]
	}
	for i := from; i < to; i++ {
		plane := src.Plane(side, i/src.Heads, i%src.Heads)
		putBits(dst, plane)
		dst = dst[2*len(plane):]
	}
	return dst
}

// readPlanes undoes putPlanes and returns what is left of src.
func readPlanes(dst kv.Tensor, side kv.Side, from, to int, src []byte) []byte {
	if all, ok := planes(dst, side, from, to); ok {
		readBits(all, src)
		return src[2*len(all):]
	}
	for i := from; i < to; i++ {
		plane := dst.Plane(side, i/dst.Heads, i%dst.Heads)
		readBits(plane, src)
		src = src[2*len(plane):]
	}
	return src
}

// planes returns planes [from, to) of one side if they lie side by side.
func planes(t kv.Tensor, side kv.Side, from, to int) ([]uint16, bool) {
	if !t.Contiguous() {
		return nil, false
	}
	n := t.Tokens * t.Dim(side)
	return t.Bits[side][from*n : to*n], true
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

// littleEndian says whether patterns lie in memory as they do in payloads.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// asBytes returns the memory of bits.
func asBytes(bits []uint16) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(bits))), 2*len(bits))
}

// putBits writes 16-bit patterns little-endian to the first 2*len(src) bytes of dst.
func putBits(dst []byte, src []uint16) {
	dst = dst[:2*len(src)]
	if littleEndian {
		copy(dst, asBytes(src))
		return
	}
	for i, b := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], b)
	}
}

// readBits reads len(dst) little-endian patterns.
func readBits(dst []uint16, src []byte) {
	src = src[:2*len(dst)]
	if littleEndian {
		copy(asBytes(dst), src)
		return
	}
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint16(src[2*i:])
	}
}
