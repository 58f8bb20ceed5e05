package compressors

import (
	"encoding/binary"

	"kvgauge/compressors/internal/bytecode"
	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// byLayer sends the patterns of each layer, as they are, through a general-purpose compressor:
// what a system does that compresses its caches as if they were any file. lossless_zstd and
// lossless_lz4 are settings of it. On 16-bit floats the fast modes find nothing (ratio 1.00),
// because exponents and fractions alternate; zstd from its better level on codes literals by
// their frequency, which is worth 1.2 to 1.3. Payload, for each layer of K, then of V:
//
//	uvarint   length of what follows
//	the layer's patterns, little-endian, compressed
type byLayer struct{ coder ByteCoder }

func init() {
	Register(registry.Family[Codec, zstdParams]{
		Name: "lossless_zstd", Doc: "Zstandard over the patterns of each layer",
		Source: "RFC 8878, klauspost/compress", Tags: []string{"lossless"},
		Defaults: zstdParams{"better"}, Variants: []zstdParams{{"fastest"}, {"default"}},
		New: func(p zstdParams) (Codec, error) {
			coder, err := newZstd(p.Level)
			return byLayers(byLayer{coder}), err
		},
	})
	Register(registry.Family[Codec, lz4Params]{
		Name: "lossless_lz4", Doc: "LZ4 over the patterns of each layer",
		Source: "LZ4 block format, pierrec/lz4", Tags: []string{"lossless"},
		New: func(p lz4Params) (Codec, error) {
			coder, err := newLZ4(p)
			return byLayers(byLayer{coder}), err
		},
	})
	Certify("lossless_zstd", Certificate{
		Anchors: []Anchor{exactOn(White, byDefinition, Oracle), exactOn(WhiteBF16, byDefinition, Oracle),
			smolRatio("lossless_zstd", SmolLM2BF16, 1.26), smolRatio("lossless_zstd", SmolLM2F16, 1.07)},
		UseWhen: "the receiver has zstd and nothing else",
	})
	noMatches := Anchor{Source: WhiteBF16, Measure: FrameRatio, Want: 1, Within: .005, Basis: Oracle,
		From: "noise has no strings that recur, and LZ4 codes nothing else"}
	Certify("lossless_lz4", Certificate{
		Anchors: []Anchor{exactOn(White, byDefinition, Oracle), exactOn(WhiteBF16, byDefinition, Oracle), noMatches},
		UseWhen: "you doubt that LZ4 finds nothing in 16-bit floats",
	})
}

// Capabilities implements Codec.
func (byLayer) Capabilities() Capabilities {
	return Capabilities{Lossless: true, KeyOnly: true, Streaming: "layer"}
}

// workBytes implements worker: one layer's patterns.
func (byLayer) workBytes(head kv.Tensor) int { return layerBytes(head, kv.K) }

func layerBytes(t kv.Tensor, side kv.Side) int { return 2 * t.Elements(side) / t.Layers }

// AppendSections implements Sectioner. Lengths and codes alternate: the sizes are totals.
func (byLayer) AppendSections(dst []Section, _ kv.Tensor, payload []byte) ([]Section, error) {
	headers := 0
	for rest := payload; len(rest) > 0; {
		size, used := binary.Uvarint(rest)
		if used <= 0 || size > uint64(len(rest)-used) {
			return dst, corrupt("a layer is cut short")
		}
		headers += used
		rest = rest[used+int(size):]
	}
	return append(dst, Section{Header, headers}, Section{Codes, len(payload) - headers}), nil
}

// check implements layerCoder.
func (byLayer) check(kv.Tensor) error { return nil }

// appendLayer implements layerCoder.
func (c byLayer) appendLayer(dst []byte, src kv.Tensor, side kv.Side, layer int) []byte {
	raw, coded := bytecode.Buffer(layerBytes(src, side)), bytecode.Buffer(0)
	defer bytecode.Release(raw)
	defer bytecode.Release(coded)
	putLayer(*raw, src, side, layer)
	*coded = c.coder.AppendCompress((*coded)[:0], *raw)
	dst = binary.AppendUvarint(dst, uint64(len(*coded)))
	return append(dst, *coded...)
}

// afterLayer implements layerCoder.
func (byLayer) afterLayer(_ kv.Tensor, _ kv.Side, src []byte) (rest []byte, ok bool) {
	size, used := binary.Uvarint(src)
	if used <= 0 || size > uint64(len(src)-used) {
		return nil, false
	}
	return src[used+int(size):], true
}

// readLayer implements layerCoder.
func (c byLayer) readLayer(dst kv.Tensor, side kv.Side, layer int, src []byte) bool {
	_, used := binary.Uvarint(src)
	raw := bytecode.Buffer(layerBytes(dst, side))
	defer bytecode.Release(raw)
	if used <= 0 || !c.coder.Decompress(*raw, src[used:]) {
		return false
	}
	readLayer(dst, side, layer, *raw)
	return true
}
