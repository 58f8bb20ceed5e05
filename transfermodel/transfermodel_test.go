package transfermodel

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kvgauge/internal/testenv"
)

func open(t testing.TB, text string) Model {
	t.Helper()
	_, m, err := Open(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func anyTransfer(t *rapid.T) Transfer {
	raw := rapid.Int64Range(1, 1<<40).Draw(t, "raw")
	return Transfer{
		RawBytes: raw, WireBytes: rapid.Int64Range(0, raw+raw/4).Draw(t, "wire"),
		Compress:   time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "compress")),
		Decompress: time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "decompress")),
		Link:       ByteRate(rapid.Float64Range(1e3, 1e13).Draw(t, "link")),
		Layers:     rapid.IntRange(1, 100).Draw(t, "layers"),
	}
}

// The conformance vectors are closed forms over published measurements, checked by bisection.
func TestBreakEvenEqualsTheGoldenVectors(t *testing.T) {
	var golden struct {
		BreakEven []struct {
			Orig       int64   `json:"orig_bytes"`
			Comp       int64   `json:"comp_bytes"`
			Compress   float64 `json:"compress_ms"`
			Decompress float64 `json:"decompress_ms"`
			Chunks     int     `json:"chunks"`
			Sequential float64 `json:"sequential_gbps"`
			Pipelined  float64 `json:"pipelined_gbps"`
		} `json:"breakeven"`
	}
	b, err := os.ReadFile(testenv.Shared(t, "conformance/kvshuttle/transfer.json"))
	if err == nil {
		err = json.Unmarshal(b, &golden)
	}
	if err != nil || len(golden.BreakEven) == 0 {
		t.Fatalf("%d vectors, %v", len(golden.BreakEven), err)
	}
	for _, g := range golden.BreakEven {
		x := Transfer{RawBytes: g.Orig, WireBytes: g.Comp, Layers: g.Chunks,
			Compress: Seconds(g.Compress / 1e3), Decompress: Seconds(g.Decompress / 1e3)}
		for name, want := range map[string]float64{
			"sequential": g.Sequential, "pipelined": g.Pipelined} {
			got, err := BreakEven(open(t, name), x)
			if err != nil || math.Abs(got.Rate.Gbps()-want) > 1e-9*want {
				t.Errorf("%s %+v: %v Gbps, %v, want %v", name, g, got.Rate.Gbps(), err, want)
			}
		}
	}
}

func TestPipelinedWithOneChunkIsSequential(t *testing.T) {
	one, seq := open(t, "pipelined:chunks=1,latency_us=3"), open(t, "sequential:latency_us=3")
	rapid.Check(t, func(t *rapid.T) {
		x := anyTransfer(t)
		a, b := one.Lay(x), seq.Lay(x)
		if math.Abs(a.Ready-b.Ready) > 1e-12*b.Ready || one.Raw(x) != seq.Raw(x) {
			t.Errorf("%v and %v", a, b)
		}
	})
}

func TestPipelinedIsTheFlowShopOfEqualChunks(t *testing.T) {
	m := open(t, "pipelined:latency_us=20,efficiency=0.8")
	rapid.Check(t, func(t *rapid.T) {
		x := anyTransfer(t)
		n := float64(x.Layers)
		chunks := make([]Chunk, x.Layers)
		for i := range chunks {
			chunks[i] = Chunk{Compress: x.Compress.Seconds() / n, Decompress: x.Decompress.Seconds() / n,
				Send: 20e-6 + float64(x.WireBytes)/n/(0.8*float64(x.Link))}
		}
		got, want := m.Lay(x), FlowShop(chunks)
		if math.Abs(got.Ready-want.Ready) > 1e-9*want.Ready ||
			math.Abs(got.Sent-want.Sent) > 1e-9*want.Sent {
			t.Errorf("%+v, recurrence says %+v", got, want)
		}
	})
}

func TestMoreOfAnythingNeverMakesACacheReadyEarlier(t *testing.T) {
	for _, spec := range Specs() {
		m := open(t, string(spec))
		rapid.Check(t, func(t *rapid.T) {
			x := anyTransfer(t)
			base := Predict(m, x).Ready
			for name, change := range map[string]func(*Transfer){
				"wire":       func(x *Transfer) { x.WireBytes += 1 + x.WireBytes/3 },
				"link":       func(x *Transfer) { x.Link /= 1.5 },
				"compress":   func(x *Transfer) { x.Compress += 1e6 },
				"decompress": func(x *Transfer) { x.Decompress += 1e6 },
			} {
				y := x
				change(&y)
				if got := Predict(m, y).Ready; got < base {
					t.Errorf("%s: more %s gives %v, before %v", spec, name, got, base)
				}
			}
		})
	}
}

func TestBothWaysTieAtTheBreakEvenRate(t *testing.T) {
	for _, spec := range Specs() {
		m := open(t, string(spec))
		rapid.Check(t, func(t *rapid.T) {
			x := anyTransfer(t)
			r, err := BreakEven(m, x)
			if err != nil {
				t.Fatalf("%s %+v: %v", spec, x, err)
			}
			if !inside(r.Rate) {
				return
			}
			x.Link = r.Rate
			if a, b := m.Lay(x).Ready, m.Raw(x); math.Abs(a-b) > 1e-9*b {
				t.Errorf("%s: at %v Gbps %v s and %v s", spec, r.Rate.Gbps(), a, b)
			}
			x.Link = r.Rate / 2
			if m.Lay(x).Ready > m.Raw(x) {
				t.Errorf("%s: below break-even compressing costs", spec)
			}
		})
	}
}

func TestNeverAndAlwaysAreSaidPlainly(t *testing.T) {
	for _, name := range []string{"sequential", "pipelined", "pipelined:latency_us=1"} {
		m := open(t, name)
		grows := Transfer{RawBytes: 100, WireBytes: 120, Compress: 1, Layers: 4}
		if r, err := BreakEven(m, grows); err != nil || r.Rate != 0 {
			t.Errorf("%s: a codec that grows breaks even at %v, %v", name, r.Rate, err)
		}
		free := Transfer{RawBytes: 100, WireBytes: 50, Layers: 4}
		if r, err := BreakEven(m, free); err != nil || !math.IsInf(float64(r.Rate), 1) {
			t.Errorf("%s: a codec without cost breaks even at %v, %v", name, r.Rate, err)
		}
	}
}

func TestTheIntervalHoldsTheRateOfTheMedians(t *testing.T) {
	m := open(t, "pipelined")
	x := Transfer{RawBytes: 1 << 27, WireBytes: 1 << 26, Layers: 32}
	s := Samples{}
	for i := range 10 {
		s.Compress = append(s.Compress, 0.012+0.0001*float64(i))
		s.Decompress = append(s.Decompress, 0.006+0.0001*float64(i))
	}
	x.Compress, x.Decompress = Seconds(0.01245), Seconds(0.00645)
	mid, err := BreakEven(m, x)
	if err != nil {
		t.Fatal(err)
	}
	rng := func() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
	low, high, err := s.Interval(m, x, 0.95, 1000, rng())
	if err != nil || low >= mid.Rate || high <= mid.Rate || high > 1.1*low {
		t.Errorf("%v in [%v, %v], %v", mid.Rate.Gbps(), low.Gbps(), high.Gbps(), err)
	}
	low2, high2, _ := s.Interval(m, x, 0.95, 1000, rng())
	if low2 != low || high2 != high {
		t.Error("equal seeds give unequal intervals")
	}
	s.Compress = s.Compress[:5]
	if _, _, err := s.Interval(m, x, 0.95, 1000, rng()); err != ErrFewSamples {
		t.Errorf("5 samples: %v", err)
	}
}

func TestHostileTransfersAreErrors(t *testing.T) {
	m := open(t, "sequential")
	for _, x := range []Transfer{
		{RawBytes: -1, Layers: 1}, {Layers: 0}, {Compress: -1, Layers: 1},
	} {
		if _, err := BreakEven(m, x); err == nil {
			t.Errorf("%+v passes", x)
		}
	}
	for _, link := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if (Transfer{Layers: 1, Link: ByteRate(link)}).Check() == nil {
			t.Errorf("link %v passes", link)
		}
	}
	for _, text := range []string{"sequential:efficiency=0", "pipelined:chunks=-1",
		"pipelined:latency_us=-1", "sequential:efficiency=1.5"} {
		if _, _, err := Open(text); err == nil {
			t.Errorf("%s opens", text)
		}
	}
}
