package compressors

import (
	"encoding/binary"
	"fmt"

	"kvgauge/compressors/internal/bytecode"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// bitshuffle sends each layer through a general-purpose compressor after transposing its bits, so
// that the first bits of 4096 values stand together, then their second bits, and so on (Masui et
// al., Bitshuffle, Astronomy and Computing 12, 2015). Bits of exponents that seldom change become
// runs that even LZ4 finds; the fractions stay as random as they were.
//
// Blocks are 8 KiB; the last one is shorter, and values at its end that do not fill a group of 8
// follow as they are.
//
// Payload as that of byLayer, for each layer of K, then of V:
//
//	uvarint   length of what follows
//	the layer's bit planes, least significant first, compressed
type bitshuffle struct{ byLayer }

type bitshuffleParams struct {
	Coder string `param:"coder" doc:"what compresses the bit planes: zstd or lz4"`
}

// shuffleBlock is how many values are transposed together.
const shuffleBlock = 4096

func init() {
	Register(registry.Family[Codec, bitshuffleParams]{
		Name: "bitshuffle", Doc: "bit planes of 4096 values, then a general-purpose compressor",
		Source: "Masui et al. 2015, arXiv 1503.00638", Tags: []string{"lossless"},
		Defaults: bitshuffleParams{"zstd"}, Variants: []bitshuffleParams{{"lz4"}},
		New: func(p bitshuffleParams) (Codec, error) {
			var coder ByteCoder
			var err error
			switch p.Coder {
			case "zstd":
				coder, err = newZstd("better")
			case "lz4":
				coder, err = newLZ4(lz4Params{})
			default:
				err = fmt.Errorf("coder is %q, want zstd or lz4", p.Coder)
			}
			return byLayers(bitshuffle{byLayer{shuffledCoder{coder}}}), err
		},
	})
	Certify("bitshuffle", Certificate{
		Deviations: []string{"blocks are 8 KiB of one layer; the last is shorter"},
		Anchors: []Anchor{exactOn(White, byDefinition, Oracle), exactOn(WhiteBF16, byDefinition, Oracle),
			smolRatio("bitshuffle", SmolLM2BF16, 1.2), smolRatio("bitshuffle", SmolLM2F16, 1.03),
			smolRatio("bitshuffle:coder=lz4", SmolLM2BF16, 1.2)},
		UseWhen: "the receiver has zstd or LZ4, and half the loss-free saving is enough",
	})
}

// workBytes implements worker: one layer's patterns, and its bit planes.
func (bitshuffle) workBytes(head kv.Tensor) int {
	return 2 * max(layerBytes(head, kv.K), layerBytes(head, kv.V))
}

// shuffledCoder is a byte coder behind a transposition of the bits of 16-bit patterns.
type shuffledCoder struct{ coder ByteCoder }

func (c shuffledCoder) AppendCompress(dst, src []byte) []byte {
	planes := bytecode.Buffer(len(src))
	defer bytecode.Release(planes)
	shuffleBits(*planes, src)
	return c.coder.AppendCompress(dst, *planes)
}

func (c shuffledCoder) Decompress(dst, src []byte) bool {
	planes := bytecode.Buffer(len(dst))
	defer bytecode.Release(planes)
	if !c.coder.Decompress(*planes, src) {
		return false
	}
	unshuffleBits(dst, *planes)
	return true
}

// shuffleBits transposes the bits of little-endian 16-bit patterns, block by block; dst and src
// have equal, even length.
func shuffleBits(dst, src []byte) {
	for len(src) >= 16 {
		groups := min(len(src)/16, shuffleBlock/8)
		done := kern.ShuffleBits(dst, src[:16*groups], groups) / 8
		for g := done; g < groups; g++ {
			a, b := binary.LittleEndian.Uint64(src[16*g:]), binary.LittleEndian.Uint64(src[16*g+8:])
			low := transpose8(squeeze4(a) | squeeze4(b)<<32)
			high := transpose8(squeeze4(a>>8) | squeeze4(b>>8)<<32)
			for j := range 8 {
				dst[j*groups+g] = byte(low >> (8 * j))
				dst[(j+8)*groups+g] = byte(high >> (8 * j))
			}
		}
		dst, src = dst[16*groups:], src[16*groups:]
	}
	copy(dst, src)
}

// unshuffleBits undoes shuffleBits.
func unshuffleBits(dst, src []byte) {
	for len(src) >= 16 {
		groups := min(len(src)/16, shuffleBlock/8)
		done := kern.UnshuffleBits(dst[:16*groups], src, groups) / 8
		for g := done; g < groups; g++ {
			var low, high uint64
			for j := range 8 {
				low |= uint64(src[j*groups+g]) << (8 * j)
				high |= uint64(src[(j+8)*groups+g]) << (8 * j)
			}
			low, high = transpose8(low), transpose8(high)
			out := dst[16*g : 16*g+16]
			binary.LittleEndian.PutUint64(out,
				stretch4(low&0xffffffff)|stretch4(high&0xffffffff)<<8)
			binary.LittleEndian.PutUint64(out[8:], stretch4(low>>32)|stretch4(high>>32)<<8)
		}
		dst, src = dst[16*groups:], src[16*groups:]
	}
	copy(dst, src)
}

// transpose8 transposes a matrix of 8 by 8 bits, a byte a row: it swaps the corners of all
// squares of 2, then of 4, then of 8.
func transpose8(x uint64) uint64 {
	t := (x ^ x>>7) & 0x00aa00aa00aa00aa
	x ^= t ^ t<<7
	t = (x ^ x>>14) & 0x0000cccc0000cccc
	x ^= t ^ t<<14
	t = (x ^ x>>28) & 0x00000000f0f0f0f0
	return x ^ t ^ t<<28
}
