package compressors

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// splitzip is SplitZip (arXiv 2605.01708): of each bfloat16 the sign and the fraction stay as they
// are, one byte; the exponent, which takes few values, becomes a 4-bit index into a book of the 16
// most frequent ones. What the book lacks escapes: a position in its chunk and the exponent. No
// step depends on the one before, which is why it runs at the speed of memory on a GPU:
// 12 + 24·(share of escapes) bits a value, at best 1.333 times smaller.
//
// binary16 is refused: 5 exponent bits less a 4-bit index can save one bit at most.
//
// Departures: the paper's book is made ahead of time and travels out of band; here each layer of K
// and of V fits one and carries it, ordered by frequency in a sample of up to 16,384 values, ties
// by value. The released code bills 56 bits an escape, here it is the paper's 24. A chunk with so
// many escapes that it would grow is kept raw.
//
// Payload, for each layer of K, then of V: the book, 16 bytes; then for each head its chunks of
// 1024 values, the last one shorter:
//
//	u16          escapes, or 0xffff: the chunk's patterns follow as they are
//	1024 bytes   sign and fraction
//	512 bytes    indices, the first of two in the low nibble; 0 for an escape
//	u16 each     the escapes' positions, rising
//	u8 each      their exponents
type splitzip struct{}

const (
	zipChunk   = 1024
	zipBook    = 16
	zipSample  = 1 << 14 // values that a book is fitted to
	zipRaw     = 0xffff  // in the place of a number of escapes
	zipPerEsc  = 3       // bytes
	zipHead    = 2       // bytes before a chunk
	zipEscaped = 0x10    // what a zipCode holds for exponents outside the book
)

func init() {
	Register(registry.Family[Codec, struct{}]{
		Name: "splitzip", Doc: "4-bit indices for the exponents of bfloat16, the rest raw",
		Source: "SplitZip, arXiv 2605.01708", Tags: []string{"lossless"},
		New: func(struct{}) (Codec, error) { return splitzip{}, nil },
	})
	Certify("splitzip", Certificate{
		Deviations: []string{
			"each layer of keys and of values fits its own book and carries it, where the paper's is made " +
				"ahead of time and travels out of band",
			"an escape costs the paper's 24 bits, where the released code bills 56",
			"a chunk that would grow is kept raw",
		},
		Anchors: []Anchor{
			exactOn(WhiteBF16, "arXiv 2605.01708: bit for bit", Published),
			{Source: WhiteBF16, Measure: BitsPerValue, Want: 12.019, Within: .002, Basis: Rate,
				From: "12 + 24·(9.9e-5 escapes), 2 bytes of 1,024 values, 16 bytes of a layer"},
			{Source: SmolLM2BF16, Measure: FrameRatio, Want: 1.32, Bound: AtLeast, Basis: Published,
				From: "arXiv 2605.01708: 1.32 to 1.33, there on Qwen3-32B"},
		},
		Beyond: []Claim{{"613.3 GB/s to compress and 2,181.8 GB/s to decompress, 1.32 times faster transfer " +
			"(arXiv 2605.01708)", "the authors' kernels on an H200"}},
		UseWhen: "bfloat16, without loss, and faster than the link: 1.33 times smaller, at memory speed",
	})
}

// Capabilities implements Codec.
func (splitzip) Capabilities() Capabilities {
	return Capabilities{Lossless: true, KeyOnly: true, Streaming: "layer"}
}

// AppendCompress implements Codec.
func (splitzip) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if src.DType != kv.BF16 {
		return dst, fmt.Errorf("%w: splitzip takes bf16, got %v, of which a 4-bit index for the "+
			"exponent can save one bit at most", ErrUnsupported, src.DType)
	}
	c := zipCodes.Get().(*zipCode)
	defer zipCodes.Put(c)
	c.out.open(dst, src.RawBytes())
	for _, side := range kv.Sides {
		if src.Elements(side) == 0 {
			continue
		}
		for l := range src.Layers {
			book := fitZipBook(src, side, l)
			c.init(&book)
			c.out.advance(copy(c.out.room(zipBook), book[:]))
			for h := range src.Heads {
				c.addPlane(src.Plane(side, l, h))
			}
		}
	}
	return c.out.close(), nil
}

// fitZipBook returns the most frequent exponents of a layer, or of a sample of it: lines of 32
// values at even distances, an odd number of lines apart so that they meet every channel.
func fitZipBook(src kv.Tensor, side kv.Side, layer int) (book [zipBook]byte) {
	const line = 32
	step := line
	if n := src.Elements(side) / src.Layers; n > zipSample {
		step = line * ((n+zipSample-1)/zipSample | 1)
	}
	var counts [4][256]uint32
	for h := range src.Heads {
		next := src.Plane(side, layer, min(h+1, src.Heads-1))
		kern.CountExponents(&counts, src.Plane(side, layer, h), next, step, h > 0)
	}
	c := &counts[0]
	for e := range c {
		c[e] += counts[1][e] + counts[2][e] + counts[3][e]
	}
	return mostFrequent(c)
}

// mostFrequent returns the values that were counted most often, the most frequent first, ties by
// value.
func mostFrequent(counts *[256]uint32) (book [zipBook]byte) {
	var top [zipBook + 1]uint64 // falling: how often, then 255 less the value
	for v, n := range counts {
		key := uint64(n)<<8 | uint64(255-v)
		i := zipBook
		for ; i > 0 && (v < i || key > top[i-1]); i-- {
			top[i] = top[i-1]
		}
		top[i] = key
	}
	for i := range book {
		book[i] = byte(255 - top[i]&0xff)
	}
	return book
}

// A zipCode maps exponents to indices of a book, and is what one call works with.
type zipCode struct {
	index  [256]byte // zipEscaped if not in the book
	book   kern.ExponentBook
	at     [zipChunk]uint16 // positions of escapes
	missed [zipChunk / 32]uint32
	out    stage
}

var zipCodes = sync.Pool{New: func() any { return new(zipCode) }}

func (c *zipCode) init(book *[zipBook]byte) {
	c.book.Init(book)
	for e := range c.index {
		c.index[e] = zipEscaped
	}
	for i, e := range book {
		c.index[e] = byte(i)
	}
}

func (c *zipCode) addPlane(plane []uint16) {
	c.out.expect(len(plane) / zipChunk * kern.ChunkBytes)
	for len(plane) > 0 {
		if whole := len(plane) &^ (zipChunk - 1); whole > 0 && kern.CanSplitChunks() {
			n, missed := c.out.split(plane[:whole], &c.missed, &c.book)
			if plane = plane[n:]; missed {
				c.endChunk(plane[:zipChunk], c.findMissed(zipChunk))
				plane = plane[zipChunk:]
			}
			if n > 0 || missed {
				continue
			}
		}
		n := min(len(plane), zipChunk)
		c.addChunk(plane[:n])
		plane = plane[n:]
	}
}

func (c *zipCode) addChunk(src []uint16) {
	n := len(src)
	planes := n + (n+1)/2
	out := c.out.room(zipHead + 2*n + 1)[zipHead:]
	c.endChunk(src, c.encode(out[:n], out[n:planes], src))
}

// endChunk completes a chunk of which there are the planes.
func (c *zipCode) endChunk(src []uint16, escapes int) {
	n := len(src)
	planes := n + (n+1)/2
	all := c.out.room(zipHead + 2*n + 1)
	out := all[zipHead:]
	if planes+zipPerEsc*escapes > 2*n {
		binary.LittleEndian.PutUint16(all, zipRaw)
		putBits(out, src)
		c.out.advance(zipHead + 2*n)
		return
	}
	binary.LittleEndian.PutUint16(all, uint16(escapes))
	where, what := out[planes:], out[planes+2*escapes:]
	for i, p := range c.at[:escapes] {
		binary.LittleEndian.PutUint16(where[2*i:], p)
		what[i] = byte(src[p] >> 7)
	}
	c.out.advance(zipHead + planes + zipPerEsc*escapes)
}

// encode writes the two planes of a chunk and leaves the positions of escapes in c.at; it returns
// how many there are.
func (c *zipCode) encode(rest, index []byte, src []uint16) int {
	i, some := kern.SplitExponents(rest, index, c.missed[:], src, &c.book)
	escapes := 0
	if some {
		escapes = c.findMissed(i)
	}
	for ; i+8 <= len(src); i += 8 {
		s := (*[8]uint16)(src[i:])
		a, b := load4(s[:]), load4(s[4:])
		binary.LittleEndian.PutUint64(rest[i:], zipRest(a)|zipRest(b)<<32)
		x := uint64(c.index[a>>7&0xff]) | uint64(c.index[a>>23&0xff])<<8 |
			uint64(c.index[a>>39&0xff])<<16 | uint64(c.index[a>>55&0xff])<<24 |
			uint64(c.index[b>>7&0xff])<<32 | uint64(c.index[b>>23&0xff])<<40 |
			uint64(c.index[b>>39&0xff])<<48 | uint64(c.index[b>>55&0xff])<<56
		if x&0x1010101010101010 != 0 {
			for k := range s {
				c.at[escapes] = uint16(i + k)
				escapes += int(x >> (8*k + 4) & 1)
			}
			x &= 0x0f0f0f0f0f0f0f0f
		}
		binary.LittleEndian.PutUint32(index[i/2:], uint32(squeeze4(x|x>>4)))
	}
	for ; i < len(src); i++ {
		rest[i] = byte(src[i]>>8&0x80 | src[i]&0x7f)
		x := c.index[src[i]>>7&0xff]
		if x == zipEscaped {
			c.at[escapes] = uint16(i)
			escapes++
			x = 0
		}
		if i&1 == 0 {
			index[i/2] = x
		} else {
			index[i/2] |= x << 4
		}
	}
	return escapes
}

// findMissed lists the escapes of the first n values of a chunk, a multiple of 64.
func (c *zipCode) findMissed(n int) int {
	escapes := 0
	for k := 0; k+1 < n/32; k += 2 {
		for m := uint64(c.missed[k]) | uint64(c.missed[k+1])<<32; m != 0; m &= m - 1 {
			c.at[escapes] = uint16(32*k + bits.TrailingZeros64(m))
			escapes++
		}
	}
	return escapes
}

// zipRest brings sign and fraction of four lanes together in four bytes.
func zipRest(x uint64) uint64 {
	return squeeze4(x>>8&0x0080008000800080 | x&0x007f007f007f007f)
}
