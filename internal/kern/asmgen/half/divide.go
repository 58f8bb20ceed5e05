package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// divideCodes rounds quotients, as numpy's codecs have them, where quantize multiplies.
func divideCodes() {
	TEXT("divideCodesAVX2", NOSPLIT, "func(dst *byte, src *float32, n int, sub, div, add, lo, hi float32)")
	Pragma("noescape")
	Doc("divideCodesAVX2 sets dst to the low bytes of (src-sub)/div+add, cut to lo…hi and rounded " +
		"to even; n is a multiple of 16. A NaN becomes 0.")
	dst, src := ptr("dst"), ptr("src")
	sub, div, add, lo, hi := splatArg("sub"), splatArg("div"), splatArg("add"), splatArg("lo"), splatArg("hi")
	low := splatD(0xff)
	ord := YMM()
	loop(16, func() {
		x, y := YMM(), YMM()
		for i, v := range []Op{x, y} {
			VMOVUPS(Mem{Base: src, Disp: 32 * i}, v)
			VSUBPS(sub, v, v)
			VDIVPS(div, v, v)
			VADDPS(add, v, v)
			VCMPPS(Imm(7), v, v, ord) // ordered: not a NaN
			VMAXPS(lo, v, v)
			VMINPS(hi, v, v)
			VCVTPS2DQ(v, v)
			VPAND(ord, v, v)
			VPAND(low, v, v)
		}
		bytes16(x, y, Mem{Base: dst})
		advance(src, 64)
		advance(dst, 16)
	})
	VZEROUPPER()
	RET()
}

func restoreCodes() {
	TEXT("restoreCodesAVX2", NOSPLIT, "func(dst *float32, codes *byte, n int, flip uint32, sub, mul, add float32)")
	Pragma("noescape")
	Doc("restoreCodesAVX2 sets dst to ((codes^flip)-sub)·mul+add, n a multiple of 8; every step is rounded.")
	dst, codes := ptr("dst"), ptr("codes")
	flip, sub, mul, add := splatArg("flip"), splatArg("sub"), splatArg("mul"), splatArg("add")
	x := YMM()
	loop(8, func() {
		VPMOVZXBD(Mem{Base: codes}, x)
		VPXOR(flip, x, x)
		VCVTDQ2PS(x, x)
		VSUBPS(sub, x, x)
		VMULPS(mul, x, x)
		VADDPS(add, x, x)
		VMOVUPS(x, Mem{Base: dst})
		advance(codes, 8)
		advance(dst, 32)
	})
	VZEROUPPER()
	RET()
}
