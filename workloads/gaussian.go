package workloads

import (
	"context"
	"math"

	"kvgauge/compressors/kv"
	"kvgauge/internal/nprand"
)

// drawGaussian fills t as KVShuttle draws its synthetic caches: keys are standard normal, values
// normal with standard deviation 0.5, both from one numpy default_rng(seed), keys first, in the
// order of memory. Sample i has the seed seed+i, so that sample 0 is KVShuttle's own; it gives
// every prompt that one.
func drawGaussian(ctx context.Context, t *kv.Tensor, seed uint64, i int) error {
	g := nprand.New(seed + uint64(i))
	if err := fillNormal(ctx, t.DType, t.Bits[kv.K], g, 1); err != nil {
		return err
	}
	return fillNormal(ctx, t.DType, t.Bits[kv.V], g, 0.5)
}

// fillNormal sets dst to scale × normal draws, rounded once; scale is a power of two.
func fillNormal(
	ctx context.Context, d kv.DType, dst []uint16, g *nprand.Generator, scale float64,
) error {
	var draws [2048]float64
	var odd [2048]float32
	for len(dst) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(dst), len(draws))
		g.FillNormal(draws[:n])
		for j, x := range draws[:n] {
			odd[j] = roundToOdd(x * scale)
		}
		d.Narrow(dst[:n], odd[:n])
		dst = dst[n:]
	}
	return nil
}

// roundToOdd narrows x so that rounding the result to 16 bits gives what rounding x would: the
// bits that are lost leave their mark in the last one that stays. x is zero or within float32's
// normal range; what is smaller becomes zero.
func roundToOdd(x float64) float32 {
	b := math.Float64bits(x)
	sign := uint32(b>>32) & (1 << 31)
	b &^= 1 << 63
	top := b >> 29
	if b&(1<<29-1) != 0 {
		top |= 1
	}
	if b < (1023-126)<<52 {
		return math.Float32frombits(sign)
	}
	return math.Float32frombits(sign | uint32(top-(1023-127)<<23))
}
