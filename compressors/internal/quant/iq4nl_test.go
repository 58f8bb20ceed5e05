package quant

import (
	"bytes"
	"math"
	"testing"

	"kvgauge/compressors/kv"
)

// TestNearestIQ4NLIsTheNearest compares the table with a search through all levels, in steps of
// 1/64, one number beside each, and far away.
func TestNearestIQ4NLIsTheNearest(t *testing.T) {
	check := func(x float32) {
		best := 0
		for i, level := range levelsIQ4NL {
			if math.Abs(float64(x-level)) <= math.Abs(float64(x-levelsIQ4NL[best])) {
				best = i
			}
		}
		if got := nearestIQ4NL(x); int(got) != best {
			t.Errorf("%v is code %d, want %d", x, got, best)
		}
	}
	for i := -140 * 64; i <= 140*64; i++ {
		x := float32(i) / 64
		check(x)
		check(math.Nextafter32(x, -1e9))
		check(math.Nextafter32(x, 1e9))
	}
	for _, x := range []float32{1e30, -1e30} {
		if got := nearestIQ4NL(x); x > 0 && got != 15 || x < 0 && got != 0 {
			t.Errorf("%v is code %d", x, got)
		}
	}
}

// TestBlocksOfFloatsAreThoseOfPatterns: the two ways into a block give the same bytes, and the two
// ways out the same numbers.
func TestBlocksOfFloatsAreThoseOfPatterns(t *testing.T) {
	for _, b := range []Block{Q8_0, Q4_0, Q4_1, Q5_0, Q5_1} {
		for n := range 200 {
			var x [BlockSize]float32
			row := make([]uint16, BlockSize)
			for i := range row {
				row[i] = kv.F16.Bits(float32((i*37+n*61)%127-60) / float32(1+n%7))
				x[i] = kv.F16.Float(row[i])
			}
			want, got := make([]byte, b.Bytes()), make([]byte, b.Bytes())
			if _, ok := b.Compress(kv.F16, want, row); !ok || !b.CompressFloats(got, x[:]) {
				t.Fatal("a scale beyond its type")
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("type %d, row %d:\n got %x\nwant %x", b, n, got, want)
			}
			if !b.Decompress(kv.F16, row, want) || !b.DecompressFloats(x[:], want) {
				t.Fatal("a scale that is not finite")
			}
			for i := range row {
				if kv.F16.Bits(x[i]) != row[i] {
					t.Fatalf("type %d, row %d: value %d is %v, want %v", b, n, i, x[i], kv.F16.Float(row[i]))
				}
			}
		}
	}
}
