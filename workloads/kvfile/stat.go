package kvfile

import (
	"math"
	"sort"

	"kvgauge/compressors/kv"
)

// Lags are the distances in tokens at which Stat measures correlation.
var Lags = [...]int{1, 4, 16, 64}

// Stats are numbers that say how hard one side of a cache is to compress. A plane is one head of
// one layer; planes with NaN or infinities are left out of everything but the shares and the
// entropy. A pointer is nil where there is nothing to measure.
type Stats struct {
	// FirstTokenNorm is the norm of the first token over the median norm of all tokens, the
	// median over planes: far from 1 where the first token is an attention sink.
	FirstTokenNorm *float64 `json:"first_token_norm_ratio"`

	// OutlierChannel is the largest standard deviation of a channel over the median one: the
	// median and the maximum over planes. Planes whose median channel is constant do not count.
	OutlierChannel    *float64 `json:"outlier_channel_ratio"`
	OutlierChannelMax *float64 `json:"outlier_channel_ratio_max"`

	// Correlation is the correlation of tokens at each of Lags, with each channel's mean
	// removed: products summed over channels and planes, over the squares.
	Correlation []Lag `json:"token_correlation"`

	// ExponentEntropy is the Shannon entropy of the exponent field in bits: what an entropy
	// coder of exponents can reach.
	ExponentEntropy *float64 `json:"exponent_entropy_bits"`
	ExponentBits    int      `json:"exponent_bits"`

	NaNShare float64 `json:"nan_share"` // share of values that are NaN
	InfShare float64 `json:"inf_share"` // share of values that are infinite
	Planes   int     `json:"planes"`    // planes that were measured
}

// A Lag is a correlation at a distance in tokens; nil where the cache is not longer than it.
type Lag struct {
	Tokens int      `json:"lag_tokens"`
	R      *float64 `json:"r"`
}

// Stat measures one side of t, which may be a slice. It returns nil for a side without values.
func Stat(t kv.Tensor, side kv.Side) *Stats {
	dim := t.Dim(side)
	if dim == 0 || t.Tokens == 0 {
		return nil
	}
	p := newPlaneStats(t.Tokens, dim)
	var exps [256]int64
	nan, inf := 0, 0
	for l := range t.Layers {
		for h := range t.Heads {
			plane := t.Plane(side, l, h)
			n, i := countBits(&exps, plane, t.DType)
			nan, inf = nan+n, inf+i
			if n+i == 0 {
				t.DType.Widen(p.x, plane)
				p.add()
			}
		}
	}
	values := float64(t.Elements(side))
	s := &Stats{ExponentBits: 5, NaNShare: float64(nan) / values, InfShare: float64(inf) / values}
	if t.DType == kv.BF16 {
		s.ExponentBits = 8
	}
	s.ExponentEntropy = entropy(exps[:], values)
	p.fill(s)
	return s
}

// countBits counts exponents into exps and returns how many values are NaN and infinite.
func countBits(exps *[256]int64, plane []uint16, d kv.DType) (nan, inf int) {
	shift, fieldMask, top := 10, uint16(0x1f), uint16(0x1f)
	if d == kv.BF16 {
		shift, fieldMask, top = 7, 0xff, 0xff
	}
	for _, b := range plane {
		e := b >> shift & fieldMask
		exps[e]++
		if e == top {
			if b&(1<<shift-1) != 0 {
				nan++
			} else {
				inf++
			}
		}
	}
	return nan, inf
}

func entropy(counts []int64, total float64) *float64 {
	bits := 0.0
	for _, c := range counts {
		if c > 0 {
			p := float64(c) / total
			bits -= p * math.Log2(p)
		}
	}
	return &bits
}

// planeStats gathers what planes of one size say.
type planeStats struct {
	tokens, dim     int
	x               []float32 // the plane at hand
	centred         []float64
	mean, variance  []float64
	norms           []float64
	firsts, outlier []float64 // one value per plane
	square          float64
	product         [len(Lags)]float64
	planes          int
}

func newPlaneStats(tokens, dim int) *planeStats {
	return &planeStats{tokens: tokens, dim: dim, x: make([]float32, tokens*dim),
		centred: make([]float64, tokens*dim), mean: make([]float64, dim),
		variance: make([]float64, dim), norms: make([]float64, tokens)}
}

// add takes the plane in p.x.
func (p *planeStats) add() {
	p.planes++
	clear(p.mean)
	clear(p.variance)
	for t := range p.tokens {
		sum := 0.0
		for c, v := range p.x[t*p.dim : (t+1)*p.dim] {
			f := float64(v)
			sum += f * f
			p.mean[c] += f
		}
		p.norms[t] = math.Sqrt(sum)
	}
	for c := range p.mean {
		p.mean[c] /= float64(p.tokens)
	}
	for t := range p.tokens {
		row := p.centred[t*p.dim : (t+1)*p.dim]
		for c, v := range p.x[t*p.dim : (t+1)*p.dim] {
			row[c] = float64(v) - p.mean[c]
			p.variance[c] += row[c] * row[c]
		}
	}
	p.correlate()
	first := p.norms[0]
	if m := median(p.norms); m > 0 {
		p.firsts = append(p.firsts, first/m)
	}
	for c, v := range p.variance {
		p.variance[c] = math.Sqrt(v) // the scale cancels in the ratio
	}
	if m := median(p.variance); m > 0 { // sorts, so that the largest is last
		p.outlier = append(p.outlier, p.variance[p.dim-1]/m)
	}
}

// correlate adds the plane's products at every lag. Each is scaled to the number of tokens, so
// that lags with fewer pairs are not smaller for that.
func (p *planeStats) correlate() {
	for _, v := range p.variance {
		p.square += v
	}
	for i, lag := range Lags {
		if lag >= p.tokens {
			continue
		}
		sum := 0.0
		ahead := p.centred[lag*p.dim:]
		for j, v := range ahead {
			sum += v * p.centred[j]
		}
		p.product[i] += sum * float64(p.tokens) / float64(p.tokens-lag)
	}
}

// fill writes what was gathered into s.
func (p *planeStats) fill(s *Stats) {
	s.Planes = p.planes
	if len(p.firsts) > 0 {
		m := median(p.firsts)
		s.FirstTokenNorm = &m
	}
	if len(p.outlier) > 0 {
		m := median(p.outlier) // sorts
		s.OutlierChannel, s.OutlierChannelMax = &m, &p.outlier[len(p.outlier)-1]
	}
	for i, lag := range Lags {
		l := Lag{Tokens: lag}
		if lag < p.tokens && p.square > 0 {
			r := p.product[i] / p.square
			l.R = &r
		}
		s.Correlation = append(s.Correlation, l)
	}
}

// median sorts x and returns its median.
func median(x []float64) float64 {
	sort.Float64s(x)
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}
