package compressors

import (
	"slices"
	"testing"
)

// TestBooksAreOrderedByFrequency compares with a stable sort of all values.
func TestBooksAreOrderedByFrequency(t *testing.T) {
	for seed := range uint64(50) {
		var counts [256]uint32
		state := seed
		for range seed * 9 {
			state = state*6364136223846793005 + 1442695040888963407
			counts[state>>40%256] = uint32(state >> 50 % 7)
		}
		all := make([]byte, 256)
		for v := range all {
			all[v] = byte(v)
		}
		slices.SortStableFunc(all, func(a, b byte) int { return int(counts[b]) - int(counts[a]) })
		if got := mostFrequent(&counts); !slices.Equal(got[:], all[:zipBook]) {
			t.Errorf("%v: %v, want %v", counts, got, all[:zipBook])
		}
	}
}
