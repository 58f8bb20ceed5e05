package kern

import (
	"bytes"
	"math"
	"testing"
)

// checkMicro wants all levels to do as many blocks as the others or fewer, and these alike.
func checkMicro(t *testing.T, m Micro, bf16 bool, src []uint16, s MicroScale) {
	t.Helper()
	blocks := len(src) / m.Size()
	var codes, scales [2][]byte
	var n [2]int
	var top [2]uint16
	for i, l := range []Level{AVX2, AVX512} {
		codes[i], scales[i] = make([]byte, blocks*m.CodeBytes()), make([]byte, blocks)
		restore := SetLevel(l)
		for n[i] < blocks { // as far as it goes
			t, did := m.Compress(bf16, codes[i][n[i]*m.CodeBytes():], scales[i][n[i]:],
				src[n[i]*m.Size():], s)
			if did == 0 {
				break
			}
			n[i] += did
			top[i] = max(top[i], t)
		}
		restore()
	}
	done := min(n[0], n[1])
	for i := range done {
		at := i * m.CodeBytes()
		a, b := codes[0][at:at+m.CodeBytes()], codes[1][at:at+m.CodeBytes()]
		if scales[0][i] != scales[1][i] || !bytes.Equal(a, b) {
			t.Fatalf("format %d, bf16 %v, scale %v: block %d of %x is %x under %x with 256 bits, %x under %x with 512",
				m, bf16, s, i, src[i*m.Size():(i+1)*m.Size()], a, scales[0][i], b, scales[1][i])
		}
	}
	if n[0] == n[1] && top[0] != top[1] {
		t.Fatalf("format %d: greatest pattern %x with 256 bits, %x with 512", m, top[0], top[1])
	}
	if n[0] > n[1]+15 && s.Tensor < 0x1p96 { // where 512 bits are not for
		t.Fatalf("format %d, bf16 %v: %d blocks with 256 bits, %d with 512", m, bf16, n[0], n[1])
	}
}

func TestMicroLevelsAgree(t *testing.T) {
	if detect() < AVX512 {
		t.Skip("no vectors of 512 bits")
	}
	r := uint64(1)
	next := func() uint64 {
		r = r*6364136223846793005 + 1442695040888963407
		return r >> 33
	}
	src := make([]uint16, 16*16*21)
	for round := range 4000 {
		bf16 := round%2 == 0
		high := uint16(0x7bff)
		if bf16 {
			high = 0x7f7f
		}
		spread, mid := uint16(1)<<(next()%15), uint16(next())&0x7fff
		for i := range src {
			x := mid + uint16(next())%spread
			if round%5 == 0 && next()%7 == 0 {
				x = 0
			}
			src[i] = min(x&0x7fff, high) | uint16(next()&1)<<15
		}
		tensor := float32(1)
		if round%3 > 0 {
			tensor = math.Float32frombits(uint32(next()%250+2)<<23 | uint32(next())&0x7fffff)
		}
		if l := 6 * tensor; l-l == 0 {
			for _, m := range []Micro{NVFP4} {
				checkMicro(t, m, bf16, src, MicroScale{Tensor: tensor, Limit: l})
			}
		}
	}
}
