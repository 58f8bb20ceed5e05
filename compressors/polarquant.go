package compressors

import (
	"fmt"
	"math"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// polarQuant is PolarQuant (Han et al., arXiv 2502.02617; not the paper of the same name that
// pairs RoPE channels, 2502.00527): rows are turned by a random rotation, cut into blocks of 16,
// and each block written in polar coordinates, four levels deep: pairs become radius and angle,
// pairs of radii again, until one radius is left. Angles are near independent then, those of level
// l with density ∝ sin(2φ)^(2^(l−1)−1), so each level has one code book for all.
//
//	level 1   8 angles in [0, 2π)      4 bits, uniform
//	level 2   4 angles in [0, π/2]     2 bits, Lloyd–Max for sin 2φ
//	level 3   2 angles                 2 bits, for sin³ 2φ
//	level 4   1 angle                  2 bits, for sin⁷ 2φ
//
// The rotation is Haar-distributed, drawn from seed. Departure: the code books are those of the
// densities, where the authors may also fit them to the cache. No angle is ever computed: codes
// come from comparing coordinates with tangents of the bounds, which no machine rounds otherwise.
//
// Scales: a binary16 radius a block. Codes: the first level's of all blocks, then the others',
// packed. Bits per value: (8·4 + 4·2 + 2·2 + 2 + 16)/16 = 3.875. A head dimension that 16 does not
// divide is refused.
type polarQuant struct {
	rowWise
	seed uint64
}

const (
	polarBlock  = 16
	polarLevels = 4
)

type polarQuantParams struct {
	Seed int `param:"seed" doc:"of the rotation"`
}

func init() {
	Register(registry.Family[Codec, polarQuantParams]{
		Name: "polarquant", Doc: "random rotation, then angles of a polar tree over 16 channels, 3.875 bits",
		Source: "Han et al., arXiv 2502.02617", Tags: []string{"quantiser"},
		Defaults: polarQuantParams{1},
		New: func(p polarQuantParams) (Codec, error) {
			c := &polarQuant{seed: uint64(p.Seed)}
			c.format = &polarRows{c.seed}
			return c, nil
		},
	})
	Certify("polarquant", Certificate{
		Deviations: []string{"code books are those of the angles' densities; the authors may also fit them " +
			"to the cache"},
		Anchors: append(OnWhite(Independently, WhiteRow{Spec: "polarquant", Bits: 3.875, NMSE: .0321}),
			Anchor{Measure: BitsPerValue, Want: 3.875, Basis: Rate, From: "arXiv 2502.02617, section 4"})[1:],
		Beyond:  []Claim{{"LongBench of Llama-3.1-8B (arXiv 2502.02617)", "that model and LongBench on a GPU"}},
		UseWhen: "you compare with it; turboquant errs less at equal bits",
	})
}

// AppendCompress implements Codec.
func (c *polarQuant) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if err := checkPolar(src); err != nil {
		return dst, err
	}
	return c.rowWise.AppendCompress(dst, src)
}

// Decompress implements Codec.
func (c *polarQuant) Decompress(dst kv.Tensor, src []byte) error {
	if err := checkPolar(dst); err != nil {
		return corrupt("%v", err)
	}
	return c.rowWise.Decompress(dst, src)
}

func checkPolar(t kv.Tensor) error {
	for _, side := range kv.Sides {
		if t.Dim(side)%polarBlock != 0 {
			return fmt.Errorf("%w: head dimension %d of %v is not a multiple of the block of %d",
				ErrUnsupported, t.Dim(side), side, polarBlock)
		}
	}
	return nil
}

type polarRows struct{ seed uint64 }

// A polarBook has the four angles of a level, as cosines and sines, and the tangents between them.
type polarBook struct {
	cos, sin [4]float32
	tan      [3]float32
}

// polarBooks are those of levels 2 to 4 (fixed-point iteration on a grid of 400,001 angles) and,
// first, that of a quadrant of level 1, whose angles lie in the middle of eighths of π.
var polarBooks = [polarLevels]polarBook{
	{[4]float32{0.980785280, 0.831469612, 0.555570233, 0.195090322},
		[4]float32{0.195090322, 0.555570233, 0.831469612, 0.980785280},
		[3]float32{0.414213562, 1, 2.414213562}},
	{[4]float32{0.952408126, 0.805676431, 0.592355879, 0.304825787},
		[4]float32{0.304825787, 0.592355879, 0.805676431, 0.952408126},
		[3]float32{0.510317699, 1, 1.95956362}},
	{[4]float32{0.910522352, 0.781090771, 0.624417495, 0.413459849},
		[4]float32{0.413459849, 0.624417495, 0.781090771, 0.910522352},
		[3]float32{0.613542972, 1, 1.62987769}},
	{[4]float32{0.865717116, 0.761021592, 0.648726549, 0.50053359},
		[4]float32{0.50053359, 0.648726549, 0.761021592, 0.865717116},
		[3]float32{0.706481092, 1, 1.41546605}},
}

// code returns which of the four angles is nearest to that of (a, b), neither negative.
func (p *polarBook) code(a, b float32) byte {
	code := byte(0)
	for _, tan := range p.tan {
		if b >= a*tan && b > 0 {
			code++
		}
	}
	return code
}

// circle is code for any (a, b): the quadrant, counted from angle 0, is in the high bits.
func (p *polarBook) circle(a, b float32) byte {
	switch {
	case a > 0 && b >= 0:
		return p.code(a, b)
	case a <= 0 && b > 0:
		return 4 | p.code(b, -a)
	case a < 0:
		return 8 | p.code(-a, -b)
	}
	return 12 | p.code(-b, a)
}

// point returns the point of radius r at the angle of a code, whose high bits are the quadrant.
func (p *polarBook) point(code byte, r float32) (a, b float32) {
	a, b = r*p.cos[code&3], r*p.sin[code&3]
	switch code >> 2 {
	case 1:
		return -b, a
	case 2:
		return -a, -b
	case 3:
		return b, -a
	}
	return a, b
}

func (*polarRows) rowBytes(_ kv.Side, dim int) (scales, codes int) {
	return dim / polarBlock * 2, dim/4 + quant.PackedBytes(dim/polarBlock*7, 2)
}

func (p *polarRows) compressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	return p.compressVals(w, len(w.vals), scales, codes)
}

func (p *polarRows) decompressRow(w *rowScratch, _ kv.Side, scales, codes []byte) bool {
	return p.decompressVals(w, len(w.vals), scales, codes)
}

// hypot is √(a² + b²), in float64, where products of float32 are exact.
func hypot(a, b float32) float32 {
	return float32(math.Sqrt(float64(a)*float64(a) + float64(b)*float64(b)))
}
