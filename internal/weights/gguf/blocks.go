package gguf

import "encoding/binary"

// The 32-value blocks hold values j and j+16 in the low and high nibble of byte j.

func widenQ40(dst []float32, src []byte) {
	d := half(src)
	var table [16]float32
	for i := range table {
		table[i] = d * float32(i-8)
	}
	spread(dst, (*[16]byte)(src[2:]), &table)
}

func widenQ41(dst []float32, src []byte) {
	d, m := half(src), half(src[2:])
	var table [16]float32
	for i := range table {
		table[i] = float32(d*float32(i)) + m
	}
	spread(dst, (*[16]byte)(src[4:]), &table)
}

// spread sets the 32 values of dst to those that the nibbles of qs stand for.
func spread(dst []float32, qs *[16]byte, table *[16]float32) {
	low, high := (*[16]float32)(dst), (*[16]float32)(dst[16:])
	for j, q := range qs {
		low[j] = table[q&15]
		high[j] = table[q>>4]
	}
}

func widenQ50(dst []float32, src []byte) {
	d, high := half(src), binary.LittleEndian.Uint32(src[2:])
	out, qs := (*[32]float32)(dst), (*[16]byte)(src[6:])
	for j, q := range qs {
		out[j] = d * float32(int(uint32(q&15)|high>>j&1<<4)-16)
		out[j+16] = d * float32(int(uint32(q>>4)|high>>(j+16)&1<<4)-16)
	}
}

func widenQ51(dst []float32, src []byte) {
	d, m, high := half(src), half(src[2:]), binary.LittleEndian.Uint32(src[4:])
	out, qs := (*[32]float32)(dst), (*[16]byte)(src[8:])
	for j, q := range qs {
		out[j] = float32(d*float32(uint32(q&15)|high>>j&1<<4)) + m
		out[j+16] = float32(d*float32(uint32(q>>4)|high>>(j+16)&1<<4)) + m
	}
}

func widenQ80(dst []float32, src []byte) {
	d := half(src)
	out, qs := (*[32]float32)(dst), (*[32]byte)(src[2:])
	for j, q := range qs {
		out[j] = d * float32(int8(q))
	}
}

// scaleMin unpacks the 6-bit scale and minimum of sub-block j of a Q4_K or Q5_K block: four of
// each in six bits of a byte, the last four split between the third group of bytes (low
// nibbles) and the top two bits of the first two groups.
func scaleMin(s *[12]byte, j int) (scale, lowest byte) {
	if j < 4 {
		return s[j] & 63, s[j+4] & 63
	}
	return s[j+4]&15 | s[j-4]>>6<<4, s[j+4]>>4 | s[j]>>6<<4
}

func widenQ4K(dst []float32, src []byte) {
	d, dmin := half(src), half(src[2:])
	scales := (*[12]byte)(src[4:])
	for j := range 8 {
		sc, lo := scaleMin(scales, j)
		scale, lowest := d*float32(sc), dmin*float32(lo)
		out, qs := (*[32]float32)(dst[32*j:]), (*[32]byte)(src[16+j/2*32:])
		shift := 4 * (j & 1)
		for l, q := range qs {
			out[l] = float32(scale*float32(q>>shift&15)) - lowest
		}
	}
}

func widenQ5K(dst []float32, src []byte) {
	d, dmin := half(src), half(src[2:])
	scales, high := (*[12]byte)(src[4:]), (*[32]byte)(src[16:])
	for j := range 8 {
		sc, lo := scaleMin(scales, j)
		scale, lowest := d*float32(sc), dmin*float32(lo)
		out, qs := (*[32]float32)(dst[32*j:]), (*[32]byte)(src[48+j/2*32:])
		shift := 4 * (j & 1)
		for l, q := range qs {
			out[l] = float32(scale*float32(q>>shift&15|high[l]>>j&1<<4)) - lowest
		}
	}
}

// widenQ6K reads two halves of 128 values, each as four rows of 32 whose low nibbles share 64
// bytes and whose top two bits share 32; every 16 values have a signed scale.
func widenQ6K(dst []float32, src []byte) {
	scales, d := src[192:208], half(src[208:])
	for h := range 2 {
		low, high := src[64*h:], src[128+32*h:]
		for r := range 4 {
			out := (*[32]float32)(dst[128*h+32*r:])
			ql, qh := (*[32]byte)(low[32*(r&1):]), (*[32]byte)(high)
			s0 := d * float32(int8(scales[8*h+2*r]))
			s1 := d * float32(int8(scales[8*h+2*r+1]))
			shift, top := 4*(r>>1), 2*r
			for l := range 16 {
				out[l] = s0 * float32(int(ql[l]>>shift&15|qh[l]>>top&3<<4)-32)
				m := l + 16
				out[m] = s1 * float32(int(ql[m]>>shift&15|qh[m]>>top&3<<4)-32)
			}
		}
	}
}
