package compressors_test

import (
	"bytes"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// blockSpecs are the codecs of floats, blocks and rotated rows, whose vector forms and plain Go must
// agree.
var blockSpecs = []string{"fp8_e4m3", "fp8_e4m3:scale=head", "fp8_e4m3:scale=token", "fp8_e5m2:scale=token",
	"q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl", "nvfp4", "nvfp4:scale=static", "nvfp4_4over6",
	"mxfp4", "mxfp4:scale=ceil", "mxfp8", "mxfp8:scale=ceil", "fp4_e2m1",
	"int8_per_token_head", "int8_per_token_head:round=nearest", "fp8_per_token_head",
	"fp8_ds_mla", "nvfp4_ds_mla",
	"hadamard", "hadamard:bits=2", "hadamard:bits=3", "hadamard:bits=8,clip=1"}

// outcome is what a codec makes of a tensor and of bytes.
type outcome struct {
	payload, back, any bool // whether there was no error
	bytes              []byte
	tensor, other      kv.Tensor
}

func outcomeOf(c compressors.Codec, src kv.Tensor, payload []byte) outcome {
	var o outcome
	b, err := c.AppendCompress(nil, src)
	if o.payload = err == nil; o.payload {
		o.bytes, o.tensor = b, kv.New(src.Shape, src.DType)
		o.back = c.Decompress(o.tensor, b) == nil
		if len(payload) >= len(b) {
			copy(b, payload) // bytes of the right number, of any kind
			o.other = kv.New(src.Shape, src.DType)
			o.any = c.Decompress(o.other, b) == nil
			o.bytes, _ = c.AppendCompress(nil, src)
		}
	}
	return o
}

// checkVectors wants equal outcomes with vectors of every kind and without.
func checkVectors(t *testing.T, spec string, src kv.Tensor, payload []byte) {
	t.Helper()
	_, c, err := compressors.Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	restore := kern.SetLevel(kern.Generic)
	slow := outcomeOf(c, src, payload)
	restore()
	for _, l := range []kern.Level{kern.AVX2, kern.AVX512} {
		restore := kern.SetLevel(l)
		if kern.CurrentLevel() == l {
			sameOutcome(t, spec+", "+l.String(), src, outcomeOf(c, src, payload), slow)
		}
		restore()
	}
}

func sameOutcome(t *testing.T, spec string, src kv.Tensor, fast, slow outcome) {
	t.Helper()
	if fast.payload != slow.payload || fast.back != slow.back || fast.any != slow.any {
		t.Fatalf("%s of %v %v: one form has an error: %v %v %v, %v %v %v", spec, src.DType, src.Shape,
			fast.payload, fast.back, fast.any, slow.payload, slow.back, slow.any)
	}
	if !bytes.Equal(fast.bytes, slow.bytes) {
		at := 0
		for fast.bytes[at] == slow.bytes[at] {
			at++
		}
		t.Fatalf("%s of %v %v: byte %d of %d is %#x with vectors, %#x without", spec, src.DType, src.Shape,
			at, len(slow.bytes), fast.bytes[at], slow.bytes[at])
	}
	if fast.back && !fast.tensor.Equal(slow.tensor) || fast.any && !fast.other.Equal(slow.other) {
		t.Fatalf("%s of %v %v: values come back otherwise with vectors", spec, src.DType, src.Shape)
	}
}

// tensorOf makes a tensor of patterns; those that are not finite lose their highest exponent bit
// unless raw is set.
func tensorOf(d kv.DType, data []byte, dim int, raw bool) kv.Tensor {
	t := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: len(data) / 2 / dim, KeyDim: dim}, d)
	for i := range t.Bits[kv.K] {
		b := uint16(data[2*i]) | uint16(data[2*i+1])<<8
		if !raw && !d.Finite(b) {
			b &^= 0x4000
		}
		t.Bits[kv.K][i] = b
	}
	return t
}

func FuzzBlockCodecs(f *testing.F) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		seed := codectest.Tensor(9, kv.Shape{Layers: 1, Heads: 1, Tokens: 20, KeyDim: 576}, d)
		data := make([]byte, 2*len(seed.Bits[kv.K]))
		for i, b := range seed.Bits[kv.K] {
			data[2*i], data[2*i+1] = byte(b), byte(b>>8)
		}
		for spec := range blockSpecs {
			f.Add(uint8(spec), data[:1200], uint8(spec%5), d == kv.BF16)
		}
	}
	f.Fuzz(func(t *testing.T, spec uint8, data []byte, dim uint8, bf16 bool) {
		d := kv.F16
		if bf16 {
			d = kv.BF16
		}
		size := []int{16, 32, 48, 64, 128, 256, 576}[dim%7]
		for _, raw := range []bool{false, true} {
			checkVectors(t, blockSpecs[int(spec)%len(blockSpecs)], tensorOf(d, data, size, raw), data)
		}
	})
}

// Tensors with what kernels treat apart: magnitudes from end to end of the range, zeros of both
// signs, blocks of zeros, ties of the largest magnitude, numbers of tokens of every remainder.
func TestBlockCodecsAgreeWithVectors(t *testing.T) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		for _, dim := range []int{32, 64, 128, 576} {
			for tokens := 1; tokens < 20; tokens += 3 {
				src := kv.New(kv.Shape{Layers: 1, Heads: 2, Tokens: tokens, KeyDim: dim}, d)
				r := codectest.Rand(uint64(dim + tokens))
				for i := range src.Bits[kv.K] {
					block := uint64(i/16) * 2654435761 >> 3
					x := r.Bell() * float32(uint64(1)<<(block%28)) / (1 << 18)
					switch {
					case block%11 == 0:
						x = float32(int64(r.Uint64()%5)-2) / 8
					case block%13 == 0:
						x *= 0
					}
					src.Bits[kv.K][i] = d.Bits(x)
				}
				for _, spec := range blockSpecs {
					checkVectors(t, spec, src, nil)
				}
			}
		}
	}
}

// A layer's scale is found while another is compressed: layers, sides and heads of any length, with
// magnitudes of their own.
func TestScalesOfLayersAgreeWithVectors(t *testing.T) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		for _, shape := range []kv.Shape{
			{Layers: 3, Heads: 2, Tokens: 300, KeyDim: 128, ValueDim: 48},
			{Layers: 2, Heads: 3, Tokens: 150, KeyDim: 32, ValueDim: 160},
			{Layers: 1, Heads: 1, Tokens: 1100, ValueDim: 16},
			{Layers: 2, Heads: 3, Tokens: 70, KeyDim: 128, ValueDim: 128},
		} {
			src, r := kv.New(shape, d), codectest.Rand(7)
			for _, side := range kv.Sides {
				for l := range shape.Layers {
					for h := range shape.Heads {
						scale := r.Bell() * float32(1+l+h)
						plane := src.Plane(side, l, h)
						for i := range plane {
							plane[i] = d.Bits(r.Bell() * scale)
						}
					}
				}
			}
			for _, spec := range []string{"nvfp4", "nvfp4:scale=static", "nvfp4_4over6",
				"fp8_e4m3:scale=tensor", "fp8_e4m3:scale=head", "fp8_e5m2:scale=tensor"} {
				checkVectors(t, spec, src, nil)
			}
		}
	}
}

// Small integers in several scales are often in the middle between two codes.
func TestLatentsAgreeWithVectorsAtTies(t *testing.T) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		src := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: 500, KeyDim: 576}, d)
		r := codectest.Rand(3)
		for i := range src.Bits[kv.K] {
			scale := float32(uint64(1)<<(uint64(i/128)*2654435761>>5%9)) / 32
			src.Bits[kv.K][i] = d.Bits(float32(int64(r.Uint64()%255)-127) * scale)
		}
		checkVectors(t, "fp8_ds_mla", src, nil)
		checkVectors(t, "nvfp4_ds_mla", src, nil)
	}
}

// Patterns of every kind in one block, so that what is small vanishes beside what is large; and only
// such as are subnormal.
func TestBlockCodecsAgreeWithVectorsOnAnyPattern(t *testing.T) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		for _, mask := range []uint16{0xffff, 0xdfff, 0xbfff, 0x8007} {
			src, r := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: 64, KeyDim: 64}, d), codectest.Rand(3)
			for i := range src.Bits[kv.K] {
				b := uint16(r.Uint64()) & mask
				if !d.Finite(b) {
					b &^= 0x4000
				}
				src.Bits[kv.K][i] = b
			}
			for _, spec := range blockSpecs {
				checkVectors(t, spec, src, nil)
			}
		}
	}
}

// Rows of what kernels of rotated rows treat apart: any patterns, far from zero beside their range,
// rows of zeros and of few values, subnormals, sums beyond float32, blocks of 64 and 128.
func TestRotatedRowsAgreeWithVectors(t *testing.T) {
	kinds := []func(d kv.DType, r *codectest.Rand, row int) uint16{
		func(d kv.DType, r *codectest.Rand, _ int) uint16 {
			if b := uint16(r.Uint64()); d.Finite(b) {
				return b
			}
			return 0
		},
		func(d kv.DType, r *codectest.Rand, _ int) uint16 { return uint16(r.Uint64()) },
		func(d kv.DType, r *codectest.Rand, row int) uint16 {
			return d.Bits(r.Bell() + float32(row%7)*100)
		},
		func(d kv.DType, r *codectest.Rand, row int) uint16 {
			return d.Bits(float32(int64(r.Uint64()%3)-1) * float32(row%5))
		},
		func(_ kv.DType, r *codectest.Rand, _ int) uint16 { return uint16(r.Uint64()) & 0x803f },
		func(d kv.DType, r *codectest.Rand, _ int) uint16 {
			return d.Bits(1) | uint16(r.Uint64())&0xbe00
		},
	}
	for n, kind := range kinds {
		for _, dim := range []int{64, 128, 192, 384, 576} {
			for _, d := range []kv.DType{kv.F16, kv.BF16} {
				src := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: 35, KeyDim: dim}, d)
				r := codectest.Rand(uint64(dim + n))
				for i := range src.Bits[kv.K] {
					src.Bits[kv.K][i] = kind(d, &r, i/dim)
				}
				for _, spec := range []string{"hadamard", "hadamard:bits=2", "hadamard:bits=8,clip=1",
					"hadamard:clip=0.01"} {
					checkVectors(t, spec, src, nil)
				}
			}
		}
	}
}
