package quant

import (
	"bytes"
	"math"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

func TestKeysOrderAllFiniteNumbers(t *testing.T) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		last := math.Inf(-1)
		for key := int32(-0x8000); key <= 0x7fff; key++ {
			bits := Bits(key)
			if Key(bits) != key {
				t.Fatalf("key %d becomes %d", key, Key(bits))
			}
			if Finite(d, key, key) != d.Finite(bits) {
				t.Fatalf("%v %#04x: finite is %v", d, bits, Finite(d, key, key))
			}
			if x := float64(d.Float(bits)); d.Finite(bits) && key != 0 {
				if x < last || x == last && x != 0 {
					t.Fatalf("%v: %g follows %g", d, x, last)
				}
				last = x
			}
		}
	}
}

func TestMinMaxFindsBothAtEveryPlace(t *testing.T) {
	for n := range 20 {
		row := make([]uint16, n)
		for i := range row {
			row[i] = 0x3c00
		}
		for at := range n {
			for other := range n {
				row[at], row[other] = 0x4000, 0xbc00
				lo, hi := MinMax(row)
				wantHi := Key(0x4000)
				if at == other {
					if wantHi = Key(0x3c00); n == 1 {
						wantHi = Key(0xbc00)
					}
				}
				if lo != Key(0xbc00) || hi != wantHi {
					t.Fatalf("%d values, %d and %d: got %d to %d", n, at, other, lo, hi)
				}
				if got := AbsMax(row); got != Bits(max(hi, Key(0x3c00))) {
					t.Fatalf("largest magnitude %#04x", got)
				}
				row[at], row[other] = 0x3c00, 0x3c00
			}
		}
	}
	if lo, hi := MinMax(nil); lo != NoLow || hi != NoHigh {
		t.Error("an empty row has a minimum")
	}
}

func TestUnpackUndoesPackAndKeepsToItsBytes(t *testing.T) {
	for bits := 2; bits <= 8; bits++ {
		for n := range 70 {
			codes := make([]byte, n)
			for i := range codes {
				codes[i] = byte(i*37+n) & (1<<bits - 1)
			}
			size := PackedBytes(n, bits)
			packed := bytes.Repeat([]byte{0xaa}, size+9)
			Pack(packed[:size], codes, bits)
			for i, c := range codes {
				var got byte
				for b := range bits {
					at := i*bits + b
					got |= packed[at/8] >> (at % 8) & 1 << b
				}
				if got != c {
					t.Fatalf("%d codes of %d bits: code %d is %d, want %d", n, bits, i, got, c)
				}
			}
			if !bytes.Equal(packed[size:], bytes.Repeat([]byte{0xaa}, 9)) {
				t.Fatalf("%d codes of %d bits: wrote beyond %d bytes", n, bits, size)
			}
			back := make([]byte, n)
			if Unpack(back, packed[:size], bits); !bytes.Equal(back, codes) {
				t.Fatalf("%d codes of %d bits come back as %v", n, bits, back)
			}
		}
	}
}

func TestHalfConversionsAgreeWithTheReferenceOnAllPatterns(t *testing.T) {
	for h := range 1 << 16 {
		bits := uint16(h)
		want := math.Float32bits(kern.F16ToF32(bits))
		if kv.F16.Finite(bits) && math.Float32bits(widenF16(bits)) != want {
			t.Fatalf("binary16 %#04x widens to %g", bits, widenF16(bits))
		}
		for _, low := range []uint32{0, 1, 0x0fff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0xffff} {
			f := math.Float32frombits(uint32(h)<<16 | low)
			if f != f {
				continue
			}
			if got, want := narrowF16(f), saturated(kern.F32ToF16(f), 0x7c00); got != want {
				t.Fatalf("%g narrows to binary16 %#04x, want %#04x", f, got, want)
			}
			if got, want := narrowBF16(f), saturated(kern.F32ToBF16(f), 0x7f80); got != want {
				t.Fatalf("%g narrows to bfloat16 %#04x, want %#04x", f, got, want)
			}
		}
	}
}

func saturated(bits, inf uint16) uint16 {
	if bits&0x7fff == inf {
		return bits - 1
	}
	return bits
}

// TestCodesAreTheNearestOfTheGrid compares the kernels with a search over all codes.
func TestCodesAreTheNearestOfTheGrid(t *testing.T) {
	row := make([]uint16, 97)
	for i := range row {
		row[i] = uint16(0x3800+37*i) ^ uint16(i%2)<<15
	}
	for _, zero := range []Zero{ZeroMin, ZeroInt, ZeroNone} {
		for bits := 2; bits <= 8; bits++ {
			for _, d := range []kv.DType{kv.F16, kv.BF16} {
				q := Quantizer{Bits: bits, Scale: ScaleF32, Zero: zero}
				lo, hi := MinMax(row)
				a, ok := q.Fit(d, lo, hi)
				if !ok {
					t.Fatal("does not fit")
				}
				codes := make([]byte, len(row))
				Quantize(d, codes, row, &a)
				for i, c := range codes {
					x := float64(d.Float(row[i]))
					dist := func(c int32) float64 {
						return math.Abs(float64(c-a.Off)*float64(a.Scale) + float64(a.Min) - x)
					}
					for other := a.Lo; other <= a.Hi; other++ {
						if dist(other) < dist(int32(c))-1e-5*float64(a.Scale) {
							t.Fatalf("%+v %v: %g has code %d, %d is nearer", q, d, x, c, other)
						}
					}
				}
				checkColumns(t, d, row, codes, &a)
			}
		}
	}
}

// checkColumns checks that the column kernels and tables do what the row kernels do.
func checkColumns(t *testing.T, d kv.DType, row []uint16, codes []byte, a *Affine) {
	t.Helper()
	var cols Columns
	for i := range row {
		cols.Set(i, a)
	}
	byColumn := make([]byte, len(row))
	if QuantizeColumns(d, byColumn, row, &cols); !bytes.Equal(byColumn, codes) {
		t.Fatal("columns and rows have different codes")
	}
	want, got, looked := make([]uint16, len(row)), make([]uint16, len(row)), make([]uint16, len(row))
	Dequantize(d, want, codes, a)
	DequantizeColumns(d, got, codes, &cols)
	var table Table
	MakeTable(&table, int(a.Hi)+1, d, a)
	Lookup(looked, codes, &table)
	for i := range want {
		if got[i] != want[i] || looked[i] != want[i] {
			t.Fatalf("code %d: row %#04x, column %#04x, table %#04x", codes[i], want[i], got[i], looked[i])
		}
	}
}

// TestFitStoreIsFitThenStore compares the fast path with the general one, and Load with both.
func TestFitStoreIsFitThenStore(t *testing.T) {
	r := uint32(1)
	next := func() uint16 { r = r*1664525 + 1013904223; return uint16(r >> 16) }
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		for n := 0; n < 20000; n++ {
			q := Quantizer{Bits: 2 + n%7, Scale: ScaleType(n / 7 % 3), Zero: Zero(n / 21 % 3)}
			lo, hi := Key(next()), Key(next())
			if n%5 == 0 {
				hi = lo
			}
			if lo, hi = min(lo, hi), max(lo, hi); !Finite(d, lo, hi) {
				continue
			}
			var scale, zero, wantScale, wantZero [4]byte
			want, wantOK := q.Fit(d, lo, hi)
			if wantOK {
				q.Store(wantScale[:], wantZero[:], &want)
			} else {
				q.StoreRaw(wantScale[:], wantZero[:q.ZeroSize()])
			}
			var got, back Affine
			ok := q.FitStore(d, lo, hi, scale[:], zero[:], &got)
			if ok != wantOK || scale != wantScale || zero != wantZero || ok && got != want {
				t.Fatalf("%+v %v %#x to %#x: %+v, %v, want %+v, %v",
					q, d, Bits(lo), Bits(hi), got, ok, want, wantOK)
			}
			loaded := q.Load(scale[:], zero[:], &back)
			got.Inv = 0
			if loaded != ok || ok && back != got || q.IsRaw(scale[:]) != !ok {
				t.Fatalf("%+v: %+v loads as %+v, %v", q, got, back, loaded)
			}
		}
	}
}
