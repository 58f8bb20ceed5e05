package compressors_test

import (
	"testing"

	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// turnedSpecs are codecs that turn rows or look numbers up, with vectors and without.
var turnedSpecs = []string{"turboquant", "turboquant:bits=1", "turboquant:bits=2,nc=true", "turboquant:bits=5",
	"turboquant:bits=1,mode=prod", "turboquant:bits=3,mode=prod", "turboquant_vllm:raw=0",
	"turboquant_vllm:preset=k8v4,raw=0", "turboquant_vllm:preset=k3v4_nc,raw=0",
	"turboquant_vllm:preset=3bit_nc,raw=0", "iq4_nl", "iq4_nl:rot=true", "iq4_nl:search=true",
	"rot_ecsq", "rot_ecsq:bits=1.5", "rot_ecsq:bits=7", "polarquant", "int4_per_token_head",
	"qjl:m=320", "qjl:bits=4,m=256", "qjl:bits=3,group=20,m=300", "q8_0:rot=true", "q4_0:rot=true", "q4_1:rot=true", "q5_0:rot=true", "q5_1:rot=true"}

// twoSided makes a tensor of patterns with keys and values; those that are not finite lose their
// highest exponent bit unless raw is set.
func twoSided(d kv.DType, data []byte, dim int, raw bool) kv.Tensor {
	rows := len(data) / 2 / dim / 2
	t := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: rows, KeyDim: dim, ValueDim: dim}, d)
	for _, side := range kv.Sides {
		copy(t.Bits[side], tensorOf(d, data[int(side)*2*rows*dim:][:2*rows*dim], dim, raw).Bits[kv.K])
	}
	return t
}

func FuzzTurnedCodecs(f *testing.F) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		seed := codectest.Tensor(9, kv.Shape{Layers: 1, Heads: 1, Tokens: 40, KeyDim: 128}, d)
		data := make([]byte, 2*len(seed.Bits[kv.K]))
		for i, b := range seed.Bits[kv.K] {
			data[2*i], data[2*i+1] = byte(b), byte(b>>8)
		}
		clear(data[1024:1280]) // a row of zeros
		for spec := range turnedSpecs {
			f.Add(uint8(spec), data, uint8(4), d == kv.BF16)
			f.Add(uint8(spec), data[:3000], uint8(spec%5), d == kv.BF16)
		}
	}
	f.Fuzz(func(t *testing.T, spec uint8, data []byte, dim uint8, bf16 bool) {
		d := kv.F16
		if bf16 {
			d = kv.BF16
		}
		size := []int{8, 20, 48, 64, 128, 256}[dim%6]
		for _, raw := range []bool{false, true} {
			checkVectors(t, turnedSpecs[int(spec)%len(turnedSpecs)], twoSided(d, data, size, raw), data)
		}
	})
}

func TestKVQuantAgreesWithVectors(t *testing.T) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		for _, dim := range []int{20, 64, 128} {
			src := codectest.Tensor(uint64(dim), kv.Shape{Layers: 2, Heads: 3, Tokens: 70, KeyDim: dim, ValueDim: dim}, d)
			for i := 5; i < len(src.Bits[kv.K]); i += 97 { // outliers
				src.Bits[kv.K][i] = d.Bits(d.Float(src.Bits[kv.K][i]) * 20)
				src.Bits[kv.V][i] = d.Bits(d.Float(src.Bits[kv.V][i]) * 20)
			}
			payload := make([]byte, 1<<20)
			for i := range payload {
				payload[i] = byte(i * i >> 7)
			}
			for _, spec := range []string{"kvquant", "kvquant:bits=4", "kvquant:cap=true", "kvquant:qnorm=true"} {
				checkVectors(t, spec, src, nil)
				checkVectors(t, spec, src, payload)
			}
		}
	}
}
