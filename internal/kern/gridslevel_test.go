package kern

import (
	"bytes"
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
