//go:build !linux

package compressors_test

import "testing"

// reportCPU calls f for every iteration. bytes are the raw bytes of one iteration.
func reportCPU(b *testing.B, bytes int, f func()) {
	b.SetBytes(int64(bytes))
	for b.Loop() {
		f()
	}
}
