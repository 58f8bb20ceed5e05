package nprand

import (
	"math"
	"math/bits"
)

// Where the base layer of the normal ziggurat ends and its tail begins.
const (
	normalR    = 3.6541528853610087963519472518
	normalInvR = 0.27366123732975827203338247596
)

// Normal returns a standard normal variate: numpy's standard_normal().
func (g *Generator) Normal() float64 {
	for {
		r := g.Uint64()
		layer := r & 0xff
		size := r >> 9 & (1<<52 - 1)
		x := withSign(float64(int64(size))*wi[layer], r)
		if size < ki[layer] {
			return x
		}
		if x, ok := g.rareNormal(layer, size, x); ok {
			return x
		}
	}
}

// FillNormal fills dst with what len(dst) calls of Normal return, in less time.
func (g *Generator) FillNormal(dst []float64) {
	hi, lo, incHi, incLo := g.hi, g.lo, g.incHi, g.incLo
	for i := 0; i < len(dst); {
		ph, pl := bits.Mul64(lo, mulLo)
		ph += hi*mulLo + lo*mulHi
		var carry uint64
		lo, carry = bits.Add64(pl, incLo, 0)
		hi, _ = bits.Add64(ph, incHi, carry)
		r := bits.RotateLeft64(hi^lo, -int(hi>>58))

		layer := r & 0xff
		size := r >> 9 & (1<<52 - 1)
		x := withSign(float64(int64(size))*wi[layer], r)
		ok := size < ki[layer]
		if !ok {
			g.hi, g.lo = hi, lo
			x, ok = g.rareNormal(layer, size, x)
			hi, lo = g.hi, g.lo
		}
		if ok {
			dst[i] = x
			i++
		}
	}
	g.hi, g.lo = hi, lo
}

// withSign negates x if bit 8 of r, the ziggurat's sign bit, is set.
func withSign(x float64, r uint64) float64 {
	return math.Float64frombits(math.Float64bits(x) ^ r<<55&(1<<63))
}

// rareNormal decides the draws, 0.7 % of all, that fall outside the rectangles: the tail beyond
// the base layer, and the wedges between a layer and the curve.
func (g *Generator) rareNormal(layer, size uint64, x float64) (float64, bool) {
	if layer != 0 {
		height := float64((fi[layer-1]-fi[layer])*g.Float64()) + fi[layer]
		return x, height < exp(-0.5*x*x)
	}
	for {
		beyond := float64(-normalInvR * log1p(-g.Float64()))
		y := -log1p(-g.Float64())
		if y+y > beyond*beyond {
			if size>>8&1 == 1 {
				return -(normalR + beyond), true
			}
			return normalR + beyond, true
		}
	}
}
