package compressors_test

import (
	"testing"

	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// gridSpecs are settings whose groups the kernels do, of lengths that suit them and others.
var gridSpecs = []string{"uniform", "uniform:bits=2", "uniform:bits=8", "uniform:group=32",
	"uniform:bits=8,group=64", "uniform:bits=2,group=48", "uniform:axis=head,bits=4,group=128",
	"uniform:axis=channel,group=32", "kivi:residual=32"}

// Tensors with groups that the kernels leave to plain Go: of values that binary16 cannot hold, or
// all equal to one that it has not; with groups of one sign; of bfloat16 far from zero, where a
// rounded minimum leaves codes below zero and above the largest.
func TestGridsAgreeWithVectors(t *testing.T) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		for i, dim := range []int{64, 96, 128, 576} {
			src := kv.New(kv.Shape{Layers: 2, Heads: 2, Tokens: 75, KeyDim: dim, ValueDim: 64}, d)
			r := codectest.Rand(uint64(dim))
			for _, side := range kv.Sides {
				for j := range src.Bits[side] {
					row := j / src.Dim(side)
					x := r.Bell()
					switch row % 17 {
					case 3 + i:
						x = x*x + 1
					case 8:
						x = -x*x - 1
					case 11:
						x = 1000 + x
					case 12:
						x *= 30000
					case 13:
						x = float32(row) / 3
					case 14:
						x /= 1 << 20
					}
					src.Bits[side][j] = d.Bits(x)
				}
			}
			for _, spec := range gridSpecs {
				checkVectors(t, spec, src, nil)
			}
		}
	}
}

// A cache that is long enough to go around the caches, in planes that begin anywhere in a line.
func TestLongGridsAgreeWithVectors(t *testing.T) {
	src := codectest.Tensor(3, kv.Shape{Layers: 1, Heads: 3, Tokens: 1501, KeyDim: 192, ValueDim: 64}, kv.BF16)
	for _, spec := range gridSpecs[:5] {
		checkVectors(t, spec, src, nil)
		checkVectors(t, spec, src.Slice(3, 1500), nil)
	}
}
