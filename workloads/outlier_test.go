package workloads

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"kvgauge/compressors/kv"
)

// headStats are statistics of one head without its first token, as outlierstats.go defines them.
type headStats struct {
	first, std, mean, kurtosis, share, largest float64
	lag                                        map[int]float64
}

var lags = []int{1, 4, 16, 64}

func measure(t kv.Tensor, side kv.Side, layer, head int) headStats {
	dim := t.Dim(side)
	rows := make([][]float64, t.Tokens)
	norms := make([]float64, t.Tokens)
	s := headStats{lag: map[int]float64{}}
	for i := range rows {
		rows[i] = make([]float64, dim)
		for j, bits := range t.Row(side, layer, head, i) {
			x := float64(t.DType.Float(bits))
			rows[i][j] = x
			norms[i] += x * x
			if i > 0 {
				s.largest = max(s.largest, math.Abs(x))
			}
		}
		norms[i] = math.Sqrt(norms[i])
	}
	s.first = norms[0] / median(norms[1:])
	rows = rows[1:]
	var means, stds []float64
	square, fourth := 0.0, 0.0
	for j := range dim {
		mean, variance := 0.0, 0.0
		for _, r := range rows {
			mean += r[j] / float64(len(rows))
		}
		for _, r := range rows {
			r[j] -= mean
			variance += r[j] * r[j] / float64(len(rows))
		}
		for _, r := range rows {
			fourth += math.Pow(r[j], 4) / (variance * variance) / float64(len(rows)*dim)
		}
		square += mean*mean + variance
		s.share += mean * mean
		means, stds = append(means, math.Abs(mean)), append(stds, math.Sqrt(variance))
	}
	s.share /= square
	s.kurtosis = fourth
	s.std = slices.Max(stds) / median(stds)
	s.mean = slices.Max(means) / median(stds)
	for _, l := range lags {
		s.lag[l] = lagged(rows, l)
	}
	return s
}

func median(x []float64) float64 {
	y := slices.Sorted(slices.Values(x))
	return y[len(y)/2]
}

func lagged(rows [][]float64, lag int) float64 {
	xy, xx, yy := 0.0, 0.0, 0.0
	for i := lag; i < len(rows); i++ {
		for j, y := range rows[i] {
			x := rows[i-lag][j]
			xy, xx, yy = xy+x*y, xx+x*x, yy+y*y
		}
	}
	return xy / math.Sqrt(xx*yy)
}

// Medians over SmolLM2's 90 heads, keys as they are cached: after RoPE.
var smollm2Medians = []struct {
	side     kv.Side
	what     string
	of       func(headStats) float64
	want     float64
	abs, rel float64 // allowed difference: abs + rel·want
}{
	{kv.K, "first token's norm ratio", func(s headStats) float64 { return s.first }, .326, .05, .1},
	{kv.K, "largest/median spread", func(s headStats) float64 { return s.std }, 2.21, 0, .25},
	{kv.K, "largest mean/median spread", func(s headStats) float64 { return s.mean }, 9.11, 0, .25},
	{kv.K, "share of the mean", func(s headStats) float64 { return s.share }, .602, .1, 0},
	{kv.K, "kurtosis", func(s headStats) float64 { return s.kurtosis }, 2.83, .3, 0},
	{kv.K, "largest value", func(s headStats) float64 { return s.largest }, 14.8, 0, .25},
	{kv.K, "lag 1", func(s headStats) float64 { return s.lag[1] }, .640, .08, 0},
	{kv.K, "lag 4", func(s headStats) float64 { return s.lag[4] }, .399, .08, 0},
	{kv.K, "lag 16", func(s headStats) float64 { return s.lag[16] }, .238, .08, 0},
	{kv.K, "lag 64", func(s headStats) float64 { return s.lag[64] }, .097, .06, 0},
	{kv.V, "first token's norm ratio", func(s headStats) float64 { return s.first }, .239, .05, .1},
	{kv.V, "largest/median spread", func(s headStats) float64 { return s.std }, 1.77, 0, .25},
	{kv.V, "largest mean/median spread", func(s headStats) float64 { return s.mean }, 1.67, 0, .35},
	{kv.V, "share of the mean", func(s headStats) float64 { return s.share }, .116, .05, 0},
	{kv.V, "kurtosis", func(s headStats) float64 { return s.kurtosis }, 3.6, .4, 0},
	{kv.V, "largest value", func(s headStats) float64 { return s.largest }, 4.49, 0, .3},
	{kv.V, "lag 1", func(s headStats) float64 { return s.lag[1] }, .200, .05, 0},
	{kv.V, "lag 4", func(s headStats) float64 { return s.lag[4] }, .038, .04, 0},
}

func TestOutlierCachesHaveSmolLM2sStatistics(t *testing.T) {
	_, src, err := Open("synthetic:shape=smollm2-135m,tokens=719", Options{Seed: 42})
	if err != nil {
		t.Fatal(err)
	}
	s, err := src.Sample(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var heads [2][]headStats
	for _, side := range kv.Sides {
		for l := range s.Cache.Layers {
			for h := range s.Cache.Heads {
				heads[side] = append(heads[side], measure(s.Cache, side, l, h))
			}
		}
	}
	for _, m := range smollm2Medians {
		var x []float64
		for _, h := range heads[m.side] {
			x = append(x, m.of(h))
		}
		got := median(x)
		t.Logf("%v %-28s %7.3f, SmolLM2 %7.3f", m.side, m.what, got, m.want)
		if math.Abs(got-m.want) > m.abs+m.rel*m.want {
			t.Errorf("%v %s is %.3f, SmolLM2's %.3f", m.side, m.what, got, m.want)
		}
	}
}

// Bytes are the same on every platform: a run under arm64 or GOAMD64=v3 checks it.
func TestOutlierCachesAreEqualEverywhere(t *testing.T) {
	for text, want := range map[string]string{
		"synthetic:shape=smollm2-135m,tokens=33":              "f46492ce5dd7f7af",
		"synthetic:shape=phi-3.5-mini,tokens=5,dtype=f16":     "37ccd27a7c407dce",
		"synthetic:shape=deepseek-v3,tokens=6":                "54f0f6b8081821df",
		"synthetic:shape=llama-3.1-8b,tokens=3,kind=gaussian": "f96fe2ae31429684",
	} {
		_, src, err := Open(text, Options{Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		s, err := src.Sample(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := sha(append(s.Cache.Bits[kv.K], s.Cache.Bits[kv.V]...))[:16]; got != want {
			t.Errorf("%s: digest %s, want %s", text, got, want)
		}
	}
}

// Channels belong to the model, tokens to the sample.
func TestSamplesShareTheirChannels(t *testing.T) {
	_, src, err := Open("synthetic:shape=smollm2-135m,tokens=400,samples=2", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var tops [2]string
	var caches [2]kv.Tensor
	for i := range tops {
		s, err := src.Sample(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		caches[i] = s.Cache
		for h := range s.Cache.Heads {
			tops[i] += fmt.Sprint(heaviest(s.Cache, 9, h), " ")
		}
	}
	if tops[0] != tops[1] || caches[0].Equal(caches[1]) {
		t.Errorf("heaviest channels %s and %s", tops[0], tops[1])
	}
}

func heaviest(t kv.Tensor, layer, head int) int {
	sums := make([]float64, t.KeyDim)
	for i := range t.Tokens {
		for j, bits := range t.Row(kv.K, layer, head, i) {
			sums[j] += math.Abs(float64(t.DType.Float(bits)))
		}
	}
	return slices.Index(sums, slices.Max(sums))
}

func TestRopeTableTurnsByTheAngles(t *testing.T) {
	const dim, tokens = 96, 3000
	r := newRopeTable(ropeTheta, dim, tokens)
	for _, token := range []int{0, 1, 17, tokens - 1} {
		for j := range dim / 2 {
			angle := float64(token) * math.Pow(ropeTheta, -2*float64(j)/dim)
			cos, sin := float64(r.cos[token*r.half+j]), float64(r.sin[token*r.half+j])
			if math.Abs(cos-math.Cos(angle)) > 1e-7 || math.Abs(sin-math.Sin(angle)) > 1e-7 {
				t.Fatalf("token %d, pair %d: %v, %v for angle %v", token, j, cos, sin, angle)
			}
		}
	}
	row := []float32{1, 0, 0, 1} // pairs (0,2) and (1,3)
	newRopeTable(100, 4, 2).rotate(row, 1)
	want := []float64{math.Cos(1), -math.Sin(.1), math.Sin(1), math.Cos(.1)}
	for i := range row {
		if math.Abs(float64(row[i])-want[i]) > 1e-6 {
			t.Errorf("rotated to %v, want %v", row, want)
		}
	}
}

func BenchmarkOutlier(b *testing.B) {
	x := kv.New(kv.Shape{Layers: 4, Heads: 8, Tokens: 512, KeyDim: 128, ValueDim: 128}, kv.BF16)
	b.SetBytes(int64(x.RawBytes()))
	for b.Loop() {
		if err := drawOutlier(b.Context(), &x, 1, 0); err != nil {
			b.Fatal(err)
		}
	}
	values := float64(x.RawBytes() / 2)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/values, "ns/value")
}
