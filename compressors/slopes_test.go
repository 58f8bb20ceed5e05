package compressors_test

import (
	"fmt"
	"math"
	"testing"

	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// slope compresses 1,000 keys, white noise of 128 channels, and returns the regression of the inner
// products with 100 queries of what comes back on the true ones: 1e5 pairs.
func slope(t *testing.T, spec string) float64 {
	src := gaussian(500) // of two heads
	got, _ := pass(t, spec, src)
	r := codectest.Rand(20260202)
	var cross, power float64
	query := make([]float64, 128)
	for range 100 {
		for i := range query {
			query[i] = r.Normal()
		}
		for h := range src.Heads {
			for token := range src.Tokens {
				x := inner(query, src.DType, src.Row(kv.K, 0, h, token))
				y := inner(query, got.DType, got.Row(kv.K, 0, h, token))
				cross += x * y
				power += x * x
			}
		}
	}
	return cross / power
}

func inner(query []float64, d kv.DType, row []uint16) float64 {
	sum := 0.0
	for i, bits := range row {
		sum += query[i] * float64(d.Float(bits))
	}
	return sum
}

// TestInnerProductsHaveTheirSlopes: sketches and TurboQuant's prod estimate inner products without
// bias; its mse shrinks them by what its code book takes from the variance, 2/π at one bit.
func TestInnerProductsHaveTheirSlopes(t *testing.T) {
	for spec, want := range map[string]float64{
		"qjl": 1, "qjl:seed=7": 1, "qjl:m=128": 1, "qjl:m=320": 1,
		"turboquant:mode=prod,bits=1": 1, "turboquant:mode=prod,bits=2": 1,
		"turboquant:mode=prod,bits=3": 1, "turboquant:mode=prod,bits=4": 1,
		"turboquant:bits=1": .638, "turboquant:bits=2": .885, "turboquant:bits=3": .967,
		"turboquant:bits=4": .991,
	} {
		t.Run(fmt.Sprint(spec), func(t *testing.T) {
			if got := slope(t, spec); math.Abs(got-want) > .01 {
				t.Errorf("slope %.4f, want %g ± .01", got, want)
			} else {
				t.Logf("slope %.4f", got)
			}
		})
	}
}

// TestASketchAsAReconstruction: D = 128 rows err as TurboQuant's prod with one bit does, twice as
// many half as much.
func TestASketchAsAReconstruction(t *testing.T) {
	src := gaussian(512)
	for spec, want := range map[string]float64{"qjl:m=128": .567, "qjl:m=256": .567 / 2} {
		got, _ := pass(t, spec, src)
		if e := nmse(src, got, kv.K); math.Abs(e/want-1) > tolerance {
			t.Errorf("%s: NMSE of k is %.4f, want %.4f ± 2 %%", spec, e, want)
		}
		if e := nmse(src, got, kv.V); math.Abs(e/.1544-1) > tolerance {
			t.Errorf("%s: NMSE of v is %.4f, want .1544 ± 2 %%", spec, e)
		}
	}
}
