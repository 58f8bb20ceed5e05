package compressors

import (
	"math"
	"math/bits"
	"slices"

	"kvgauge/internal/kern"
)

// nuqMax is the largest code book of kvquant: four bits.
const nuqMax = 16

// A nuqBook is a code book on [-1, 1]: the bounds between its codes, padded with infinities, and
// what each code stands for.
type nuqBook struct {
	bounds [nuqMax]float32
	values [nuqMax]float32
}

// code returns the code of the centroid next to u, the upper one at a bound. Its four steps add up
// comparisons: a branch could not be foreseen.
func (b *nuqBook) code(u float32) int {
	c := 8 * atLeast(u, b.bounds[7])
	c += 4 * atLeast(u, b.bounds[(c+3)&15])
	c += 2 * atLeast(u, b.bounds[(c+1)&15])
	return c + atLeast(u, b.bounds[c&15])
}

// atLeast returns 1 if x is at least y, and else 0.
func atLeast(x, y float32) int {
	if x >= y {
		return 1
	}
	return 0
}

// newNUQBook returns the book of increasing centroids.
func newNUQBook(centroids []float32) *nuqBook {
	b := new(nuqBook)
	for i := range b.bounds {
		b.bounds[i] = float32(math.Inf(1))
		if i+1 < len(centroids) {
			b.bounds[i] = (centroids[i] + centroids[i+1]) / 2
		}
	}
	copy(b.values[:], centroids)
	return b
}

// nuqBins is into how many bins [-1, 1] is divided to find centroids.
const nuqBins = 4096

// A nuqHistogram counts normalised values.
type nuqHistogram struct{ counts [nuqBins]float64 }

func (h *nuqHistogram) add(u float32) {
	bin := int(float64(float64(u)+1) * (nuqBins / 2))
	h.counts[min(max(bin, 0), nuqBins-1)]++
}

func (h *nuqHistogram) center(bin int) float64 { return (float64(bin)+.5)/(nuqBins/2) - 1 }

// fit returns the k centroids with the least squared error, in increasing order: k-means in one
// dimension, solved exactly by dynamic programming over the bins (Wang and Song, Ckmeans.1d.dp,
// 2011), each layer of the program by divide and conquer. Sums of counts times integers are exact.
func (h *nuqHistogram) fit(k int) []float32 {
	p := nuqProgram{}
	for bin, n := range h.counts {
		if n > 0 {
			p.add(n, float64(2*bin+1-nuqBins))
		}
	}
	out := make([]float32, k)
	n := len(p.places)
	if n == 0 {
		for i := range out {
			out[i] = float32(2*i+1)/float32(k) - 1
		}
		return out
	}
	used := min(k, n)
	p.solve(used)
	end := n
	for i := used - 1; i >= 0; i-- {
		start := p.starts[i][end-1]
		out[i] = float32(p.mean(start, end) / nuqBins)
		end = start
	}
	for i := used; i < k; i++ {
		out[i] = out[used-1]
	}
	return out
}

// A nuqProgram divides weighted places, in increasing order, into runs.
type nuqProgram struct {
	places     []float64
	w, wx, wxx []float64 // sums over the places before each
	cost, next []float64 // least error of the first runs, up to and including each place
	starts     [][]int   // per run, the start of the last one, by its last place
}

func (p *nuqProgram) add(weight, place float64) {
	if len(p.places) == 0 {
		p.w, p.wx, p.wxx = []float64{0}, []float64{0}, []float64{0}
	}
	last := len(p.places)
	p.places = append(p.places, place)
	p.w = append(p.w, p.w[last]+weight)
	p.wx = append(p.wx, p.wx[last]+float64(weight*place))
	p.wxx = append(p.wxx, p.wxx[last]+float64(float64(weight*place)*place))
}

func (p *nuqProgram) mean(from, to int) float64 {
	return (p.wx[to] - p.wx[from]) / (p.w[to] - p.w[from])
}

// err is the squared error of one centroid for places from to to-1.
func (p *nuqProgram) err(from, to int) float64 {
	x := p.wx[to] - p.wx[from]
	return p.wxx[to] - p.wxx[from] - float64(float64(x*x)/(p.w[to]-p.w[from]))
}

func (p *nuqProgram) solve(runs int) {
	n := len(p.places)
	p.cost, p.next = make([]float64, n), make([]float64, n)
	p.starts = make([][]int, runs)
	for r := range p.starts {
		p.starts[r] = make([]int, n)
	}
	for i := range n {
		p.cost[i] = p.err(0, i+1)
	}
	for r := 1; r < runs; r++ {
		p.layer(r, r, n-1, r, n-1)
		p.cost, p.next = p.next, p.cost
	}
}

// layer finds the best start of run r for last places lo to hi, knowing that it lies between from
// and to: starts grow with ends.
func (p *nuqProgram) layer(r, lo, hi, from, to int) {
	if lo > hi {
		return
	}
	mid := (lo + hi) / 2
	best, at := math.Inf(1), from
	for s := from; s <= min(mid, to); s++ {
		if e := p.cost[s-1] + p.err(s, mid+1); e < best {
			best, at = e, s
		}
	}
	p.next[mid], p.starts[r][mid] = best, at
	p.layer(r, lo, mid-1, from, at)
	p.layer(r, mid+1, hi, at, to)
}

// normalise is Q-Norm: it moves the values of b so that those of what h counted keep their mean
// and deviation once they are quantised.
func (h *nuqHistogram) normalise(b *nuqBook) {
	var n, x, xx, y, yy float64
	for bin, w := range h.counts {
		c := h.center(bin)
		v := float64(b.values[b.code(float32(c))])
		n += w
		x += float64(w * c)
		xx += float64(float64(w*c) * c)
		y += float64(w * v)
		yy += float64(float64(w*v) * v)
	}
	if n == 0 {
		return
	}
	before := math.Sqrt(max(xx/n-float64(x/n*(x/n)), 0))
	after := math.Sqrt(max(yy/n-float64(y/n*(y/n)), 0))
	if after == 0 {
		return
	}
	gain := before / after
	shift := x/n - float64(gain*(y/n))
	for i, v := range b.values {
		b.values[i] = float32(float64(gain*float64(v)) + shift)
	}
}

// quantile returns the value below which a share p of sorted lies, interpolated between two.
func quantile(sorted []float32, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := float64(p * float64(len(sorted)-1))
	i := min(int(at), len(sorted)-1)
	low, high := float64(sorted[i]), float64(sorted[min(i+1, len(sorted)-1)])
	return low + float64((high-low)*(at-float64(i)))
}

// extremes keeps the n+1 largest and the n+1 smallest of a row, with their channels.
type extremes struct {
	top, bottom []extreme // the most extreme first
}

type extreme struct {
	value   float32
	channel uint16
}

// find looks through row, which has more than 2n values.
func (e *extremes) find(row []float32, n int) {
	e.top, e.bottom = e.top[:0], e.bottom[:0]
	above := func(a, b float32) bool { return a > b }
	below := func(a, b float32) bool { return a < b }
	for i, x := range row[:n+1] {
		e.top = insertExtreme(e.top, extreme{x, uint16(i)}, n+1, above)
		e.bottom = insertExtreme(e.bottom, extreme{x, uint16(i)}, n+1, below)
	}
	for from := n + 1; from < len(row); from += 32 {
		block := row[from:min(from+32, len(row))]
		for found := kern.Outside(block, e.bottom[n].value, e.top[n].value); found != 0; found &= found - 1 {
			e.consider(extreme{block[bits.TrailingZeros32(found)], uint16(from + bits.TrailingZeros32(found))}, n)
		}
	}
}

// consider puts x, which comes after all that were, among the n+1 at either end if it belongs there.
func (e *extremes) consider(x extreme, n int) {
	if x.value > e.top[n].value {
		i := n
		for ; i > 0 && x.value > e.top[i-1].value; i-- {
			e.top[i] = e.top[i-1]
		}
		e.top[i] = x
	}
	if x.value < e.bottom[n].value {
		i := n
		for ; i > 0 && x.value < e.bottom[i-1].value; i-- {
			e.bottom[i] = e.bottom[i-1]
		}
		e.bottom[i] = x
	}
}

// insertExtreme puts x in its place among at most room others; earlier ones come first.
func insertExtreme(list []extreme, x extreme, room int, before func(a, b float32) bool) []extreme {
	at := len(list)
	for at > 0 && before(x.value, list[at-1].value) {
		at--
	}
	list = slices.Insert(list, at, x)
	return list[:min(len(list), room)]
}
