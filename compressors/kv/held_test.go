package kv

import (
	"math"
	"testing"
)

// TestCodesOfEightBitsWidenExactly holds every code of both types to the values that their
// specification lists, in both 16-bit types.
func TestCodesOfEightBitsWidenExactly(t *testing.T) {
	for _, d := range []DType{F16, BF16} {
		for held, known := range map[Held]map[int]float64{
			HeldE4M3: {0x00: 0, 0x01: 0x1p-9, 0x07: 7 * 0x1p-9, 0x08: 0x1p-6, 0x38: 1, 0x39: 1.125, 0x7e: 448,
				0xfe: -448, 0xb8: -1},
			HeldE5M2: {0x00: 0, 0x01: 0x1p-16, 0x03: 3 * 0x1p-16, 0x04: 0x1p-14, 0x3c: 1, 0x3d: 1.25, 0x7b: 57344,
				0xfb: -57344, 0x7c: math.Inf(1), 0xfc: math.Inf(-1)},
		} {
			table := held.Patterns(d)
			for code, want := range known {
				if got := float64(d.Float(table[code])); got != want {
					t.Errorf("%s %#x in %v is %g, want %g", held, code, d, got, want)
				}
			}
			seen := map[uint16]int{}
			for code, b := range table {
				if other, twice := seen[b]; twice {
					t.Errorf("%s in %v: codes %#x and %#x are one", held, d, other, code)
				}
				seen[b] = code
				x, low := float64(d.Float(b)), float64(d.Float(table[code&^0x80]))
				if math.Signbit(x) != (code >= 0x80) || math.Abs(x) != low && low == low {
					t.Errorf("%s in %v: %#x is %g, %#x is %g", held, d, code, x, code&^0x80, low)
				}
				if code&0x7f > 0 && code < 0x80 && float64(d.Float(table[code-1])) >= x {
					t.Errorf("%s in %v: %#x is no more than the code before", held, d, code)
				}
				nan := held == HeldE4M3 && code&0x7f == 0x7f || held == HeldE5M2 && code&0x7f > 0x7c
				if nan != (x != x) {
					t.Errorf("%s in %v: %#x is %g", held, d, code, x)
				}
			}
		}
	}
}

func TestACacheHeldInEightBitsHasHalfTheBytes(t *testing.T) {
	x := New(Shape{Layers: 1, Heads: 2, Tokens: 3, KeyDim: 4, ValueDim: 2}, BF16)
	if x.Held() != "" || x.HeldBytes() != x.RawBytes() {
		t.Errorf("held in %q, %d bytes", x.Held(), x.HeldBytes())
	}
	x.Meta = &Meta{Held: HeldE4M3}
	if y := x.Slice(1, 3); y.Held() != HeldE4M3 || y.HeldBytes() != 24 || !y.Held().Holds(y) {
		t.Errorf("a window is held in %q, %d bytes", y.Held(), y.HeldBytes())
	}
	x.Row(V, 0, 1, 2)[1] = BF16.Bits(1.0625)
	if HeldE4M3.Holds(x) || !HeldE4M3.Holds(x.Slice(0, 2)) {
		t.Error("1.0625 is taken for a value of E4M3, or its neighbours are not")
	}
	for text, ok := range map[string]bool{"": true, "f8_e5m2": true, "F8_E4M3": false, "int8": false} {
		if _, err := ParseHeld(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
