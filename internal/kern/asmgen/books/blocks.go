package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// Eight blocks of 32 numbers stand side by side: vector i has number i of each.

const side = 32 // numbers of a block, and bytes of a vector

// blocks turns eight blocks so, and finds the first of largest magnitude in each.
func blocks() {
	Begin("blocksAVX2", "func(dst, tops, v *float32)",
		"sets number i of block j, 8i+j of dst, to number i of block j of v, eight of 32, and tops to the first of "+
			"largest magnitude of each, 0 where all are.")
	dst, v, n := Arg("dst"), Arg("v"), GP64()
	most, top := Zero(), Zero()
	MOVQ(U32(4), n)
	Label("loop")
	var r [8]VecVirtual
	for i := range r {
		r[i] = YMM()
		VMOVUPS(At(v, 4*side*i), r[i])
	}
	for i, x := range Transpose(r) {
		VMOVUPS(x, At(dst, 32*i))
	}
	for i := range 8 {
		x, a, more := YMM(), YMM(), YMM()
		VMOVUPS(At(dst, 32*i), x)
		VANDPS(D(0x7fffffff), x, a)
		VCMPPS(Imm(0x1e), most, a, more) // greater
		VMAXPS(a, most, most)
		VBLENDVPS(more, x, top, top)
	}
	ADDQ(Imm(32), v)
	ADDQ(U32(256), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VMOVUPS(top, At(Arg("tops"), 0))
	End()
}

// iq4 are the sixteen numbers of llama.cpp's IQ4_NL.
var iq4 = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// iq4Tree has the middles between the numbers in the order of a binary search.
func iq4Tree() tree {
	t := make(tree, 4)
	for l, width := 0, 8; l < 4; l, width = l+1, width/2 {
		bounds := make([]float32, 8)
		for i := range 1 << l {
			at := (2*i+1)*width - 1
			bounds[i] = (iq4[at] + iq4[at+1]) / 2
			if l == 0 {
				for j := range bounds {
					bounds[j] = bounds[0]
				}
			}
		}
		t[l] = Reg(floats(bounds))
	}
	return t
}

// fitIQ4 finds codes and adds up what says which scale fits them.
func fitIQ4() {
	Begin("fitIQ4AVX2", "func(codes *uint32, sums, v, factors *float32)",
		"sets codes to the nearest of IQ4_NL's numbers, q, to eight blocks x of 32 times their factors, and sums "+
			"to those of x²·q·x and of x²·q·q, in order.")
	codes, v, factors, n := Arg("codes"), Arg("v"), Arg("factors"), GP64()
	t := iq4Tree()
	low, high, factor := Reg(floats(iq4[:8])), Reg(floats(iq4[8:])), YMM()
	VMOVUPS(At(factors, 0), factor)
	qx, qq := Zero(), Zero()
	MOVQ(U32(side), n)
	Label("loop")
	x, q, w := YMM(), YMM(), YMM()
	VMOVUPS(At(v, 0), x)
	VMULPS(x, factor, w)
	code := t.search(w)
	VMOVDQU(code, At(codes, 0))
	VPERMPS(low, code, q)
	VPERMPS(high, code, w)
	VPSLLD(Imm(28), code, code)
	VBLENDVPS(code, w, q, q)
	VMULPS(x, x, w)
	VMULPS(q, w, w)
	VMULPS(w, x, x)
	VADDPS(x, qx, qx)
	VMULPS(w, q, q)
	VADDPS(q, qq, qq)
	ADDQ(Imm(32), v)
	ADDQ(Imm(32), codes)
	DECQ(n)
	JNZ(LabelRef("loop"))
	sums := Arg("sums")
	VMOVUPS(qx, At(sums, 0))
	VMOVUPS(qq, At(sums, 32))
	End()
}

// nibbles packs the codes of eight blocks.
func nibbles() {
	Begin("nibblesAVX2", "func(dst *byte, codes *uint32, stride int)",
		"packs eight blocks of 32 codes to sixteen bytes each, code i in the low and i+16 in the high half of byte "+
			"i; blocks are stride bytes apart.")
	dst, codes, stride := Arg("dst"), Arg("codes"), Arg("stride")
	var d [4]VecVirtual
	for g := range d {
		for i := range 4 {
			at := 32 * (4*g + i)
			x, y := YMM(), YMM()
			VMOVDQU(At(codes, at+16*32), y)
			VPSLLD(Imm(4), y, y)
			VPOR(At(codes, at), y, x)
			if i == 0 {
				d[g] = x
				continue
			}
			VPSLLD(Imm(uint64(8*i)), x, x)
			VPOR(x, d[g], d[g])
		}
	}
	var lo, hi [2]VecVirtual
	for i := range 2 {
		lo[i], hi[i] = YMM(), YMM()
		VPUNPCKLDQ(d[2*i+1], d[2*i], lo[i])
		VPUNPCKHDQ(d[2*i+1], d[2*i], hi[i])
	}
	var out [4]VecVirtual // blocks i and, above, i+4
	for i, pair := range [][2]VecVirtual{lo, hi} {
		out[2*i], out[2*i+1] = YMM(), YMM()
		VPUNPCKLQDQ(pair[1], pair[0], out[2*i])
		VPUNPCKHQDQ(pair[1], pair[0], out[2*i+1])
	}
	for half := range 2 {
		for _, x := range out {
			if half == 0 {
				VMOVDQU(x.AsX(), At(dst, 0))
			} else {
				VEXTRACTI128(Imm(1), x, At(dst, 0))
			}
			ADDQ(stride, dst)
		}
	}
	End()
}
