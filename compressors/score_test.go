package compressors_test

import (
	"errors"
	"slices"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/internal/meter"
)

// A scorer holds buffers for caches and what they become, so many that every byte comes from
// memory, and the times of each round over them.
type scorer struct {
	*meter.Ring
	raw                 int       // bytes of a round
	copies, there, back []float64 // seconds of a round: copy, compress, decompress
}

// scoredSpecs are all codecs, and the settings of the integer quantisers that are no variants.
func scoredSpecs() []compressors.Spec {
	all := allSpecs()
	for _, spec := range []compressors.Spec{"uniform:bits=2", "uniform:bits=8",
		"uniform:axis=channel,bits=2,group=32", "uniform:axis=channel,bits=8,group=32",
		"uniform:axis=channel,group=32", "kivi:bits=2,residual=0", "kivi:bits=4,residual=0"} {
		if !slices.Contains(all, spec) {
			all = append(all, spec)
		}
	}
	return all
}

func newScorer(cache kv.Tensor) *scorer {
	size, _ := meter.LastLevelCache()
	n := meter.Slots(cache.RawBytes(), size)
	return &scorer{Ring: meter.NewRing(cache, n), raw: n * cache.RawBytes()}
}

// timed appends what calling f for every slot takes.
func (s *scorer) timed(to *[]float64, f func(*meter.Slot)) {
	start, _ := meter.CPU()
	for range s.Len() {
		f(s.Next())
	}
	end, _ := meter.CPU()
	*to = append(*to, float64(end-start)/1e9)
}

// round copies all caches, then compresses all, then decompresses all.
func (s *scorer) round(b *testing.B, c compressors.Codec) {
	s.timed(&s.copies, func(at *meter.Slot) {
		copy(at.Out.Bits[kv.K], at.In.Bits[kv.K])
		copy(at.Out.Bits[kv.V], at.In.Bits[kv.V])
	})
	var err error
	s.timed(&s.there, func(at *meter.Slot) {
		if at.Payload, err = c.AppendCompress(at.Payload[:0], at.In); err != nil {
			b.Fatal(err)
		}
	})
	s.timed(&s.back, func(at *meter.Slot) {
		if err = c.Decompress(at.Out, at.Payload); err != nil {
			b.Fatal(err)
		}
	})
}

// report gives medians over rounds: the score is raw bytes a second over those of copy in the same
// round, which a machine that is busy elsewhere disturbs least.
func (s *scorer) report(b *testing.B) {
	rate := func(seconds float64) float64 { return float64(s.raw) / seconds / 1e9 }
	b.ReportMetric(median(s.copies, func(i int) float64 { return rate(s.copies[i]) }), "copy-GB/s")
	b.ReportMetric(median(s.there, func(i int) float64 { return rate(s.there[i]) }), "compress-GB/s")
	b.ReportMetric(median(s.back, func(i int) float64 { return rate(s.back[i]) }), "decompress-GB/s")
	b.ReportMetric(median(s.there, func(i int) float64 { return s.copies[i] / s.there[i] }),
		"compress-score")
	b.ReportMetric(median(s.back, func(i int) float64 { return s.copies[i] / s.back[i] }),
		"decompress-score")
	b.ReportMetric(0, "ns/op")
}

// median returns the median of f of every index of x.
func median(x []float64, f func(i int) float64) float64 {
	y := make([]float64, len(x))
	for i := range y {
		y[i] = f(i)
	}
	slices.Sort(y)
	return y[len(y)/2]
}

// BenchmarkScore compares every codec with Go's copy from memory to memory, by processor time, on
// the same caches in the same run. A copy round, a compress round and a decompress round take
// turns. Run one codec on one processor:
//
//	GOMAXPROCS=1 go test ./compressors -run xxx -bench 'Score/bf16/splitzip$' -benchtime 10x
func BenchmarkScore(b *testing.B) {
	if _, ok := meter.CPU(); !ok {
		b.Skip("the system does not tell processor time")
	}
	for _, d := range []kv.DType{kv.BF16, kv.F16} {
		b.Run(d.String(), func(b *testing.B) {
			var rows, latents *scorer
			for _, spec := range scoredSpecs() {
				b.Run(string(spec), func(b *testing.B) {
					_, c, err := compressors.Open(string(spec))
					if err != nil {
						b.Fatal(err)
					}
					s, cache := &rows, benchTensor
					if f, ok := c.(compressors.Fitter); ok {
						if c, err = f.Fit([]kv.Tensor{cache(d).Slice(0, 512)}); err != nil {
							b.Fatal(err)
						}
					}
					if _, err = c.AppendCompress(nil, cache(d).Slice(0, 64)); errors.Is(err, compressors.ErrUnsupported) {
						s, cache = &latents, benchLatent
						if _, err := c.AppendCompress(nil, cache(d).Slice(0, 64)); err != nil {
							b.Skip(err)
						}
					}
					if *s == nil {
						*s = newScorer(cache(d))
					}
					(*s).score(b, c)
				})
			}
		})
	}
}

// score reports what rounds say.
func (s *scorer) score(b *testing.B, c compressors.Codec) {
	s.round(b, c) // faults pages in
	s.copies, s.there, s.back = s.copies[:0], s.there[:0], s.back[:0]
	for b.Loop() {
		s.round(b, c)
	}
	s.report(b)
}
