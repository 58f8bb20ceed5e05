package compressors_test

import (
	"syscall"
	"testing"
	"time"
)

// reportCPU calls f for every iteration and adds the rate by processor time, which stays true on
// a machine that is busy with other things. bytes are the raw bytes of one iteration.
func reportCPU(b *testing.B, bytes int, f func()) {
	b.SetBytes(int64(bytes))
	start := cpuTime(b)
	for b.Loop() {
		f()
	}
	spent := cpuTime(b) - start
	b.ReportMetric(float64(bytes)*float64(b.N)/1e6/spent.Seconds(), "MB/cpu-s")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
