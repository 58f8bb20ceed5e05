package compressors

import (
	"encoding/binary"
	"fmt"

	"kvgauge/compressors/internal/bytecode"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// split codes a cache without loss in two planes: the high bytes of the patterns, sign, exponent
// and the first fraction bits, are few and uneven, and get Huffman codes; the low bytes are
// nearly random and stay as they are, unless codes save at least 1 byte of 64, as they do where
// values computed in bfloat16 are held in binary16. Byte planes before an entropy coder are what
// shuffle filters do for floats (Masui et al., Bitshuffle, 2015); the skew of exponents is what
// DFloat11 lives on (Zhang et al., arXiv 2504.11651).
//
// Each layer of K, then of V, is cut into runs of up to 131,072 values; the payload has for each
//
//	block of high bytes    as in bytecode.AppendBlock; with coder=rans, as lossless_exp's
//	block of low bytes     as in bytecode.AppendBlock
type split struct{ rans bool }

type splitParams struct {
	Coder string `param:"coder" doc:"of the high bytes: huff0, fast, or rans, nearer the entropy"`
}

// splitGain is the saving that a plane of low bytes must promise: 1 byte of 2^splitGain.
const splitGain = 6

func init() {
	Register(registry.Family[Codec, splitParams]{
		Name: "lossless_split", Doc: "byte planes with Huffman codes", Tags: []string{"lossless"},
		Defaults: splitParams{"huff0"}, Variants: []splitParams{{"rans"}},
		Source: "this repository; Huffman streams of RFC 8878",
		New: func(p splitParams) (Codec, error) {
			if p.Coder != "rans" && p.Coder != "huff0" {
				return nil, fmt.Errorf("coder is %q, want huff0 or rans", p.Coder)
			}
			return byLayers(split{p.Coder == "rans"}), nil
		},
	})
	Certify("lossless_split", Certificate{
		Anchors: []Anchor{
			exactOn(White, byDefinition, Oracle), exactOn(WhiteBF16, byDefinition, Oracle),
			entropyOn(White, 5.4695+8), entropyOn(WhiteBF16, 2.6187+8),
			smolRatio("lossless_split", SmolLM2BF16, 1.45), smolRatio("lossless_split", SmolLM2F16, 1.14),
		},
		UseWhen: "not a bit may change, and lossless_exp is too slow",
	})
}

// Capabilities implements Codec.
func (split) Capabilities() Capabilities {
	return Capabilities{Lossless: true, KeyOnly: true, Streaming: "layer"}
}

// splitPlanes is scratch for the two planes of a run.
type splitPlanes struct {
	high, low []byte
	rans      *exponentScratch // codes the high bytes, if there is one
}

func newSplitPlanes(buf []byte) splitPlanes {
	return splitPlanes{high: buf[:bytecode.BlockMax],
		low: buf[bytecode.BlockMax : 2*bytecode.BlockMax]}
}

// check implements layerCoder.
func (split) check(kv.Tensor) error { return nil }

// begin returns scratch, which release gives back.
func (c split) begin() (p splitPlanes, buf *[]byte) {
	buf = bytecode.Buffer(2 * bytecode.BlockMax)
	p = newSplitPlanes(*buf)
	if c.rans {
		p.rans = exponentScratches.Get().(*exponentScratch)
	}
	return p, buf
}

func (p splitPlanes) release(buf *[]byte) {
	bytecode.Release(buf)
	if p.rans != nil {
		p.rans.release()
	}
}

// appendLayer implements layerCoder.
func (c split) appendLayer(dst []byte, src kv.Tensor, side kv.Side, layer int) []byte {
	p, buf := c.begin()
	defer p.release(buf)
	filled := 0
	for h := range src.Heads {
		for plane := src.Plane(side, layer, h); len(plane) > 0; {
			n := min(len(plane), bytecode.BlockMax-filled)
			splitBits(p.high[filled:filled+n], p.low[filled:filled+n], plane[:n])
			plane = plane[n:]
			if filled += n; filled == bytecode.BlockMax {
				dst, filled = p.flush(dst, filled), 0
			}
		}
	}
	return p.flush(dst, filled)
}

func (p splitPlanes) flush(dst []byte, n int) []byte {
	if p.rans != nil && n > 0 {
		dst = p.rans.appendRANS(dst, p.high[:n])
	} else {
		dst = bytecode.AppendBlock(dst, p.high[:n], 0)
	}
	return bytecode.AppendBlock(dst, p.low[:n], splitGain)
}

// AppendSections implements Sectioner. Headers, codes and stored planes alternate: the sizes are
// totals. Tables count as codes.
func (split) AppendSections(dst []Section, _ kv.Tensor, payload []byte) ([]Section, error) {
	var headers, codes, raw int
	for rest := payload; len(rest) > 0; {
		n, coded, next, ok := bytecode.SkipBlock(rest)
		if !ok {
			return dst, corrupt("a block is cut short")
		}
		headers += bytecode.HeaderBytes
		if coded {
			codes += n
		} else {
			raw += n
		}
		rest = next
	}
	return append(dst, Section{Header, headers}, Section{Codes, codes}, Section{Raw, raw}), nil
}

// afterLayer implements layerCoder.
func (split) afterLayer(head kv.Tensor, side kv.Side, src []byte) (rest []byte, ok bool) {
	runs := (layerBytes(head, side)/2 + bytecode.BlockMax - 1) / bytecode.BlockMax
	for range 2 * runs {
		if _, _, src, ok = bytecode.SkipBlock(src); !ok {
			return nil, false
		}
	}
	return src, true
}

// readLayer implements layerCoder.
func (c split) readLayer(dst kv.Tensor, side kv.Side, layer int, src []byte) bool {
	p, buf := c.begin()
	defer p.release(buf)
	left := layerBytes(dst, side) / 2 // values not yet read
	have, at := 0, 0
	for h := range dst.Heads {
		for plane := dst.Plane(side, layer, h); len(plane) > 0; {
			if at == have {
				have, at = min(left, bytecode.BlockMax), 0
				var ok bool
				if src, ok = p.read(src, have); !ok {
					return false
				}
				left -= have
			}
			n := min(len(plane), have-at)
			mergeBits(plane[:n], p.high[at:at+n], p.low[at:at+n])
			plane, at = plane[n:], at+n
		}
	}
	return len(src) == 0
}

func (p splitPlanes) read(src []byte, n int) ([]byte, bool) {
	var ok bool
	if p.rans != nil && n > 0 {
		src, ok = p.rans.readRANS(p.high[:n], src)
	} else {
		src, ok = bytecode.ReadBlock(p.high[:n], src)
	}
	if !ok {
		return nil, false
	}
	return bytecode.ReadBlock(p.low[:n], src)
}

// splitBits cuts patterns into high and low bytes, all of equal length.
func splitBits(high, low []byte, src []uint16) {
	n := kern.SplitBytes(high, low, src)
	high, low, src = high[n:], low[n:], src[n:]
	for len(src) >= 8 && len(high) >= 8 && len(low) >= 8 {
		a, b := load4(src), load4(src[4:])
		binary.LittleEndian.PutUint64(high, squeeze4(a>>8)|squeeze4(b>>8)<<32)
		binary.LittleEndian.PutUint64(low, squeeze4(a)|squeeze4(b)<<32)
		src, high, low = src[8:], high[8:], low[8:]
	}
	for i, b := range src {
		high[i], low[i] = byte(b>>8), byte(b)
	}
}

// mergeBits undoes splitBits.
func mergeBits(dst []uint16, high, low []byte) {
	n := kern.MergeBytes(dst, high, low)
	dst, high, low = dst[n:], high[n:], low[n:]
	for len(dst) >= 4 && len(high) >= 4 && len(low) >= 4 {
		x := stretch4(uint64(binary.LittleEndian.Uint32(high)))<<8 |
			stretch4(uint64(binary.LittleEndian.Uint32(low)))
		p := (*[4]uint16)(dst)
		p[0], p[1], p[2], p[3] = uint16(x), uint16(x>>16), uint16(x>>32), uint16(x>>48)
		dst, high, low = dst[4:], high[4:], low[4:]
	}
	for i := range dst {
		dst[i] = uint16(high[i])<<8 | uint16(low[i])
	}
}

func load4(src []uint16) uint64 {
	p := (*[4]uint16)(src)
	return uint64(p[0]) | uint64(p[1])<<16 | uint64(p[2])<<32 | uint64(p[3])<<48
}

// squeeze4 brings the low bytes of four 16-bit lanes together.
func squeeze4(x uint64) uint64 {
	x &= 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return (x | x>>16) & 0xffffffff
}

// stretch4 undoes squeeze4.
func stretch4(x uint64) uint64 {
	x = (x | x<<16) & 0x0000ffff0000ffff
	return (x | x<<8) & 0x00ff00ff00ff00ff
}
