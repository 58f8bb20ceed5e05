package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"kvgauge/compressors/kv"
	"kvgauge/configs"
	"kvgauge/internal/stats"
	"kvgauge/results"
)

// timings are the timed samples of one cell, in seconds for the whole cache.
type timings struct {
	compress, decompress, copy []float64
	note                       string // why there are fewer than were asked for
	err                        error
}

// A contestant is a codec while it is timed.
type contestant struct {
	codec   Codec
	payload []byte
	spent   [2]float64 // seconds in timed samples, by direction
	timings
}

// A stopwatch takes times as a sweep asks for them. Its clock is a parameter, so that rounds and
// stopping can be tested without one.
type stopwatch struct {
	configs.Timing
	now func() time.Duration // on a monotonic clock
}

// newStopwatch reads the machine's monotonic clock.
func newStopwatch(t configs.Timing, smoke bool) *stopwatch {
	if smoke {
		t.Samples, t.Warmup = min(t.Samples, 1), min(t.Warmup, 1)
	}
	start := time.Now()
	return &stopwatch{t, func() time.Duration { return time.Since(start) }}
}

// race times codecs on one cache: warm-up first, then rounds in which every codec compresses and
// decompresses in turn, in an order drawn for the round, so that a slow spell of the machine
// meets them all. A copy of the raw bytes is timed in each round beside them.
func (s *stopwatch) race(ctx context.Context, cache kv.Tensor, codecs []Codec,
	seed uint64) []timings {
	defer s.quiet()()
	out := kv.New(cache.Shape, cache.DType)
	out.Meta = cache.Meta
	field := make([]*contestant, len(codecs))
	for i := range codecs {
		field[i] = &contestant{codec: codecs[i]}
		field[i].err = s.warm(field[i], cache, out)
	}
	order := stats.Stream(seed, "timing order")
	for range s.Samples {
		if ctx.Err() != nil {
			break
		}
		runtime.GC()
		memcpy := s.sample(func() error { copyCache(out, cache); return nil })
		for _, i := range order.Perm(len(field)) {
			if field[i].err == nil && field[i].note == "" {
				s.turn(field[i], cache, out, memcpy.seconds)
			}
		}
	}
	result := make([]timings, len(field))
	for i, c := range field {
		result[i] = c.timings
	}
	return result
}

// quiet keeps other work of the process out of timed sections, and returns what undoes that.
// Garbage is collected between turns; a codec that makes more than the limit in one turn has it
// collected, and charged, within.
func (s *stopwatch) quiet() func() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	procs := runtime.GOMAXPROCS(s.Threads)
	percent := debug.SetGCPercent(-1)
	limit := debug.SetMemoryLimit(int64(m.Sys) + 512<<20)
	return func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
		runtime.GOMAXPROCS(procs)
	}
}

// warm runs both directions untimed, and checks that a codec gives equal bytes each time.
func (s *stopwatch) warm(c *contestant, cache, out kv.Tensor) (err error) {
	defer recoverTo(&err)
	if c.payload, err = c.codec.AppendCompress(nil, cache); err != nil {
		return err
	}
	first := slices.Clone(c.payload)
	for range max(1, s.Warmup) {
		if c.payload, err = c.codec.AppendCompress(c.payload[:0], cache); err != nil {
			return err
		}
		if !bytes.Equal(first, c.payload) {
			return errors.New("compressing one cache twice gives different bytes")
		}
		if err = c.codec.Decompress(out, c.payload); err != nil {
			return err
		}
	}
	return nil
}

func recoverTo(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v", p)
	}
}

// turn takes one sample of each direction.
func (s *stopwatch) turn(c *contestant, cache, out kv.Tensor, memcpy float64) {
	runtime.GC()
	compress := s.sample(func() (err error) {
		c.payload, err = c.codec.AppendCompress(c.payload[:0], cache)
		return err
	})
	decompress := s.sample(func() error { return c.codec.Decompress(out, c.payload) })
	if c.err = errors.Join(compress.err, decompress.err); c.err != nil {
		return
	}
	c.compress = append(c.compress, compress.seconds)
	c.decompress = append(c.decompress, decompress.seconds)
	c.copy = append(c.copy, memcpy)
	c.spent[0] += compress.total
	c.spent[1] += decompress.total
	if n := len(c.compress); n < s.Samples && s.MaxSeconds > 0 &&
		max(c.spent[0], c.spent[1]) > s.MaxSeconds {
		c.note = fmt.Sprintf("stopped after %d of %d samples: timing.max_seconds is %v",
			n, s.Samples, s.MaxSeconds)
	}
}

// A lap is one timed sample: seconds of one pass, and of all its passes together.
type lap struct {
	seconds, total float64
	err            error
}

// sample repeats f until MinSeconds have passed and returns the mean time of a pass.
func (s *stopwatch) sample(f func() error) (l lap) {
	defer recoverTo(&l.err)
	start := s.now()
	for n := 1; ; n++ {
		if l.err = f(); l.err != nil {
			return l
		}
		if l.total = (s.now() - start).Seconds(); l.total >= s.MinSeconds {
			l.seconds = l.total / float64(n)
			return l
		}
	}
}

// copyCache copies the raw bytes: what every rate is held against.
func copyCache(dst, src kv.Tensor) {
	if src.Contiguous() {
		copy(dst.Bits[kv.K], src.Bits[kv.K])
		copy(dst.Bits[kv.V], src.Bits[kv.V])
		return
	}
	for _, side := range kv.Sides {
		for l := range src.Layers {
			for h := range src.Heads {
				copy(dst.Plane(side, l, h), src.Plane(side, l, h))
			}
		}
	}
}

// metrics returns the timed metrics of a record; reason says why there are none.
func (t timings) metrics(reason string) []results.Metric {
	make := func(name string, better int, xs []float64) results.Metric {
		m := results.Metric{Name: name, Kind: results.Timed, Better: better, Over: "repeat",
			Values: results.Numbers(xs...), Note: t.note}
		if len(xs) == 0 {
			m.Note = reason
		}
		return m
	}
	return []results.Metric{
		make("compress_seconds", -1, t.compress), make("decompress_seconds", -1, t.decompress),
		make("copy_seconds", 0, t.copy),
	}
}
