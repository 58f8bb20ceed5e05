package quant

import (
	"slices"

	"kvgauge/internal/kern"
)

// MaxLloydBits is the widest Lloyd–Max code book.
const MaxLloydBits = 6

// halfBooks holds the positive centroids of the Lloyd–Max quantiser of the standard normal
// distribution, by bits (Max, 1960; computed by fixed-point iteration to 1e-12).
var halfBooks = [MaxLloydBits + 1][]float32{
	1: {0.7978846},
	2: {0.45278, 1.510418},
	3: {0.2450942, 0.7560053, 1.343909, 2.151946},
	4: {0.128395, 0.3880483, 0.6567591, 0.9423405, 1.256231, 1.618046, 2.069017, 2.73259},
	5: {0.06588966, 0.1980518, 0.3313783, 0.4666995, 0.6049336, 0.7471357, 0.8945651, 1.048783,
		1.211804, 1.38634, 1.576228, 1.787233, 2.028728, 2.317739, 2.69112, 3.260732},
	6: {0.03340951, 0.1002783, 0.1672969, 0.234567, 0.3021928, 0.3702826, 0.4389497, 0.5083138,
		0.578503, 0.6496556, 0.7219219, 0.7954677, 0.8704766, 0.9471549, 1.025736, 1.106488,
		1.18972, 1.275794, 1.365141, 1.458276, 1.555831, 1.658589, 1.767542, 1.883977, 2.009611,
		2.14681, 2.298981, 2.471305, 2.672274, 2.917407, 3.240437, 3.744101},
}

// A CodeBook maps numbers to the nearest of its centroids, which stand in increasing order.
type CodeBook struct {
	Centroids []float32
	bounds    []float32  // midpoints: code i is below bounds[i]
	book      *kern.Book // nil for more than 16 centroids
}

// LloydMax returns the code book of 2^bits centroids of the standard normal distribution.
func LloydMax(bits int) CodeBook {
	half := halfBooks[bits]
	var c CodeBook
	for _, x := range slices.Backward(half) {
		c.Centroids = append(c.Centroids, -x)
	}
	c.Centroids = append(c.Centroids, half...)
	for i := range c.Centroids[1:] {
		c.bounds = append(c.bounds, (c.Centroids[i]+c.Centroids[i+1])/2)
	}
	if bits <= kern.MaxBookBits {
		c.book = kern.NewBook(c.Centroids, c.bounds)
	}
	return c
}

// Codes sets dst to the codes of v times factor, rounded; the slices have equal length.
func (c *CodeBook) Codes(dst []byte, v []float32, factor float32) {
	if c.book != nil {
		c.book.Codes(dst, v, factor)
		return
	}
	for i, x := range v {
		dst[i] = c.Nearest(x * factor)
	}
}

// Scaled has, by code, what codes stand for where that is not the centroid itself.
type Scaled [1 << MaxLloydBits]float32

// Values sets dst to what codes stand for; the slices have equal length.
func (c *CodeBook) Values(dst []float32, codes []byte, to *Scaled) {
	if c.book != nil {
		kern.Values(dst, codes, len(c.Centroids), (*[1 << kern.MaxBookBits]float32)(to[:]))
		return
	}
	for i, code := range codes {
		dst[i] = to[code]
	}
}

// Nearest returns the code of x; a midpoint belongs to the upper centroid.
func (c *CodeBook) Nearest(x float32) byte {
	lo, n := 0, len(c.bounds)
	for n > 0 {
		half := n / 2
		if x >= c.bounds[lo+half] {
			lo += half + 1
			n -= half + 1
		} else {
			n = half
		}
	}
	return byte(lo)
}
