package compressors_test

import (
	"errors"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// benchTensor is a layer's worth of a cache of 16 MiB: beyond most second-level caches.
func benchTensor(d kv.DType) kv.Tensor {
	shape := kv.Shape{Layers: 1, Heads: 8, Tokens: 4096, KeyDim: 128, ValueDim: 128}
	return codectest.Tensor(5, shape, d)
}

// benchLatent is the cache of DeepSeek's attention.
func benchLatent(d kv.DType) kv.Tensor {
	return codectest.Tensor(5, kv.Shape{Layers: 1, Heads: 1, Tokens: 16384, KeyDim: 576}, d)
}

// benchCopy copies the raw bytes: what every rate is compared with.
func benchCopy(b *testing.B, src kv.Tensor) {
	dst := src.Clone()
	reportCPU(b, src.RawBytes(), func() {
		copy(dst.Bits[kv.K], src.Bits[kv.K])
		copy(dst.Bits[kv.V], src.Bits[kv.V])
	})
}

func BenchmarkCompress(b *testing.B) {
	for _, d := range []kv.DType{kv.BF16, kv.F16} {
		src := benchTensor(d)
		b.Run(d.String()+"/copy", func(b *testing.B) { benchCopy(b, src) })
		for _, spec := range allSpecs() {
			b.Run(d.String()+"/"+string(spec), func(b *testing.B) {
				_, c, _ := compressors.Open(string(spec))
				c = codectest.Fitted(c)
				payload, err := c.AppendCompress(nil, src)
				if errors.Is(err, compressors.ErrUnsupported) {
					b.Skip(err)
				}
				reportCPU(b, src.RawBytes(), func() {
					if payload, err = c.AppendCompress(payload[:0], src); err != nil {
						b.Fatal(err)
					}
				})
				b.ReportMetric(float64(src.RawBytes())/float64(len(payload)), "ratio")
			})
		}
	}
}

func BenchmarkDecompress(b *testing.B) {
	for _, d := range []kv.DType{kv.BF16, kv.F16} {
		src := benchTensor(d)
		dst := src.Clone()
		b.Run(d.String()+"/copy", func(b *testing.B) { benchCopy(b, src) })
		for _, spec := range allSpecs() {
			b.Run(d.String()+"/"+string(spec), func(b *testing.B) {
				_, c, _ := compressors.Open(string(spec))
				c = codectest.Fitted(c)
				payload, err := c.AppendCompress(nil, src)
				if errors.Is(err, compressors.ErrUnsupported) {
					b.Skip(err)
				}
				reportCPU(b, src.RawBytes(), func() {
					if err := c.Decompress(dst, payload); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}
