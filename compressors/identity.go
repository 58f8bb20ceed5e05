package compressors

import (
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
	Certify("identity", Certificate{
		Anchors: []Anchor{
			{Measure: Changed, Basis: Oracle, From: "copies, by definition"},
			{Measure: BitsPerValue, Want: 16, Basis: Rate, From: "the format's definition"},
		},
		UseWhen: "the link is faster than any codec, and as the baseline",
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
