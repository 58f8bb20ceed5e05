package kern

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

func FuzzSymbols(f *testing.F) {
	for i, dim := range []uint8{64, 128, 33, 1} {
		f.Add(bytes.Repeat([]byte{1, 2, 0x80, 0x3f, 9, 0, 0x12, 0xc1, 7}, 60), dim, uint8(7+i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, dim, shift uint8, seed uint64) {
		src := make([]uint16, len(data)/2)
		for i := range src {
			src[i] = binary.LittleEndian.Uint16(data[2*i:])
		}
		by, width := uint(shift%16), max(int(dim), 1)
		perm := make([]int32, width)
		for i, c := range rand.New(rand.NewPCG(seed, 1)).Perm(width) {
			perm[i] = int32(c)
		}
		fast, slow := atBothLevels(func() []byte {
			fields, turned := make([]byte, len(src)), make([]byte, len(src)/width*width)
			TakeFields(fields, src, by)
			PermuteRows(turned, fields, perm)
			out := slices.Clone(src)
			PutFields(out, fields, by)
			both := slices.Concat(fields, turned)
			for _, x := range out {
				both = binary.LittleEndian.AppendUint16(both, x)
			}
			return both
		})
		if !bytes.Equal(fast, slow) {
			t.Errorf("dim %d, shift %d: kernels differ", width, by)
		}
		for i, x := range src {
			if fast[i] != byte(x>>by) {
				t.Fatalf("field %d of %#x is %#x", i, x, fast[i])
			}
		}
	})
}
