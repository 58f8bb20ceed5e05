package kern

import "golang.org/x/sys/cpu"

func detect() Level {
	switch {
	case !cpu.X86.HasAVX2 || !cpu.X86.HasFMA:
		return Generic
	case !cpu.X86.HasAVX512F:
		return AVX2
	}
	return AVX512
}

var hasVBMI = cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512VBMI

// hasBF16 says whether the processor rounds to bfloat16 itself.
var hasBF16 = hasVBMI && cpu.X86.HasAVX512BF16

var hasBMI2 = cpu.X86.HasBMI1 && cpu.X86.HasBMI2

type tileFunc func(dst *float32, ldd int, x *float32, ldx int, b *float32, ldb, step, k int)

// tiles16 and tiles32 list the kernels of 16 and 32 columns, highest first.
var (
	tiles16 = []struct {
		rows int
		f    tileFunc
	}{{6, gemm6x16AVX2}, {4, gemm4x16AVX2}, {2, gemm2x16AVX2}, {1, gemm1x16AVX2}}
	tiles32 = []struct {
		rows int
		f    tileFunc
	}{
		{12, gemm12x32AVX512}, {8, gemm8x32AVX512}, {4, gemm4x32AVX512}, {2, gemm2x32AVX512},
		{1, gemm1x32AVX512},
	}
)

// tileRows returns the height of the highest tile that fits into n rows.
func tileRows(n, wide int) int {
	tiles := tiles16
	if wide == 2 {
		tiles = tiles32
	}
	for _, t := range tiles {
		if t.rows <= n {
			return t.rows
		}
	}
	return 0
}

// gemmTile computes a tile of a height from tileRows and 16·wide columns. It checks that all it
// touches is there, since the assembly does not.
func gemmTile(dst []float32, ldd int, x []float32, ldx int, b []float32, ldb, step, k, tile, wide int) {
	_, _ = dst[(tile-1)*ldd+wide*panel-1], x[(tile-1)*ldx+k-1]
	_ = b[(wide-1)*step+(k-1)*ldb+panel-1]
	if level == Generic {
		gemmGeneric(dst, ldd, x, ldx, b, ldb, k, tile)
		return
	}
	tiles := tiles16
	inner := panel / 2
	if wide == 2 {
		tiles, inner = tiles32, step
	}
	for _, t := range tiles {
		if t.rows == tile {
			t.f(&dst[0], ldd, &x[0], ldx, &b[0], ldb, inner, k)
			return
		}
	}
}

// interleave16 packs columns [0, cols) of 16 rows of stride values.
func interleave16(dst, src []float32, stride, cols int) {
	interleave8AVX2(&dst[0], &src[0], stride, cols)
	interleave8AVX2(&dst[8], &src[8*stride], stride, cols)
}
