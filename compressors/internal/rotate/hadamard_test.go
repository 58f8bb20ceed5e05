package rotate

import (
	"math"
	"slices"
	"testing"

	"kvgauge/internal/kern"
)

func ramp(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32((i*7)%13) - 5
	}
	return v
}

func TestFWHTTwiceMultipliesByTheLength(t *testing.T) {
	for _, n := range []int{1, 2, 16, 64, 128, 256} {
		v := ramp(n)
		FWHT(v)
		FWHT(v)
		for i, x := range ramp(n) {
			if v[i] != x*float32(n) {
				t.Fatalf("n %d: v[%d] = %v, want %v", n, i, v[i], x*float32(n))
			}
		}
	}
}

func TestHadamardKeepsLengthsAndComesBack(t *testing.T) {
	for _, dim := range []int{1, 64, 80, 96, 128, 576} {
		for _, signed := range []bool{false, true} {
			h := NewHadamard(dim, 42, signed)
			v, want := ramp(dim), ramp(dim)
			h.Forward(v)
			var a, b float64
			for i := range v {
				a += float64(v[i]) * float64(v[i])
				b += float64(want[i]) * float64(want[i])
			}
			if math.Abs(a-b) > 1e-5*b {
				t.Errorf("dim %d: length² %v became %v", dim, b, a)
			}
			h.Inverse(v)
			for i := range v {
				if math.Abs(float64(v[i]-want[i])) > 1e-5 {
					t.Fatalf("dim %d: v[%d] = %v, want %v", dim, i, v[i], want[i])
				}
			}
		}
	}
}

func TestInverseCodesIsInverseOfWhatTheyStandFor(t *testing.T) {
	for _, dim := range []int{1, 64, 80, 96, 128, 576} {
		h := NewHadamard(dim, 42, true)
		codes, want, got := make([]byte, dim), make([]float32, dim), make([]float32, dim)
		for i := range codes {
			codes[i] = byte(i * 7 % 16)
			want[i] = float32(codes[i])*0.3 - 2.1
		}
		h.InverseCodes(got, codes, 0.3, -2.1)
		h.Inverse(want)
		for i := range got {
			if math.Abs(float64(got[i]-want[i])) > 1e-5 {
				t.Fatalf("dim %d: v[%d] = %v, want %v", dim, i, got[i], want[i])
			}
		}
	}
}

func TestSignsDependOnTheSeed(t *testing.T) {
	a, b := NewHadamard(128, 1, true), NewHadamard(128, 2, true)
	same := 0
	for i := range a.sign {
		if a.sign[i] == b.sign[i] {
			same++
		}
	}
	if same < 32 || same > 96 {
		t.Errorf("%d of 128 signs agree between seeds", same)
	}
}

func TestFWHTByVectorIsFWHT(t *testing.T) {
	state := uint64(7)
	for _, n := range []int{32, 64, 128, 256, 512} {
		for range 20 {
			v := make([]float32, n)
			for i := range v {
				x := splitmix(&state)
				v[i] = float32(int32(x)) * float32(math.Ldexp(1, int(x>>40%60)-40))
			}
			want := slices.Clone(v)
			FWHT(v)
			restore := kern.SetLevel(kern.Generic)
			FWHT(want)
			restore()
			for i := range v {
				if math.Float32bits(v[i]) != math.Float32bits(want[i]) {
					t.Fatalf("n %d: v[%d] = %v, want %v", n, i, v[i], want[i])
				}
			}
		}
	}
}
