package kern

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// atBothLevels returns what f makes with vectors and without.
func atBothLevels(f func() []byte) (fast, slow []byte) {
	fast = f()
	defer SetLevel(Generic)()
	return fast, f()
}

// anyFloats makes float32 of any bytes.
func anyFloats(data []byte) []float32 {
	v := make([]float32, len(data)/4)
	for i := range v {
		v[i] = math.Float32frombits(uint32(data[4*i]) | uint32(data[4*i+1])<<8 | uint32(data[4*i+2])<<16 |
			uint32(data[4*i+3])<<24)
	}
	return v
}

// floatBytes gives the patterns of v, those of all NaNs alike.
func floatBytes(v []float32) []byte {
	var out []byte
	for _, x := range v {
		b := math.Float32bits(x)
		if x != x {
			b = 0x7fc00000
		}
		out = append(out, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
	}
	return out
}

func testBook(bits int) *Book {
	var levels, bounds []float32
	for i := range 1 << bits {
		levels = append(levels, float32(i*i)/4-3)
		if i > 0 {
			bounds = append(bounds, (levels[i]+levels[i-1])/2)
		}
	}
	return NewBook(levels, bounds)
}

func FuzzBooks(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for bits := range 4 {
		data := make([]byte, 900)
		for i := 0; i+4 <= len(data); i += 4 {
			copy(data[i:], floatBytes([]float32{float32(rng.NormFloat64() * 8)}))
		}
		f.Add(data, uint8(bits), float32(1.5), uint8(16))
	}
	f.Fuzz(func(t *testing.T, data []byte, bits uint8, factor float32, dim uint8) {
		b := testBook(int(bits%4) + 1)
		v := anyFloats(data)
		rows := len(v) / max(int(dim), 1)
		fast, slow := atBothLevels(func() []byte {
			codes, vals, lengths := make([]byte, len(v)), make([]float32, len(v)), make([]float32, rows)
			b.Codes(codes, v, factor)
			Values(vals, codes, 1<<b.bits, &b.Levels)
			Lengths(lengths, v, int(dim))
			signs := make([]byte, (len(v)+7)/8)
			SignBits(signs, v)
			nibbles := make([]byte, len(v))
			ZeroPointCodes(nibbles, v, factor, 7)
			lo, hi := Range(v)
			least, most := make([]float32, rows), make([]float32, rows)
			Ranges(least, most, v, int(dim))
			signs = slices.Concat(signs, nibbles, floatBytes([]float32{lo, hi}), floatBytes(least), floatBytes(most))
			return slices.Concat(codes, floatBytes(vals), floatBytes(lengths), signs)
		})
		if !bytes.Equal(fast, slow) {
			t.Errorf("%d bits, factor %v: kernels differ", b.bits, factor)
		}
	})
}

func TestCodesAreThoseOfTheNearestLevel(t *testing.T) {
	for bits := 1; bits <= 4; bits++ {
		b := testBook(bits)
		v := []float32{float32(math.Inf(-1)), float32(math.NaN()), float32(math.Inf(1))}
		want := []byte{0, 0, byte(1<<bits - 1)}
		for i, bound := range b.bounds {
			v = append(v, math.Nextafter32(bound, -1e9), bound, b.Levels[i])
			want = append(want, byte(i), byte(i+1), byte(i))
		}
		for len(v)%32 != 0 {
			v, want = append(v, -100), append(want, 0)
		}
		got := make([]byte, len(v))
		b.Codes(got, v, 1)
		if !bytes.Equal(got, want) {
			t.Errorf("%d bits: codes %v, want %v", bits, got, want)
		}
	}
}

func FuzzGridCodes(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 6))
	data := make([]byte, 400)
	for i := 0; i < len(data); i += 4 {
		copy(data[i:], floatBytes([]float32{float32(rng.NormFloat64() * 3)}))
	}
	f.Add(data, uint64(1), true)
	f.Add(data, uint64(2), false)
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, each bool) {
		b, v := testBook(4), anyFloats(data)
		grids := make([]BookGrid, 1)
		if each {
			grids = make([]BookGrid, (len(v)+7)/8)
		}
		rng := rand.New(rand.NewPCG(seed, 7))
		for k := range grids {
			for i := range 8 {
				g := &grids[k]
				g.Off[i], g.Half[i] = float32(rng.NormFloat64()), float32(rng.Float64())
				g.Inv[i], g.Lo[i], g.Hi[i] = 1/g.Half[i], g.Off[i]-20*g.Half[i], g.Off[i]+20*g.Half[i]
			}
		}
		if len(grids) == 0 {
			return
		}
		fast, slow := atBothLevels(func() []byte {
			codes, apart, back := make([]byte, len(v)), make([]byte, (len(v)+7)/8), make([]float32, len(v))
			var missed, power [8]float32
			b.GridCodes(codes, apart, &missed, &power, v, grids)
			b.GridValues(back, codes, grids)
			for at := 0; at < len(v); at += 32 {
				out := Outside(v[at:min(at+32, len(v))], -1, 2)
				apart = append(apart, byte(out), byte(out>>8), byte(out>>16), byte(out>>24))
			}
			return slices.Concat(codes, apart, floatBytes(missed[:]), floatBytes(power[:]), floatBytes(back))
		})
		if !bytes.Equal(fast, slow) {
			t.Errorf("seed %d: kernels differ", seed)
		}
	})
}

func FuzzFloorCodes(f *testing.F) {
	f.Add(bytes.Repeat([]byte{0x80, 0x3f, 0x12, 0x41, 0, 0, 7, 0x40}, 16), float32(0.7), uint8(15), true)
	f.Add(bytes.Repeat([]byte{0x80, 0x3f, 0x12, 0x41, 0, 0, 7, 0x40}, 16), float32(0.2), uint8(7), false)
	f.Fuzz(func(t *testing.T, data []byte, scale float32, top uint8, bf16 bool) {
		src := make([]uint16, len(data)/2&^31)
		widen := F16ToF32
		if bf16 {
			widen = BF16ToF32
		}
		low := float32(math.Inf(1))
		for i := range src {
			src[i] = uint16(data[2*i]) | uint16(data[2*i+1])<<8&0x4f00
			low = min(low, widen(src[i]))
		}
		if !(scale > 1e-6) || math.IsInf(float64(scale), 0) {
			return
		}
		got := make([]byte, len(src))
		for i, c := range got[:FloorCodes(bf16, got, src, low, scale, int32(top))] {
			q := float32((widen(src[i])-low)/scale) + 0.5
			if q >= 1<<31 {
				return
			}
			if want := byte(min(int32(q), int32(top))); c != want {
				t.Fatalf("value %v: code %d, want %d", widen(src[i]), c, want)
			}
		}
	})
}

func FuzzTurn(f *testing.F) {
	f.Add(uint64(1), uint8(16), uint8(7))
	f.Add(uint64(2), uint8(48), uint8(4))
	f.Add(uint64(3), uint8(20), uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, size, count uint8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		noise := func(n int) []float32 {
			v := make([]float32, n)
			for i := range v {
				v[i] = float32(rng.NormFloat64() * math.Ldexp(1, rng.IntN(20)-10))
			}
			return v
		}
		dim, rows := int(size%96)+1, int(count%12)
		m, src := noise(dim*dim), noise(dim*rows)
		turn := NewTurn(dim, m)
		want := make([]float32, 0, dim*rows)
		for r := range rows {
			for i := range dim {
				s := float32(0)
				for k := range dim {
					s += float32(src[r*dim+k] * m[k*dim+i])
				}
				want = append(want, s)
			}
		}
		got := make([]float32, dim*rows)
		fast, slow := atBothLevels(func() []byte {
			turn.Apply(got, src)
			return floatBytes(got)
		})
		if !bytes.Equal(fast, floatBytes(want)) || !bytes.Equal(slow, fast) {
			t.Errorf("seed %d, %d rows of %d: products differ", seed, rows, dim)
		}
	})
}

func FuzzAddProducts(f *testing.F) {
	f.Add(uint64(1), uint16(130), uint8(37), uint8(7))
	f.Add(uint64(2), uint16(16), uint8(16), uint8(70))
	f.Add(uint64(3), uint16(5), uint8(128), uint8(4))
	f.Fuzz(func(t *testing.T, seed uint64, terms uint16, width, count uint8) {
		rng := rand.New(rand.NewPCG(seed, 2))
		noise := func(n int) []float32 {
			v := make([]float32, n)
			for i := range v {
				v[i] = float32(rng.NormFloat64() * math.Ldexp(1, rng.IntN(20)-10))
			}
			return v
		}
		n, cols, rows := int(terms%300), int(width%150), int(count%80)
		m, src, before := noise(n*cols), noise(n*rows), noise(rows*cols)
		want := slices.Clone(before)
		for i := range want {
			for k := range n {
				want[i] += float32(src[i/cols*n+k] * m[k*cols+i%cols])
			}
		}
		fast, slow := atBothLevels(func() []byte {
			got := slices.Clone(before)
			AddProducts(got, src, m, n, cols)
			return floatBytes(got)
		})
		if !bytes.Equal(fast, floatBytes(want)) || !bytes.Equal(slow, fast) {
			t.Errorf("seed %d, %d rows of %d times %d columns: products differ", seed, rows, n, cols)
		}
	})
}

func FuzzPackBits(f *testing.F) {
	for bits := range 7 {
		f.Add(bytes.Repeat([]byte{1, 2, 3, 254, 100, 7, 6, 5, 130}, 20), uint8(bits))
	}
	f.Fuzz(func(t *testing.T, codes []byte, width uint8) {
		bits := int(width%7) + 1
		for i := range codes {
			codes[i] &= 1<<bits - 1
		}
		dst := make([]byte, (len(codes)*bits+7)/8)
		n := PackBits(dst, codes, bits)
		for i := range n * bits {
			if dst[i/8]>>(i%8)&1 != codes[i/bits]>>(i%bits)&1 {
				t.Fatalf("%d bits: bit %d of %d codes", bits, i, n)
			}
		}
		back := make([]byte, len(codes))
		if m := UnpackBits(back, dst, bits); m != n || !bytes.Equal(back[:n], codes[:n]) {
			t.Fatalf("%d bits: %d codes came back of %d", bits, m, n)
		}
	})
}

func BenchmarkTurn(b *testing.B) {
	const dim, rows = 128, 32
	turn := NewTurn(dim, make([]float32, dim*dim))
	src, dst := make([]float32, dim*rows), make([]float32, dim*rows)
	b.SetBytes(2 * dim * rows)
	for b.Loop() {
		turn.Apply(dst, src)
	}
}

func BenchmarkBooks(b *testing.B) {
	book := testBook(4)
	v, codes, n := make([]float32, 4096), make([]byte, 4096), make([]float32, 32)
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(8192)
			for b.Loop() {
				f()
			}
		})
	}
	run("codes", func() { book.Codes(codes, v, 1.5) })
	run("values", func() { Values(v, codes, 16, &book.Levels) })
	run("lengths", func() { Lengths(n, v, 128) })
	run("pack3", func() { PackBits(codes[:1536], codes, 3) })
	run("unpack3", func() { UnpackBits(codes, codes[:1536], 3) })
}
