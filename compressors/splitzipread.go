package compressors

import (
	"encoding/binary"
	"sync"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// Decompress implements Codec.
func (splitzip) Decompress(dst kv.Tensor, src []byte) error {
	if dst.DType != kv.BF16 {
		return corrupt("splitzip holds bf16, not %v", dst.DType)
	}
	c := zipReaders.Get().(*zipReader)
	defer zipReaders.Put(c)
	c.stream = dst.RawBytes() >= kern.StreamBytes
	for _, side := range kv.Sides {
		if dst.Elements(side) == 0 {
			continue
		}
		for l := range dst.Layers {
			if len(src) < zipBook {
				return corrupt("the book of layer %d of %v is cut short", l, side)
			}
			book := [zipBook]byte(src)
			c.init(&book)
			src = src[zipBook:]
			for h := range dst.Heads {
				plane := dst.Plane(side, l, h)
				if c.stream {
					kern.FetchPages(asBytes(plane))
				}
				for len(plane) > 0 {
					n := min(len(plane), zipChunk)
					var ok bool
					if src, ok = c.readChunk(plane[:n], src); !ok {
						return corrupt("a chunk of layer %d of %v, head %d is damaged", l, side, h)
					}
					plane = plane[n:]
				}
			}
		}
	}
	if c.stream {
		kern.StreamFence()
	}
	if len(src) > 0 {
		return corrupt("%d bytes too many", len(src))
	}
	return nil
}

// A zipReader is what one call works with.
type zipReader struct {
	book   kern.ExponentBook
	pairs  [256]uint32 // of two indices, the exponents where two bfloat16 side by side have them
	stream bool        // write around the caches
	chunk  [zipChunk]uint16
}

var zipReaders = sync.Pool{New: func() any { return new(zipReader) }}

func (c *zipReader) init(book *[zipBook]byte) {
	c.book.Init(book)
	for hi, e := range book {
		for lo, f := range book {
			c.pairs[hi<<4|lo] = uint32(e)<<23 | uint32(f)<<7
		}
	}
}

// readChunk fills dst from the chunk at the start of src and returns what follows it.
func (c *zipReader) readChunk(dst []uint16, src []byte) ([]byte, bool) {
	if len(src) < zipHead {
		return nil, false
	}
	n, escapes := len(dst), int(binary.LittleEndian.Uint16(src))
	src = src[zipHead:]
	if escapes == zipRaw {
		if len(src) < 2*n {
			return nil, false
		}
		readBits(dst, src)
		return src[2*n:], true
	}
	planes := n + (n+1)/2
	if escapes > n || len(src) < planes+zipPerEsc*escapes {
		return nil, false
	}
	if escapes == 0 {
		c.decode(dst, src[:n], src[n:planes], c.stream)
		return src[planes:], true
	}
	whole := dst
	if c.stream { // a line must be complete before it goes around the caches
		dst = c.chunk[:n]
	}
	c.decode(dst, src[:n], src[n:planes], false)
	where := src[planes : planes+2*escapes]
	src = src[planes+2*escapes:]
	for i, e := range src[:escapes] {
		at := int(binary.LittleEndian.Uint16(where[2*i:]))
		if at >= n {
			return nil, false
		}
		dst[at] = dst[at]&0x807f | uint16(e)<<7
	}
	if c.stream {
		kern.StreamCopy(asBytes(whole), asBytes(dst))
	}
	return src[escapes:], true
}

// decode merges the two planes of a chunk.
func (c *zipReader) decode(dst []uint16, rest, index []byte, stream bool) {
	p := &c.pairs
	i := kern.MergeExponents(dst, rest, index, &c.book, stream)
	for ; i+8 <= len(dst); i += 8 {
		x := binary.LittleEndian.Uint64(rest[i:])
		j := binary.LittleEndian.Uint32(index[i/2:])
		d := (*[8]uint16)(dst[i:])
		a := zipUnrest(x&0xffffffff) | uint64(p[j&0xff]) | uint64(p[j>>8&0xff])<<32
		b := zipUnrest(x>>32) | uint64(p[j>>16&0xff]) | uint64(p[j>>24])<<32
		d[0], d[1], d[2], d[3] = uint16(a), uint16(a>>16), uint16(a>>32), uint16(a>>48)
		d[4], d[5], d[6], d[7] = uint16(b), uint16(b>>16), uint16(b>>32), uint16(b>>48)
	}
	for ; i < len(dst); i++ {
		e := p[index[i/2]] >> (16 * (i & 1))
		dst[i] = uint16(e) | uint16(rest[i])&0x80<<8 | uint16(rest[i])&0x7f
	}
}

// zipUnrest undoes zipRest, with zeros for the exponents.
func zipUnrest(x uint64) uint64 {
	x = stretch4(x)
	return x&0x0080008000800080<<8 | x&0x007f007f007f007f
}

// AppendSections implements Sectioner. The parts of chunks alternate: the sizes are totals.
func (splitzip) AppendSections(dst []Section, head kv.Tensor, src []byte) ([]Section, error) {
	var tables, headers, codes, escapes, raw int
	for _, side := range kv.Sides {
		values := head.Tokens * head.Dim(side)
		if values == 0 {
			continue
		}
		for range head.Layers {
			tables += min(zipBook, len(src))
			src = src[min(zipBook, len(src)):]
			for range head.Heads {
				for left := values; left > 0; left -= zipChunk {
					n := min(left, zipChunk)
					if len(src) < zipHead {
						return dst, corrupt("a chunk is cut short")
					}
					size, more := n+(n+1)/2, int(binary.LittleEndian.Uint16(src))
					if more == zipRaw {
						size, more = 2*n, 0
						raw += size
					} else {
						codes += size
					}
					if size += zipHead + zipPerEsc*more; size > len(src) {
						return dst, corrupt("a chunk is cut short")
					}
					headers, escapes = headers+zipHead, escapes+zipPerEsc*more
					src = src[size:]
				}
			}
		}
	}
	if len(src) > 0 {
		return dst, corrupt("%d bytes too many", len(src))
	}
	return append(dst, Section{Tables, tables}, Section{Header, headers}, Section{Codes, codes},
		Section{Indices, escapes}, Section{Raw, raw}), nil
}
