package compressors

import (
	"bytes"
	"errors"
	"testing"

	"kvgauge/compressors/kv"
)

// BenchmarkSubspace times fitted transform codecs on a layer like Llama's, beside a copy.
func BenchmarkSubspace(b *testing.B) {
	g := &graded{db: 40, layers: 1, heads: 2, fitTokens: 1024,
		shape: kv.Shape{Layers: 1, Heads: 8, Tokens: 1024, KeyDim: 128, ValueDim: 128}}
	source := g.source()
	src := source.Make()
	dst := src.Clone()
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(int64(src.RawBytes()))
		for b.Loop() {
			for _, side := range kv.Sides {
				copy(dst.Bits[side], src.Bits[side])
			}
		}
	})
	for _, spec := range []string{"palu", "palu:heads=1", "pca_ecsq", "kvtc"} {
		p, err := pass(spec, source.data(src))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(spec+"/compress", func(b *testing.B) {
			b.SetBytes(int64(src.RawBytes()))
			for b.Loop() {
				if _, err := p.Codec.AppendCompress(p.Payload[:0], src); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(spec+"/decompress", func(b *testing.B) {
			b.SetBytes(int64(src.RawBytes()))
			for b.Loop() {
				if err := p.Codec.Decompress(dst, p.Payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestFittedTransformsDivideTheirWork compares what several goroutines make with what one does.
func TestFittedTransformsDivideTheirWork(t *testing.T) {
	g := &graded{db: 30, layers: 1, heads: 1, fitTokens: 128,
		shape: kv.Shape{Layers: 3, Heads: 3, Tokens: 70, KeyDim: 32, ValueDim: 32}}
	source := g.source()
	for _, spec := range []string{"palu:heads=2", "pca_ecsq", "kvtc:window=8", "oscar:recent=4,sink=2"} {
		p, err := pass(spec, source.data(source.Make()))
		if err != nil {
			t.Fatal(err)
		}
		c := Parallel(p.Codec, 3)
		if _, ok := c.(spreader); !ok {
			t.Errorf("%s does not divide its work", spec)
		}
		payload, err := c.AppendCompress(nil, p.Src)
		if err != nil || !bytes.Equal(payload, p.Payload) {
			t.Fatalf("%s: parallel payload differs (%v)", spec, err)
		}
		got := p.Src.Clone()
		if err := c.Decompress(got, payload); err != nil || !got.Equal(p.Got) {
			t.Errorf("%s: decompressed in parallel, the tensor differs (%v)", spec, err)
		}
		for cut := 0; cut < len(payload); cut += 1 + len(payload)/50 {
			if err := c.Decompress(got, payload[:cut]); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %d of %d bytes: %v", spec, cut, len(payload), err)
			}
		}
	}
}
