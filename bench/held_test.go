package bench

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/nprand"
	"kvgauge/results"
	"kvgauge/workloads/kvfile"
)

// heldFile writes a cache of Gaussian noise rounded to E4M3, and says so if held.
func heldFile(t *testing.T, held kv.Held) string {
	t.Helper()
	x := kv.New(kv.Shape{Layers: 2, Heads: 2, Tokens: 64, KeyDim: 32, ValueDim: 32}, kv.BF16)
	r, table := nprand.New(5), kv.HeldE4M3.Patterns(kv.BF16)
	for _, side := range kv.Sides {
		for i := range x.Bits[side] {
			x.Bits[side][i] = table[int(40+8*math.Abs(r.Normal()))&0x7f|i&1<<7]
		}
	}
	x.Meta = &kv.Meta{Held: held}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := kvfile.Write(path, x); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRatiosOfCachesHeldInEightBits: beside the ratio of 16 bits stands that of what is shipped, and
// transfers weigh against that.
func TestRatiosOfCachesHeldInEightBits(t *testing.T) {
	for _, held := range []kv.Held{"", kv.HeldE4M3} {
		text := fmt.Sprintf(`
caches: [{file: {path: %q}}]
codecs: [identity, lossless_fp8]
timing: {samples: 1}
transfer: {models: [sequential], links_gbps: [1], devices: [cpu]}
`, heldFile(t, held))
		raw := 2. * 2 * 2 * 64 * 64
		if held != "" {
			raw /= 2
		}
		seen := 0
		_, err := plan(t, text, PlanOptions{}).Run(context.Background(), RunOptions{}, func(rs ...results.Record) error {
			for i := range rs {
				r := &rs[i]
				if r.Type == "transfer" {
					seen++
					if got := float64(r.Metric("raw_seconds").Values[0]); math.Abs(got/(8*raw/1e9)-1) > 1e-6 {
						t.Errorf("held in %q: %g seconds uncompressed, want %g", held, got, 8*raw/1e9)
					}
				}
				if r.Type != "codec" {
					continue
				}
				seen++
				m := r.Metric("ratio_held")
				if (m != nil) != (held != "") || r.Attrs["held"] != string(held) {
					t.Fatalf("held in %q: %v, attribute %q", held, m, r.Attrs["held"])
				}
				if held == "" {
					continue
				}
				frame := float64(r.Metric("frame_bytes").Values[0])
				got := float64(m.Values[0])
				smaller := r.Coord("codec") == "lossless_fp8"
				if got != raw/frame || float64(r.Metric("ratio").Values[0]) != 2*got || smaller != (got > 1.05) {
					t.Errorf("%s: %g of what was held, in a frame of %g", r.Coord("codec"), got, frame)
				}
			}
			return nil
		})
		if err != nil || seen != 4 {
			t.Errorf("held in %q: %d records, %v", held, seen, err)
		}
	}
}
