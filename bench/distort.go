package bench

import (
	"math"
	"runtime"
	"slices"
	"sync"

	"kvgauge/compressors/kv"
	"kvgauge/internal/stats"
	"kvgauge/results"
)

// A distortion is what became of one side of a cache. Every number is the same on every platform:
// products of two float32 are exact in float64, sums run in a fixed order, and what could fuse is
// converted explicitly.
type distortion struct {
	NMSE          results.Number   `json:"nmse"` // Σ(x-y)² / Σx²
	MSE           results.Number   `json:"mse"`  // Σ(x-y)² / values
	Cosine        results.Number   `json:"cosine"`
	NMSEByLayer   []results.Number `json:"nmse_by_layer"`
	CosineByLayer []results.Number `json:"cosine_by_layer"`
	RowMin        results.Number   `json:"row_min"` // of the cosines of token-and-head rows
	RowP01        results.Number   `json:"row_p01"`
	RowMedian     results.Number   `json:"row_median"`
}

// sums of a run of values x and what became of them, y.
type sums struct{ xx, yy, xy, ee float64 }

func (s *sums) add(t sums) {
	s.xx += t.xx
	s.yy += t.yy
	s.xy += t.xy
	s.ee += t.ee
}

// nmse is 0 for a faultless copy of nothing and infinite for an error where there was nothing.
func (s sums) nmse() float64 {
	if s.ee == 0 {
		return 0
	}
	return s.ee / s.xx
}

// cosine of two zero vectors is 1, of one 0.
func (s sums) cosine() float64 {
	if s.xx == 0 || s.yy == 0 {
		if s.xx == s.yy {
			return 1
		}
		return 0
	}
	return min(1, s.xy/math.Sqrt(float64(s.xx*s.yy)))
}

// distort measures side of b against a. Rows that kept leaves out are not counted: they are
// absent, not wrong.
func distort(a, b kv.Tensor, side kv.Side, kept *kv.Kept) distortion {
	layers := make([]sums, a.Layers)
	rows := make([][]float64, a.Layers)
	var group sync.WaitGroup
	next := make(chan int, a.Layers)
	for l := range a.Layers {
		next <- l
	}
	close(next)
	for range min(a.Layers, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			var w widener
			for l := range next {
				layers[l], rows[l] = w.layer(a, b, side, l, kept)
			}
		})
	}
	group.Wait()
	return summed(layers, rows, a.Dim(side))
}

func summed(layers []sums, rows [][]float64, dim int) distortion {
	var d distortion
	var whole sums
	cosines := 0.0
	for _, s := range layers {
		whole.add(s)
		cosines += s.cosine()
		d.NMSEByLayer = append(d.NMSEByLayer, results.Number(s.nmse()))
		d.CosineByLayer = append(d.CosineByLayer, results.Number(s.cosine()))
	}
	all := slices.Concat(rows...)
	slices.Sort(all)
	d.NMSE = results.Number(whole.nmse())
	if values := len(all) * dim; values > 0 {
		d.MSE = results.Number(whole.ee / float64(values))
	}
	d.Cosine = results.Number(cosines / float64(len(layers)))
	d.RowMin = results.Number(stats.SortedQuantile(all, 0))
	d.RowP01 = results.Number(stats.SortedQuantile(all, 0.01))
	d.RowMedian = results.Number(stats.SortedQuantile(all, 0.5))
	return d
}

// faultless is the distortion of what is equal bit for bit.
func faultless(layers int) distortion {
	zeros, ones := make([]results.Number, layers), make([]results.Number, layers)
	for i := range ones {
		ones[i] = 1
	}
	return distortion{Cosine: 1, NMSEByLayer: zeros, CosineByLayer: ones,
		RowMin: 1, RowP01: 1, RowMedian: 1}
}

// A widener holds the scratch of one goroutine.
type widener struct{ x, y []float32 }

// blockRows is how many rows are widened at once: few enough to stay in the first cache.
const blockRows = 16

func (w *widener) layer(a, b kv.Tensor, side kv.Side, layer int, kept *kv.Kept) (sums, []float64) {
	var total sums
	dim := a.Dim(side)
	rows := make([]float64, 0, a.Heads*a.Tokens)
	if len(w.x) < blockRows*dim {
		w.x, w.y = make([]float32, blockRows*dim), make([]float32, blockRows*dim)
	}
	for h := range a.Heads {
		if kept != nil {
			for _, t := range kept.At(layer, h) {
				x, y := w.x[:dim], w.y[:dim]
				a.DType.Widen(x, a.Row(side, layer, h, int(t)))
				b.DType.Widen(y, b.Row(side, layer, h, int(t)))
				s := rowSums(x, y)
				total.add(s)
				rows = append(rows, s.cosine())
			}
			continue
		}
		p, q := a.Plane(side, layer, h), b.Plane(side, layer, h)
		for len(p) > 0 {
			n := min(len(p), blockRows*dim)
			x, y := w.x[:n], w.y[:n]
			a.DType.Widen(x, p[:n])
			b.DType.Widen(y, q[:n])
			for i := 0; i < n; i += dim {
				s := rowSums(x[i:i+dim], y[i:i+dim])
				total.add(s)
				rows = append(rows, s.cosine())
			}
			p, q = p[n:], q[n:]
		}
	}
	return total, rows
}

// rowSums sums even and odd channels apart, which keeps two chains of additions in flight.
func rowSums(x, y []float32) sums {
	var s, t sums
	y = y[:len(x)]
	i := 0
	for ; i+1 < len(x); i += 2 {
		a, b := float64(x[i]), float64(y[i])
		c, d := float64(x[i+1]), float64(y[i+1])
		e, f := a-b, c-d
		s.xx += float64(a * a)
		t.xx += float64(c * c)
		s.yy += float64(b * b)
		t.yy += float64(d * d)
		s.xy += float64(a * b)
		t.xy += float64(c * d)
		s.ee += float64(e * e)
		t.ee += float64(f * f)
	}
	if i < len(x) {
		a, b := float64(x[i]), float64(y[i])
		e := a - b
		s.xx += float64(a * a)
		s.yy += float64(b * b)
		s.xy += float64(a * b)
		s.ee += float64(e * e)
	}
	s.add(t)
	return s
}
