package kern

import (
	"math"
	"testing"
)

// slowF16 is binary16 by its definition in IEEE 754.
func slowF16(h uint16) float64 {
	exp, frac := int(h>>10)&0x1f, float64(h&0x3ff)
	v := math.Ldexp(1+frac/1024, exp-15)
	switch {
	case exp == 0:
		v = math.Ldexp(frac, -24)
	case exp == 0x1f && frac == 0:
		v = math.Inf(1)
	case exp == 0x1f:
		v = math.NaN()
	}
	if h&0x8000 != 0 {
		v = -v
	}
	return v
}

func TestF16WidensExactlyAndComesBackForEveryPattern(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		got, want := float64(F16ToF32(h)), slowF16(h)
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("F16ToF32(%#x) = %v, want %v", h, got, want)
		}
		back := F32ToF16(F16ToF32(h))
		if math.IsNaN(want) {
			if !math.IsNaN(slowF16(back)) {
				t.Fatalf("NaN %#x became %#x", h, back)
			}
		} else if back != h {
			t.Fatalf("%#x came back as %#x", h, back)
		}
		if b := F32ToBF16(BF16ToF32(h)); b != h && !math.IsNaN(float64(BF16ToF32(b))) {
			t.Fatalf("bf16 %#x came back as %#x", h, b)
		}
	}
}

func TestNarrowingRoundsHalfwayCasesToEven(t *testing.T) {
	for i := range 0x7c00 {
		h := uint16(i)
		lo, hi := slowF16(h), slowF16(h+1)
		if h == 0x7bff {
			hi = 65536
		}
		mid := float32((lo + hi) / 2) // exact in float32
		even := h + h&1
		if got := F32ToF16(mid); got != even {
			t.Fatalf("F32ToF16(%v) = %#x, want %#x", mid, got, even)
		}
		if got := F32ToF16(math.Nextafter32(mid, 0)); got != h {
			t.Fatalf("below the middle: %#x, want %#x", got, h)
		}
		if got := F32ToF16(-math.Nextafter32(mid, 1e6)); got != (h+1)|0x8000 {
			t.Fatalf("above the middle: %#x, want %#x", got, (h+1)|0x8000)
		}
	}
	for i := range 0x7f7f {
		h := uint16(i)
		mid := math.Float32frombits(uint32(h)<<16 | 0x8000)
		if got := F32ToBF16(mid); got != h+h&1 {
			t.Fatalf("F32ToBF16(%v) = %#x, want %#x", mid, got, h+h&1)
		}
	}
}

// Every pattern of sign, exponent and the upper half of the fraction, with low bits that decide
// rounding: the vector form must agree with the scalar one on all, NaNs too.
func TestNarrowingByVectorIsNarrowingOneByOne(t *testing.T) {
	low := []uint32{0, 1, 0x7ff, 0x800, 0x801, 0xfff}
	src, got := make([]float32, 4096+3), make([]uint16, 4096+3)
	n := 0
	flush := func() {
		NarrowF16(got[:n], src[:n])
		for i, f := range src[:n] {
			if want := F32ToF16(f); got[i] != want {
				t.Fatalf("%x becomes %04x, want %04x", math.Float32bits(f), got[i], want)
			}
		}
		n = 0
	}
	for top := uint32(0); top < 1<<20; top++ {
		src[n] = math.Float32frombits(top<<12 | low[top%6])
		if n++; n == len(src) {
			flush()
		}
	}
	flush()
}
