package compressors_test

import (
	"bytes"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// TestSplitZipIsTheSameWithAndWithoutVectors compares payloads byte by byte, and what they
// decompress to, for books with and without crowded digits and for chunks that end anywhere.
func TestSplitZipIsTheSameWithAndWithoutVectors(t *testing.T) {
	_, c, err := compressors.Open("splitzip")
	if err != nil {
		t.Fatal(err)
	}
	shape := kv.Shape{Layers: 2, Heads: 2, Tokens: 83, KeyDim: 33, ValueDim: 64}
	tensors := []kv.Tensor{
		codectest.Tensor(3, shape, kv.BF16),
		patterns(333, func(i int) int { return i % 17 * 16 % 256 }),
		patterns(333, func(i int) int { return 120 + i%19*i%23 }),
	}
	// Long enough to go around the caches, and planes that begin anywhere in a line.
	long := codectest.Tensor(9, kv.Shape{Layers: 1, Heads: 3, Tokens: 9001, KeyDim: 96, ValueDim: 64},
		kv.BF16)
	tensors = append(tensors, long, long.Slice(3, 9001))
	tensors = append(tensors, mixedChunks(kv.Shape{Layers: 2, Heads: 2, Tokens: 2500, KeyDim: 128, ValueDim: 96}))
	for i, src := range tensors {
		fast, err := c.AppendCompress(nil, src)
		if err != nil {
			t.Fatal(err)
		}
		after, err := c.AppendCompress([]byte("begun"), src)
		if err != nil || !bytes.Equal(after[5:], fast) {
			t.Errorf("tensor %d: other bytes after some (%v)", i, err)
		}
		a := kv.New(src.Shape, src.DType)
		if err := c.Decompress(a, fast); err != nil || !a.Equal(src) {
			t.Errorf("tensor %d does not come back (%v)", i, err)
		}
		for l := kern.Generic; l < kern.CurrentLevel(); l++ {
			restore := kern.SetLevel(l)
			slow, err := c.AppendCompress(nil, src)
			if err != nil || !bytes.Equal(fast, slow) {
				t.Errorf("tensor %d: other bytes with %v (%v)", i, l, err)
			}
			b := kv.New(src.Shape, src.DType)
			if err := c.Decompress(b, fast); err != nil || !b.Equal(src) {
				t.Errorf("tensor %d does not come back with %v (%v)", i, l, err)
			}
			restore()
		}
	}
}

// mixedChunks has values of which some lines of 1,024 have a few exponents that are rare, some have
// many of them, and most have none.
func mixedChunks(shape kv.Shape) kv.Tensor {
	t := kv.New(shape, kv.BF16)
	r := codectest.Rand(77)
	for _, side := range kv.Sides {
		for i := range t.Bits[side] {
			x := r.Uint64() >> 20
			t.Bits[side][i] = uint16(120+x%8)<<7 | uint16(x>>8)&0x807f
			if chunk := i / 1024; chunk%23 == 3 || chunk%9 == 2 && x>>40%300 == 0 {
				t.Bits[side][i] = uint16(x >> 20)
			}
		}
	}
	return t
}

// TestLosslessCodecsAreTheSameWithAndWithoutVectors compares payloads byte by byte, and what they
// decompress to, with no kernels and with those of each set of instructions.
func TestLosslessCodecsAreTheSameWithAndWithoutVectors(t *testing.T) {
	odd := kv.Shape{Layers: 2, Heads: 3, Tokens: 331, KeyDim: 33, ValueDim: 64}
	even := kv.Shape{Layers: 1, Heads: 2, Tokens: 512, KeyDim: 64, ValueDim: 128}
	for _, spec := range []string{
		"lossless_split", "lossless_split:coder=rans", "lossless_exp", "lossless_exp:coder=huff0", "lossless_fp8", "bitshuffle",
		"trunc:bits=2", "rot_ecsq", "identity+huff0",
	} {
		_, c, err := compressors.Open(spec)
		if err != nil {
			t.Fatal(err)
		}
		for i, src := range []kv.Tensor{
			codectest.Tensor(3, odd, kv.BF16), codectest.Tensor(4, odd, kv.F16),
			codectest.Tensor(5, even, kv.BF16), codectest.Tensor(6, even, kv.F16),
			codectest.Tensor(7, even, kv.F16).Slice(3, 500),
		} {
			var payload []byte
			var first kv.Tensor
			for l := kern.Generic; l <= kern.AVX512; l++ {
				restore := kern.SetLevel(l)
				got, err := c.AppendCompress(nil, src)
				back := kv.New(src.Shape, src.DType)
				if err == nil {
					err = c.Decompress(back, got)
				}
				restore()
				if err != nil {
					t.Fatalf("%s, tensor %d, %v: %v", spec, i, l, err)
				}
				if l == kern.Generic {
					payload, first = got, back
				} else if !bytes.Equal(got, payload) || !back.Equal(first) {
					t.Errorf("%s, tensor %d: other bytes with %v", spec, i, l)
				}
			}
		}
	}
}

// FuzzSplitZipChunks repeats and bends what it is given until that is long enough to go around the
// caches, and wants the bytes that kernels without chunks give.
func FuzzSplitZipChunks(f *testing.F) {
	f.Add([]byte("few values, again and again"), uint16(1), uint8(3))
	f.Add([]byte{0x80, 0x3f, 0x00, 0x40, 0xc0, 0xbf}, uint16(1024), uint8(64))
	f.Fuzz(func(t *testing.T, data []byte, rare uint16, before uint8) {
		if len(data) < 2 {
			return
		}
		src := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: kern.StreamBytes/256 + 3, KeyDim: 128}, kv.BF16)
		for i := range src.Bits[kv.K] {
			at := i % (len(data) - 1)
			x := uint16(data[at]) | uint16(data[at+1])<<8
			if i%(int(rare)+1) > 0 { // bring exponents together
				x = x&0x83ff | 0x3c00
			}
			src.Bits[kv.K][i] = x
		}
		_, c, err := compressors.Open("splitzip")
		if err != nil {
			t.Fatal(err)
		}
		fast, err := c.AppendCompress(make([]byte, before), src)
		if err != nil {
			t.Fatal(err)
		}
		defer kern.SetLevel(kern.AVX2)()
		if slow, err := c.AppendCompress(make([]byte, before), src); err != nil || !bytes.Equal(fast, slow) {
			t.Fatalf("other bytes with chunks (%v)", err)
		}
	})
}
