package compressors

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"kvgauge/compressors/kv"
)

// whiteNoise returns a tensor of independent standard normal values.
func whiteNoise(s kv.Shape, d kv.DType) kv.Tensor {
	t := kv.New(s, d)
	rng := rand.New(rand.NewPCG(11, 12))
	for _, side := range kv.Sides {
		for i := range t.Bits[side] {
			t.Bits[side][i] = d.Bits(float32(rng.NormFloat64()))
		}
	}
	return t
}

// rateAndError compresses and decompresses: bits a value of the whole frame, and NMSE.
func rateAndError(t testing.TB, text string, src kv.Tensor) (rate, nmse float64) {
	t.Helper()
	spec, c, err := Open(text)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := AppendFrame(nil, spec, c, src)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFrame(blob, 0)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := f.Decompress()
	if err != nil {
		t.Fatal(err)
	}
	var e, sum float64
	for _, side := range kv.Sides {
		for i, b := range src.Bits[side] {
			x, y := float64(src.DType.Float(b)), float64(src.DType.Float(out.Bits[side][i]))
			e, sum = e+(x-y)*(x-y), sum+x*x
		}
	}
	return 8 * float64(len(blob)) / float64(src.RawBytes()/2), e / sum
}

func TestRotECSQIsWithinAQuarterBitOfTheWhiteBound(t *testing.T) {
	src := whiteNoise(kv.Shape{Layers: 1, Heads: 2, Tokens: 2048, KeyDim: 128, ValueDim: 128}, kv.F16)
	for _, bits := range []float64{1.5, 2, 3, 4, 5, 6, 7} {
		rate, nmse := rateAndError(t, fmt.Sprintf("rot_ecsq:bits=%v", bits), src)
		gap := rate - 0.5*math.Log2(1/nmse)
		t.Logf("bits %v: rate %.3f, SNR %.2f dB, gap %.4f bit", bits, rate, -10*math.Log10(nmse), gap)
		if gap > 0.27 || math.Abs(rate-bits) > 0.15 {
			t.Errorf("bits %v: rate %.3f, gap %.4f, want at most 0.27", bits, rate, gap)
		}
	}
}
