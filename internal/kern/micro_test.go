package kern

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"unsafe"
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
			var ahead Ahead // the same, backwards, and then none
			if n[i] == 0 {
				later := slices.Clone(src)
				slices.Reverse(later)
				ahead.Begin(later)
			}
			before := ahead
			most, did := m.Compress(bf16, codes[i][n[i]*m.CodeBytes():], scales[i][n[i]:],
				src[n[i]*m.Size():], &ahead, s)
			checkAhead(t, before, ahead)
			if did == 0 {
				break
			}
			n[i] += did
			top[i] = max(top[i], most)
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
	if n[0] > n[1]+15 && s.Tensor < 0x1p96 && s.Down == 0 { // where 512 bits are not for
		t.Fatalf("format %d, bf16 %v: %d blocks with 256 bits, %d with 512", m, bf16, n[0], n[1])
	}
}

// checkAhead wants a search to have found the greatest of what it went by.
func checkAhead(t *testing.T, before, after Ahead) {
	t.Helper()
	want := before.Top
	for place := range 4 {
		for i := range before.Left - after.Left {
			want = max(want, before.Src[place*before.Step+i]&0x7fff)
		}
	}
	if after.Top != want {
		t.Fatalf("%x is the greatest of %d at every place, want %x", after.Top, before.Left-after.Left, want)
	}
}

func checkMicros(t *testing.T, bf16 bool, src []uint16, tensor float32) {
	t.Helper()
	checkMicro(t, NVFP4, bf16, src, MicroScale{Tensor: tensor, Limit: 6 * tensor})
	checkMicro(t, FourSix, bf16, src, MicroScale{Tensor: tensor, Limit: 6 * tensor})
	for _, ceil := range []bool{false, true} {
		limits := []float32{6, 448}
		if !ceil {
			limits = []float32{float32(math.Inf(1)), float32(math.Inf(1))}
		}
		checkMicro(t, MXFP4, bf16, src, MicroScale{Down: 2, Limit: limits[0]})
		checkMicro(t, MXFP8, bf16, src, MicroScale{Down: 8, Limit: limits[1]})
	}
	checkMicro(t, FP4, bf16, src, MicroScale{Down: 2, Limit: 6})
}

type microRand uint64

func (r *microRand) next() uint64 {
	*r = *r*6364136223846793005 + 1442695040888963407
	return uint64(*r >> 33)
}

func TestMicroLevelsAgree(t *testing.T) {
	if detect() < AVX512 {
		t.Skip("no vectors of 512 bits")
	}
	r := microRand(1)
	src := make([]uint16, 16*16*21)
	for round := range 4000 {
		bf16 := round%2 == 0
		high := uint16(0x7bff)
		if bf16 {
			high = 0x7f7f
		}
		spread, mid := uint16(1)<<(r.next()%15), uint16(r.next())&0x7fff
		if round%9 == 0 {
			mid, spread = 1, 4 // subnormal numbers
		}
		for i := range src {
			x := mid + uint16(r.next())%spread
			if round%5 == 0 && r.next()%7 == 0 {
				x = 0
			}
			src[i] = min(x&0x7fff, high) | uint16(r.next()&1)<<15
		}
		tensor := float32(1)
		if round%3 > 0 {
			tensor = math.Float32frombits(uint32(r.next()%250+2)<<23 | uint32(r.next())&0x7fffff)
		}
		if l := 6 * tensor; l-l == 0 {
			checkMicros(t, bf16, src, tensor)
		}
	}
}

// Scales of every kind: those of most blocks, and now and then of zeros, subnormal numbers, none.
func TestMicroRestoreLevelsAgree(t *testing.T) {
	if detect() < AVX512 {
		t.Skip("no vectors of 512 bits")
	}
	r := microRand(7)
	const blocks = 21 * 8
	for round := range 6000 {
		bf16, m := round%2 == 0, []Micro{NVFP4, MXFP4, FP4, MXFP8, MXFP8}[round%5]
		codes, scales := make([]byte, blocks*m.CodeBytes()), make([]byte, blocks)
		for i := range codes {
			if codes[i] = byte(r.next()); m == MXFP8 && codes[i]&0x7f == 0x7f && r.next()%2048 > 0 {
				codes[i] = 0
			}
		}
		mid := byte(r.next())
		for i := range scales {
			if scales[i] = mid + byte(r.next()%8); r.next()%(1+uint64(round)) == 0 {
				scales[i] = byte(r.next())
			}
		}
		tensor := math.Float32frombits(uint32(r.next()%250+1)<<23 | uint32(r.next())&0x7fffff)
		limit := float32(65504. / 6)
		if bf16 {
			limit = 5.6e37
		}
		if m == MXFP8 {
			limit *= 6. / 448
		}
		var out [2][]uint16
		var n [2]int
		for i, l := range []Level{AVX2, AVX512} {
			restore := SetLevel(l)
			out[i] = aligned(blocks * m.Size())
			n[i] = m.Restore(bf16, out[i], codes, scales, tensor, limit, round%5 > 0)
			restore()
		}
		StreamFence()
		for i, c := range codes[:max(n[0], n[1])*m.CodeBytes()] {
			if m == MXFP8 && c&0x7f == 0x7f {
				t.Fatalf("code %d is no number, and %d blocks are done", i, n)
			}
		}
		done := n[0] * m.Size()
		if n[0] != n[1] && (m != MXFP8 || n[1] < n[0]) || !slices.Equal(out[0][:done], out[1][:done]) {
			t.Fatalf("format %d, bf16 %v, tensor %v, scales %x: %d blocks with 256 bits, %d with 512", m, bf16,
				tensor, scales, n[0], n[1])
		}
	}
}

// aligned returns n patterns that begin at a multiple of 64 bytes.
func aligned(n int) []uint16 {
	b := make([]uint16, n+32)
	return b[-uintptr(unsafe.Pointer(&b[0]))&63/2:][:n]
}

func TestAbsMaxBitsOfLongRows(t *testing.T) {
	r := microRand(3)
	for _, n := range []int{wideRow - 1, wideRow, wideRow + 15, wideRow + 127, 5 * wideRow} {
		src := make([]uint16, n)
		for i := range src {
			src[i] = uint16(r.next())&0x00ff | 0x8000
		}
		for range 50 {
			at := int(r.next()) % n
			before := src[at]
			src[at] |= 0x4000
			top, did := AbsMaxBits(src)
			for _, x := range src[did:] {
				top = max(top, x&0x7fff)
			}
			if want := src[at] & 0x7fff; top != want || did == 0 && CurrentLevel() > Generic || did > n {
				t.Fatalf("%d patterns with %x at %d: %x of the first %d", n, want, at, top, did)
			}
			src[at] = before
		}
	}
}

// White noise, of which some is of few values: there errors of two scales are near, or alike.
func TestMicroLevelsAgreeOnNoise(t *testing.T) {
	if detect() < AVX512 {
		t.Skip("no vectors of 512 bits")
	}
	r, src := microRand(9), make([]uint16, 16*16*40)
	for round := range 300 {
		bf16, narrow := round%2 == 0, F32ToF16
		if bf16 {
			narrow = F32ToBF16
		}
		for i := range src {
			x := -2.
			for range 4 {
				x += float64(r.next()%65536) / 65536
			}
			if round%4 > 1 {
				x = math.Round(x*8) / 8
			}
			src[i] = narrow(float32(x))
		}
		tensor := float32(1+float64(r.next()%1000)/1000) / float32(int(1)<<(r.next()%13))
		checkMicros(t, bf16, src, tensor)
	}
}

func TestFloat8ScaleLevelsAgree(t *testing.T) {
	r := microRand(11)
	for round := range 400 {
		bf16, n := round%2 == 0, int(r.next()%9)*32+96
		src, ahead := make([]uint16, n), make([]uint16, n)
		inv := math.Float32frombits(uint32(r.next()%200+20)<<23 | uint32(r.next())&0x7fffff)
		for i := range src {
			src[i], ahead[i] = uint16(r.next())&0x87ff|0x3800, uint16(r.next())
			for x := math.Abs(microFloat(bf16, src[i]) * float64(inv)); x > 448; x /= 2 {
				src[i] -= map[bool]uint16{true: 1 << 7, false: 1 << 10}[bf16]
				if src[i]&0x7fff < 0x0400 {
					src[i] = 0x8000
					break
				}
			}
		}
		var out [2][]byte
		var did [2]int
		for i, l := range []Level{AVX2, AVX512} {
			restore := SetLevel(l)
			out[i] = make([]byte, n)
			var search Ahead
			search.Begin(ahead)
			before := search
			did[i] = E4M3.Scale(bf16, out[i], src, &search, inv)
			checkAhead(t, before, search)
			restore()
		}
		if n := min(did[0], did[1]); !bytes.Equal(out[0][:n], out[1][:n]) {
			t.Fatalf("bf16 %v, %x times %v: %x with 256 bits, %x with 512", bf16, src, inv, out[0], out[1])
		}
	}
}

func microFloat(bf16 bool, x uint16) float64 {
	if bf16 {
		return float64(BF16ToF32(x))
	}
	return float64(F16ToF32(x))
}
