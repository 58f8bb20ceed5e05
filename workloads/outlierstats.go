package workloads

import "kvgauge/compressors/kv"

// The numbers below are fitted to the caches of SmolLM2-135M-Instruct (30 layers, 3 KV heads of
// 64, Q4_1 weights widened to float32) over 718 tokens of prose (the opening of The Time
// Machine) and 843 of code (Go's bufio/scan.go), without the first token, keys before RoPE.
// Ratios are to the median standard deviation of the head's channels. Quantiles are over the
// channels of a head, and of these the medians over heads: a typical head, since the wildest
// channels come together in a few. The statistics of the keys after RoPE were not fitted; a test
// holds the drawn caches against them.

// ropeTheta is the base of SmolLM2's rotary embedding.
const ropeTheta = 100000

// quantilePoints are the percents at which the quantile tables are given.
var quantilePoints = [...]float64{0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100}

type quantiles [len(quantilePoints)]float64

// sideStats describe the channels of keys or of values.
type sideStats struct {
	mean, std quantiles // |mean| and standard deviation of a channel, as ratios

	// Of every 64 channels of keys, one is heavy, in each head: its mean and spread over heads,
	// and the share of the rotated pairs below it, where a pair turns once in some ten thousand
	// tokens.
	heavy               bool
	heavyMean, heavyStd quantiles
	heavyPair           quantiles

	// stdSlope is how much larger the spread of the slowest pair is than of the fastest,
	// relative to their mean; values have no pairs.
	stdSlope float64

	// spectrum is c in the variances 1/(i+c) of the directions i = 0, 1, … in which channels
	// vary together.
	spectrum float64

	// gain is the standard deviation of a token's own scale.
	gain float64

	// By depth, at depthPoints: median standard deviation; norm of the first token to the
	// median norm of the others; correlation of neighbouring tokens, and its decay by token.
	scale, first, lag1, decay depths
}

// depthPoints are the middles of five blocks of six layers, as shares of the depth.
var depthPoints = [...]float64{0.1, 0.3, 0.5, 0.7, 0.9}

type depths [len(depthPoints)]float64

var outlierStats = [2]sideStats{
	kv.K: {
		mean:      quantiles{.015, .028, .079, .142, .338, .769, 1.536, 2.673, 3.548, 4.846, 5.43},
		std:       quantiles{.541, .599, .714, .771, .867, 1.011, 1.203, 1.396, 1.552, 1.842, 1.995},
		heavy:     true,
		heavyMean: quantiles{3.6, 4.09, 5.02, 6.56, 9.32, 12.3, 14.06, 15.87, 18.41, 22.63, 24.99},
		heavyStd:  quantiles{.997, 1.023, 1.151, 1.31, 1.571, 1.842, 2.258, 2.736, 3.165, 4.763, 9.279},
		heavyPair: quantiles{.656, .656, .688, .688, .719, .719, .75, .781, .938, .969, .969},
		stdSlope:  .6,
		spectrum:  1.7,
		gain:      .1,
		scale:     depths{.802, .853, .851, .807, .856},
		first:     depths{.710, .573, .276, .248, .333},
		lag1:      depths{.066, .163, .424, .490, .347},
		decay:     depths{.3, .54, .68, .74, .70},
	},
	kv.V: {
		mean:     quantiles{.004, .007, .022, .037, .092, .193, .338, .499, .644, 1.269, 1.684},
		std:      quantiles{.823, .835, .874, .897, .939, 1, 1.079, 1.2, 1.296, 1.586, 1.782},
		spectrum: 6,
		gain:     .2,
		scale:    depths{.385, .503, .604, .914, 1.259},
		first:    depths{.332, .251, .282, .173, .160},
		lag1:     depths{.024, .116, .379, .328, .243},
		decay:    depths{.3, .46, .66, .63, .70},
	},
}

// at returns the value at depth x in [0, 1], on straight lines between the points.
func (d *depths) at(x float64) float64 { return piecewise(depthPoints[:], d[:], x) }

// at returns the quantile u in [0, 1].
func (q *quantiles) at(u float64) float64 { return piecewise(quantilePoints[:], q[:], 100*u) }

// piecewise returns the value at x of straight lines through the points, constant beyond them.
// It rounds every product, since the result reaches bytes.
func piecewise(xs, ys []float64, x float64) float64 {
	if x <= xs[0] {
		return ys[0]
	}
	for i := 1; i < len(xs); i++ {
		if x <= xs[i] {
			share := (x - xs[i-1]) / (xs[i] - xs[i-1])
			return ys[i-1] + float64(share*(ys[i]-ys[i-1]))
		}
	}
	return ys[len(ys)-1]
}
