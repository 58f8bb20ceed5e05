package quant

import (
	"encoding/binary"

	"kvgauge/internal/kern"
)

// PackedBytes returns how many bytes n codes of the given width take.
func PackedBytes(n, bits int) int { return (n*bits + 7) / 8 }

// Pack writes codes of the given width to dst, which has PackedBytes(len(codes), bits) bytes:
// code i is in bits [i*bits, (i+1)*bits) of dst, counted from the low end of each byte. Codes
// must not exceed their width.
func Pack(dst, codes []byte, bits int) {
	if bits == 8 {
		copy(dst, codes)
		return
	}
	n := kern.Pack(dst, codes, bits)
	if n == 0 {
		n = kern.PackBits(dst[:PackedBytes(len(codes), bits)], codes, bits)
	}
	dst, codes = dst[n*bits/8:], codes[n:]
	for len(codes) >= 8 {
		x := squeeze(binary.LittleEndian.Uint64(codes), bits)
		codes = codes[8:]
		switch {
		case bits == 4:
			binary.LittleEndian.PutUint32(dst, uint32(x))
		case bits == 2:
			binary.LittleEndian.PutUint16(dst, uint16(x))
		case len(dst) >= 8:
			// What lies above the codes is overwritten by the next eight.
			binary.LittleEndian.PutUint64(dst, x)
		default:
			putBytes(dst[:bits], x)
		}
		dst = dst[bits:]
	}
	if len(codes) > 0 {
		var last [8]byte
		copy(last[:], codes)
		putBytes(dst[:PackedBytes(len(codes), bits)], squeeze(binary.LittleEndian.Uint64(last[:]), bits))
	}
}

// Unpack undoes Pack: it fills codes from src, which has PackedBytes(len(codes), bits) bytes.
func Unpack(codes, src []byte, bits int) {
	if bits == 8 {
		copy(codes, src)
		return
	}
	n := kern.Unpack(codes, src, bits)
	if n == 0 {
		n = kern.UnpackBits(codes, src, bits)
	}
	codes, src = codes[n:], src[n*bits/8:]
	for len(codes) >= 8 {
		var x uint64
		switch {
		case bits == 4:
			x = uint64(binary.LittleEndian.Uint32(src))
		case bits == 2:
			x = uint64(binary.LittleEndian.Uint16(src))
		case len(src) >= 8:
			x = binary.LittleEndian.Uint64(src)
		default:
			x = getBytes(src[:bits])
		}
		binary.LittleEndian.PutUint64(codes, stretch(x, bits))
		codes, src = codes[8:], src[bits:]
	}
	if len(codes) > 0 {
		var last [8]byte
		x := getBytes(src[:PackedBytes(len(codes), bits)])
		binary.LittleEndian.PutUint64(last[:], stretch(x, bits))
		copy(codes, last[:])
	}
}

// A step moves the upper half of each lane down to the end of its lower half.
type step struct {
	low, high uint64 // the bits of the halves, before moving
	by        uint8
}

// steps holds, by code width, the steps that bring eight codes, a byte each, together.
var steps [9][3]step

func init() {
	for bits := 1; bits <= 8; bits++ {
		used := bits // bits used in each half
		for i, half := range []int{8, 16, 32} {
			s := &steps[bits][i]
			for at := 0; at < 64; at += 2 * half {
				s.low |= (1<<used - 1) << at
				s.high |= (1<<used - 1) << (at + half)
			}
			s.by = uint8(half - used)
			used *= 2
		}
	}
}

// squeeze moves eight codes, a byte each, together.
func squeeze(x uint64, bits int) uint64 {
	s := &steps[bits]
	x = x&s[0].low | x&s[0].high>>(s[0].by&63)
	x = x&s[1].low | x&s[1].high>>(s[1].by&63)
	return x&s[2].low | x&s[2].high>>(s[2].by&63)
}

// stretch undoes squeeze; bits above the eighth code are ignored.
func stretch(x uint64, bits int) uint64 {
	s := &steps[bits]
	x = x&s[2].low | x<<(s[2].by&63)&s[2].high
	x = x&s[1].low | x<<(s[1].by&63)&s[1].high
	return x&s[0].low | x<<(s[0].by&63)&s[0].high
}

func putBytes(dst []byte, x uint64) {
	for i := range dst {
		dst[i] = byte(x)
		x >>= 8
	}
}

func getBytes(src []byte) uint64 {
	var x uint64
	for i := len(src) - 1; i >= 0; i-- {
		x = x<<8 | uint64(src[i])
	}
	return x
}
