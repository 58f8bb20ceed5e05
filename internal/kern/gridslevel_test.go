package kern

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// gridRows are rows of n values that the kernels treat apart: of both signs or of one, constant,
// small, of any pattern, some with a value that is no number.
func gridRows(n, count int, seed uint64) []uint16 {
	next := func() uint64 {
		seed = seed*6364136223846793005 + 1442695040888963407
		return seed >> 33
	}
	kind, sign := next()%5, next()%3
	src := make([]uint16, n*count)
	for i := range src {
		switch kind {
		case 0:
			src[i] = uint16(next())
		case 1:
			src[i] = uint16(0x3f00 + next()%0x180)
		case 2:
			src[i] = uint16(next() % 0x400)
		case 3:
			src[i] = 0x3c00
		case 4:
			src[i] = uint16(0x1000 + uint64(i/n)*731%0x6000 + next()%8)
		}
		if kind > 0 && (sign == 0 && next()%2 == 0 || sign == 1 && i/n%3 == 1) {
			src[i] |= 0x8000
		}
	}
	if kind > 0 && len(src) > 0 && next()%3 == 0 {
		src[next()%uint64(len(src))] = 0x7f80
	}
	return src
}

// quantizedAt returns how many groups the kernels of a level do, and what they write for them.
func quantizedAt(l Level, bf16, around bool, bits, n int, src []uint16) (groups int, out []byte) {
	defer SetLevel(l)()
	count := len(src) / n
	all := make([]byte, n*count+4*count+64)
	codes, scales, minima := all[:n*count/8*bits], all[n*count:][:2*count], all[n*count+2*count:]
	groups = QuantizeGroups(bf16, around, bits, n, codes, scales, minima, src)
	return groups, bytes.Join([][]byte{codes[:groups*n/8*bits], scales[:2*groups], minima[:2*groups]}, nil)
}

// checkGroups wants of every level that has kernels what AVX2 makes.
func checkGroups(t *testing.T, bf16 bool, bits, n int, src []uint16) {
	t.Helper()
	groups, want := quantizedAt(AVX2, bf16, false, bits, n, src)
	for _, around := range []bool{false, true} {
		got, out := quantizedAt(AVX512, bf16, around, bits, n, src)
		if got != groups || !bytes.Equal(out, want) {
			t.Fatalf("bf16=%v, %d bits, %d groups of %d, around=%v: %d groups and other bytes, want %d",
				bf16, bits, len(src)/n, n, around, got, groups)
		}
	}
}

func TestGroupsAreTheSameAtEveryLevel(t *testing.T) {
	for seed := range uint64(600) {
		n, bits := []int{32, 64, 128, 192, 576}[seed%5], []int{2, 4, 8}[seed/5%3]
		checkGroups(t, seed/15%2 == 0, bits, n, gridRows(n, int(seed*7%50), seed))
	}
}

func FuzzGroupsAreTheSameAtEveryLevel(f *testing.F) {
	for seed := range uint8(12) {
		var data []byte
		for _, x := range gridRows(64, 8, uint64(seed)) {
			data = append(data, byte(x), byte(x>>8))
		}
		f.Add(seed%2 == 0, seed, seed, data)
	}
	f.Fuzz(func(t *testing.T, bf16 bool, bits, n uint8, data []byte) {
		size := []int{64, 128, 320}[n%3]
		src := make([]uint16, len(data)/2/size*size)
		for i := range src {
			src[i] = uint16(data[2*i]) | uint16(data[2*i+1])<<8
		}
		checkGroups(t, bf16, []int{2, 4, 8}[bits%3], size, src)
	})
}

// checkRestored wants of every level what AVX2 makes of codes, for grids of any binary16 patterns.
func checkRestored(t *testing.T, bits, n, from int, data []byte) {
	t.Helper()
	per := n/8*bits + 4
	count := len(data) / per
	codes, scales, minima := data[:n/8*bits*count], data[n/8*bits*count:][:2*count], data[len(data)-2*count:]
	restored := func(l Level, bf16, around bool) (int, []uint16) {
		defer SetLevel(l)()
		dst := make([]uint16, n*count+64)[from:][:n*count]
		groups := DequantizeGroups(bf16, around, bits, n, dst, codes, scales, minima)
		return groups, dst[:groups*n]
	}
	for _, bf16 := range []bool{false, true} {
		groups, want := restored(AVX2, bf16, false)
		for _, around := range []bool{false, true} {
			if got, out := restored(AVX512, bf16, around); got != groups || !slices.Equal(out, want) {
				t.Fatalf("bf16=%v, %d bits, %d groups of %d from %d, around=%v: %d groups and other values, want %d",
					bf16, bits, count, n, from, around, got, groups)
			}
		}
	}
}

func FuzzGroupsComeBackTheSameAtEveryLevel(f *testing.F) {
	rng := rand.New(rand.NewPCG(4, 8))
	for seed := range uint8(60) {
		data := make([]byte, 16*(128+4))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		for i := 16 * 128; i < len(data); i += 2 { // scales first: small, any, subnormal
			data[i+1] &= []byte{0x3b, 0x7b, 0}[seed%3]
			if i >= 16*130 && rng.Uint32()&1 == 0 {
				data[i+1] |= 0x80
			}
		}
		f.Add(seed, seed, data)
	}
	f.Fuzz(func(t *testing.T, n, from uint8, data []byte) {
		for _, bits := range []int{2, 4, 8} {
			checkRestored(t, bits, []int{32, 64, 128}[n%3], int(from%33), data)
		}
	})
}
