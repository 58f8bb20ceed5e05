package kv

import "testing"

func TestSliceSharesMemoryAndPlanesStayContiguous(t *testing.T) {
	x := New(Shape{Layers: 2, Heads: 3, Tokens: 5, KeyDim: 4, ValueDim: 2}, BF16)
	for _, side := range Sides {
		for i := range x.Bits[side] {
			x.Bits[side][i] = uint16(i)
		}
	}
	w := x.Slice(1, 4)
	for _, side := range Sides {
		for l := range 2 {
			for h := range 3 {
				if got, want := w.Plane(side, l, h)[0], x.Row(side, l, h, 1)[0]; got != want {
					t.Errorf("%v plane %d.%d starts with %d, want %d", side, l, h, got, want)
				}
				if got := len(w.Plane(side, l, h)); got != 3*x.Dim(side) {
					t.Errorf("plane of %d values", got)
				}
			}
		}
	}
	w.Row(K, 1, 2, 0)[0] = 9999
	if x.Row(K, 1, 2, 1)[0] != 9999 {
		t.Error("a slice does not share memory")
	}
	c := w.Clone()
	if !c.Contiguous() || w.Contiguous() || !c.Equal(w) {
		t.Error("a clone is contiguous and equal, a slice is not contiguous")
	}
	if e := x.Slice(5, 5); len(e.Plane(K, 1, 2)) != 0 {
		t.Error("an empty slice has rows")
	}
}

func TestPositionsFollowASlice(t *testing.T) {
	x := New(Shape{Layers: 1, Heads: 1, Tokens: 4, KeyDim: 2}, F16)
	if got := x.Meta.Position(3); got != 3 {
		t.Errorf("position %d without metadata", got)
	}
	x.Meta = &Meta{Positions: []int32{7, 8, 20, 21}}
	if got := x.Slice(1, 4).Slice(1, 3).Meta.Position(0); got != 20 {
		t.Errorf("position %d, want 20", got)
	}
}

func TestShapesThatCannotBeHeldAreErrors(t *testing.T) {
	for _, s := range []Shape{
		{}, {Layers: 1, Heads: 1, Tokens: -1, KeyDim: 1},
		{Layers: 1 << 40, Heads: 1 << 40, Tokens: 1 << 40, KeyDim: 1 << 40},
	} {
		if s.Check() == nil {
			t.Errorf("%v passes", s)
		}
	}
}

func TestFirstNonFiniteFindsTheFirst(t *testing.T) {
	for d, odd := range map[DType][]uint16{F16: {0x7c00, 0xfc00, 0x7e01}, BF16: {0x7f80, 0xff80, 0xffc1}} {
		bits := make([]uint16, 200)
		for i := range bits {
			bits[i] = 0xfbff &^ (uint16(i) << 9) // large and small, of both signs, all finite
			if d == BF16 {
				bits[i] = 0xff7f &^ (uint16(i) << 9)
			}
		}
		if got := d.FirstNonFinite(bits); got != -1 {
			t.Errorf("%v: %d among finite numbers, %04x", d, got, bits[got])
		}
		for _, at := range []int{0, 1, 63, 64, 65, 127, 128, 199} {
			for _, b := range odd {
				was := bits[at]
				bits[at] = b
				if got := d.FirstNonFinite(bits); got != at {
					t.Errorf("%v: %04x at %d is found at %d", d, b, at, got)
				}
				bits[at] = was
			}
		}
	}
}
