package bench

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"kvgauge/compressors/kv"
	"kvgauge/configs"
)

// ticker is a clock on which every reading is one step later than the last.
func ticker(step time.Duration) func() time.Duration {
	now := time.Duration(0)
	return func() time.Duration { now += step; return now }
}

func TestASampleRepeatsUntilTheLeastTimeHasPassed(t *testing.T) {
	s := &stopwatch{configs.Timing{MinSeconds: 0.010}, ticker(3 * time.Millisecond)}
	n := 0
	l := s.sample(func() error { n++; return nil })
	// Readings after the start: 3, 6, 9, 12 ms.
	if n != 4 || l.seconds != 0.003 || l.total != 0.012 {
		t.Errorf("%d passes, %+v", n, l)
	}
	if l := s.sample(func() error { return errors.New("no") }); l.err == nil {
		t.Error("an error is lost")
	}
	if l := s.sample(func() error { panic("no") }); l.err == nil {
		t.Error("a panic is lost")
	}
}

func TestARaceInterleavesAndStopsSlowCodecsEarly(t *testing.T) {
	p := plan(t, "caches: [fake]\ncodecs: [identity, fp8_e4m3, q4_0]\n", PlanOptions{})
	sample, err := p.Sources[0].Sample(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	procs := runtime.GOMAXPROCS(0)
	s := &stopwatch{configs.Timing{Samples: 5, Warmup: 2, Threads: 1}, ticker(time.Millisecond)}
	times := s.race(context.Background(), sample.Cache, p.Codecs, 1)
	if runtime.GOMAXPROCS(0) != procs {
		t.Error("the number of processors is not restored")
	}
	for i, x := range times {
		if len(x.compress) != 5 || len(x.decompress) != 5 || len(x.copy) != 5 || x.note != "" || x.err != nil {
			t.Errorf("codec %d: %+v", i, x)
		}
		if x.copy[2] != times[0].copy[2] {
			t.Error("codecs of one round have copies of different rounds")
		}
	}
	s.MaxSeconds = 0.0025
	times = s.race(context.Background(), sample.Cache, p.Codecs, 1)
	if len(times[1].compress) != 3 || !strings.Contains(times[1].note, "stopped after 3 of 5 samples") {
		t.Errorf("%+v", times[1])
	}
	for _, m := range times[1].metrics("") {
		if m.Note == "" {
			t.Errorf("%s does not say why it has %d samples", m.Name, len(m.Values))
		}
	}
}

func TestSmokeTakesOneSampleOfTime(t *testing.T) {
	s := newStopwatch(configs.Timing{Samples: 10, Warmup: 5}, true)
	if s.Samples != 1 || s.Warmup != 1 {
		t.Errorf("%+v", s.Timing)
	}
}

func BenchmarkDistort(b *testing.B) {
	x := kv.New(kv.Shape{Layers: 30, Heads: 3, Tokens: 512, KeyDim: 64, ValueDim: 64}, kv.BF16)
	for i := range x.Bits[kv.K] {
		x.Bits[kv.K][i] = kv.BF16.Bits(float32(i%777) - 300)
	}
	y := x.Clone()
	b.SetBytes(int64(x.RawBytes() / 2))
	for b.Loop() {
		distort(x, y, kv.K, nil)
	}
}
