package workloads

import (
	"math"

	"kvgauge/compressors/kv"
	"kvgauge/internal/nprand"
)

// channels draws one token after another of a run of channels: latent directions that each
// follow an ARMA(1,1) process over the tokens, mixed by a Hadamard transform, scaled, signed and
// shifted channel by channel. Everything that reaches bytes rounds its products.
type channels struct {
	mean, std []float32 // the standard deviation carries a random sign
	spectrum  []float32 // standard deviations of the directions within a block
	rho       float32   // ARMA: y_t = ρ y_(t-1) + σ (n_t + θ n_(t-1))
	theta     float32
	sigma     float32
	gain      float32 // of a token: (1 + gain·n) · unit
	unit      float32
	first     float32 // factor of the first token
	y, last   []float32
	started   bool
}

func newChannels(g *nprand.Generator, dim int, depth float64, like kv.Side) *channels {
	s := &outlierStats[like]
	c := &channels{
		mean: make([]float32, dim), std: make([]float32, dim),
		y: make([]float32, dim), last: make([]float32, dim),
		spectrum: spectrum(block(dim), s.spectrum),
		gain:     float32(s.gain),
		unit:     float32(1 / math.Sqrt(1+float64(s.gain*s.gain))),
		first:    float32(s.first.at(depth)),
	}
	c.arma(s.lag1.at(depth), s.decay.at(depth))
	for i := range dim {
		pair := float64(i%max(1, dim/2)) / float64(max(1, dim/2))
		slope := 1 + float64(s.stdSlope*(pair-0.5))
		c.set(g, i, s.mean.at(g.Float64()), float64(s.std.at(g.Float64())*slope))
	}
	if s.heavy {
		c.addHeavy(g, s)
	}
	scale := float32(s.scale.at(depth))
	for i := range dim {
		c.mean[i] = float32(c.mean[i] * scale)
		c.std[i] = float32(c.std[i] * scale)
	}
	return c
}

// set gives channel i a mean and spread of random signs.
func (c *channels) set(g *nprand.Generator, i int, mean, std float64) {
	signs := g.Uint64()
	c.mean[i] = float32(mean)
	if signs&1 == 1 {
		c.mean[i] = -c.mean[i]
	}
	c.std[i] = float32(std)
	if signs&2 == 2 {
		c.std[i] = -c.std[i]
	}
}

// addHeavy makes one channel of every 64 heavy, on either side of its pair.
func (c *channels) addHeavy(g *nprand.Generator, s *sideStats) {
	half := len(c.mean) / 2
	for range (len(c.mean) + 63) / 64 {
		i := min(int(float64(half)*s.heavyPair.at(g.Float64())), max(0, half-1))
		if g.Uint64()&1 == 1 {
			i += half
		}
		c.set(g, i, s.heavyMean.at(g.Float64()), s.heavyStd.at(g.Float64()))
	}
}

// arma sets the process whose correlation is lag1 between neighbours and falls by the factor
// decay with every further token, at variance one (Box and Jenkins, ARMA(1,1)): lag1 =
// (1+ρθ)(ρ+θ)/(1+2ρθ+θ²) is solved for the θ inside the unit circle.
func (c *channels) arma(lag1, decay float64) {
	rho, theta := decay, 0.0
	if a := lag1 - rho; a != 0 {
		b := float64(2*rho*lag1) - 1 - float64(rho*rho)
		theta = (-b - math.Sqrt(float64(b*b)-float64(4*a*a))) / (2 * a)
	}
	variance := (1 - float64(rho*rho)) / (1 + float64(2*rho*theta) + float64(theta*theta))
	c.rho, c.theta, c.sigma = float32(rho), float32(theta), float32(math.Sqrt(variance))
}

// spectrum returns the standard deviations of n directions whose variances fall as 1/(i+c) and
// are one on average, divided by √n for the Hadamard transform.
func spectrum(n int, c float64) []float32 {
	sum := 0.0
	for i := range n {
		sum += 1 / (float64(i) + c)
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(math.Sqrt(1 / ((float64(i) + c) * sum)))
	}
	return out
}

// block returns the length of the Hadamard blocks of dim channels: its largest divisor among
// the powers of two up to 64.
func block(dim int) int { return min(64, dim&-dim) }

// next fills row with the next token from len(row)+1 normal draws.
func (c *channels) next(row []float32, draws []float64) {
	n := len(c.spectrum)
	for i, d := range draws[1:] {
		x := float32(d)
		y := x // the first token starts at the process's own spread
		if c.started {
			y = float32(c.rho*c.y[i]) + float32(c.sigma*(x+float32(c.theta*c.last[i])))
		}
		c.y[i], c.last[i] = y, x
		row[i] = float32(y * c.spectrum[i&(n-1)])
	}
	c.started = true
	for from := 0; from < len(row); from += n {
		hadamard(row[from : from+n])
	}
	gain := float32((1 + float32(c.gain*float32(draws[0]))) * c.unit)
	for i, z := range row {
		row[i] = c.mean[i] + float32(c.std[i]*float32(z*gain))
	}
}

// hadamard transforms x in place by the Sylvester matrix, unscaled; its length is a power of two.
func hadamard(x []float32) {
	h := 1
	if len(x) >= 8 { // three stages at a time while the halves are too short for a loop
		for i := 0; i+8 <= len(x); i += 8 {
			hadamard8((*[8]float32)(x[i:]))
		}
		h = 8
	}
	for ; h < len(x); h *= 2 {
		for i := 0; i < len(x); i += 2 * h {
			a, b := x[i:i+h], x[i+h:i+2*h]
			for j := range a {
				a[j], b[j] = a[j]+b[j], a[j]-b[j]
			}
		}
	}
}

func hadamard8(x *[8]float32) {
	a0, a1, a2, a3 := x[0]+x[1], x[0]-x[1], x[2]+x[3], x[2]-x[3]
	a4, a5, a6, a7 := x[4]+x[5], x[4]-x[5], x[6]+x[7], x[6]-x[7]
	b0, b1, b2, b3 := a0+a2, a1+a3, a0-a2, a1-a3
	b4, b5, b6, b7 := a4+a6, a5+a7, a4-a6, a5-a7
	x[0], x[1], x[2], x[3] = b0+b4, b1+b5, b2+b6, b3+b7
	x[4], x[5], x[6], x[7] = b0-b4, b1-b5, b2-b6, b3-b7
}
