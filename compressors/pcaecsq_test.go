package compressors

import (
	"fmt"
	"testing"
)

// TestPCAECSQIsNearTheWaterFillingBound fits on 64 tokens a channel and measures half a million values
// of a graded Gaussian source, at every rate and spread: at most 0.3 bit above the bound.
func TestPCAECSQIsNearTheWaterFillingBound(t *testing.T) {
	for _, db := range []float64{20, 30, 40} {
		g := gradedRows(db)
		source, gap := g.source(), g.gap()
		for _, bits := range []float64{0.5, 1.5, 2, 3, 4, 5, 7} {
			p, err := pass(fmt.Sprintf("pca_ecsq:bits=%v", bits), source.data(source.Make()))
			if err != nil {
				t.Fatal(err)
			}
			over, err := gap.Of(p)
			rate, _ := BitsPerValue.Of(p)
			t.Logf("%g dB, bits %g: rate %.3f, gap %.4f bit", db, bits, rate, over)
			if err != nil || over > 0.30 || rate > bits+0.1 || rate < bits-0.1 {
				t.Errorf("%g dB, bits %g: rate %.3f, gap %.4f, want at most 0.30 (%v)",
					db, bits, rate, over, err)
			}
		}
	}
}
