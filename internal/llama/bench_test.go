package llama

import (
	"bytes"
	"context"
	"os"
	"syscall"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/testenv"
	"kvgauge/internal/weights"
)

// cpuSeconds returns the processor time of the process, which a busy machine does not stretch.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// rate reports what n tokens an iteration come to, by wall clock and by processor time.
func rate(b *testing.B, n int, cpu float64) {
	b.Helper()
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "tok/s")
	b.ReportMetric(float64(n)*float64(b.N)/cpu, "tok/cpu-s")
}

func BenchmarkPrefill512(b *testing.B) {
	s := loadSmol(b)
	start := cpuSeconds(b)
	for b.Loop() {
		if _, _, err := s.model.Prefill(context.Background(), s.wiki[:512], Options{}); err != nil {
			b.Fatal(err)
		}
	}
	rate(b, 512, cpuSeconds(b)-start)
}

// Twenty variants of a prefix of 256 and a continuation of 128, with their logits compared.
func BenchmarkJudge20(b *testing.B) {
	s := loadSmol(b)
	ctx := context.Background()
	c, _, err := s.model.Prefill(ctx, s.wiki[:256], Options{})
	if err != nil {
		b.Fatal(err)
	}
	p, err := s.model.FromTensor(s.model.Tensor(c, kv.BF16), nil)
	if err != nil {
		b.Fatal(err)
	}
	var prefixes []Prefix
	for range 20 {
		prefixes = append(prefixes, p)
	}
	start := cpuSeconds(b)
	for b.Loop() {
		err := s.model.Continue(ctx, prefixes, s.wiki[256:384], Options{Logits: func(at int, logits [][]float32) {
			Compare(logits, s.wiki[256+at+1], make([]Score, len(logits)))
		}})
		if err != nil {
			b.Fatal(err)
		}
	}
	rate(b, 20*128, cpuSeconds(b)-start)
}

func BenchmarkStepAt512(b *testing.B) {
	s := loadSmol(b)
	c, _, err := s.model.Prefill(context.Background(), s.wiki[:512], Options{})
	if err != nil {
		b.Fatal(err)
	}
	start := cpuSeconds(b)
	for b.Loop() {
		if _, err := s.model.Extend(context.Background(), c, s.wiki[512:513], Options{}); err != nil {
			b.Fatal(err)
		}
		c.Truncate(512)
	}
	rate(b, 1, cpuSeconds(b)-start)
}

func BenchmarkTokenizer(b *testing.B) {
	s := loadSmol(b)
	b.SetBytes(int64(len(s.text)))
	start := cpuSeconds(b)
	for b.Loop() {
		s.tok.Encode(s.text, false)
	}
	rate(b, len(s.wiki), cpuSeconds(b)-start)
}

func BenchmarkLoad(b *testing.B) {
	raw, err := os.ReadFile(testenv.SmolLM2(b))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w, err := weights.OpenGGUF(bytes.NewReader(raw), int64(len(raw)), "smollm2", weights.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Load(w); err != nil {
			b.Fatal(err)
		}
	}
}
