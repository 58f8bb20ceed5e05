// Command half writes the AVX2 and F16C forms of the kernels that work on 16-bit floats and on
// codes. None uses fused multiply-add, and each does per lane what its pure-Go reference does, so
// both give the same bytes.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	minMax()
	absMax()
	absMaxFour()
	minMaxColumns()
	for _, bf16 := range []bool{false, true} {
		quantize(bf16)
		dequantize(bf16)
		quantizeColumns(bf16)
		dequantizeColumns(bf16)
		widen(bf16)
		narrow(bf16)
	}
	narrowF16()
	divideCodes()
	restoreCodes()
	pack4()
	unpack4()
	pack2()
	unpack2()
	axpy64()
	axpy4x64()
	axpy4x32()
	Generate()
}

// splatW fills every 16-bit lane with v.
func splatW(v uint16) VecVirtual {
	r, y := GP32(), YMM()
	MOVL(U32(uint32(v)), r)
	VMOVD(r, y.AsX())
	VPBROADCASTW(y.AsX(), y)
	return y
}

// splatD fills every 32-bit lane with v.
func splatD(v uint32) VecVirtual {
	r, y := GP32(), YMM()
	MOVL(U32(v), r)
	VMOVD(r, y.AsX())
	VPBROADCASTD(y.AsX(), y)
	return y
}

// argument returns where an argument lies.
func argument(name string) Mem {
	c, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return c.Addr
}

// splatArg fills every 32-bit lane with a 32-bit argument.
func splatArg(name string) VecVirtual {
	r, y := GP32(), YMM()
	MOVL(argument(name), r)
	VMOVD(r, y.AsX())
	VPBROADCASTD(y.AsX(), y)
	return y
}

func ptr(name string) Register { return Load(Param(name), GP64()) }

// loop runs body n/step times; n is the argument "n", a positive multiple of step.
func loop(step int, body func()) {
	n := Load(Param("n"), GP64())
	Label("loop")
	body()
	SUBQ(Imm(uint64(step)), n)
	JNZ(LabelRef("loop"))
}

func advance(p Register, bytes int) { ADDQ(Imm(uint64(bytes)), p) }

func suffix(bf16 bool) string {
	if bf16 {
		return "BF16"
	}
	return "F16"
}

// load8 widens eight 16-bit floats.
func load8(bf16 bool, m Mem) VecVirtual {
	y := YMM()
	if bf16 {
		VPMOVZXWD(m, y)
		VPSLLD(Imm(16), y, y)
	} else {
		VCVTPH2PS(m, y)
	}
	return y
}

// rounder narrows eight float32 to 16 bits, to nearest even, cut to the largest finite number.
type rounder struct {
	bf16           bool
	max, min       VecVirtual // F16
	abs, half, one VecVirtual // BF16
	top            VecVirtual
}

func newRounder(bf16 bool) rounder {
	if bf16 {
		return rounder{bf16: true, abs: splatD(0x7fffffff), half: splatD(0x7fff), one: splatD(1),
			top: splatD(0x7f7f)}
	}
	return rounder{max: splatD(0x477fe000), min: splatD(0xc77fe000)}
}

// store writes x, which it destroys, to m.
func (r rounder) store(x VecVirtual, m Mem) {
	if !r.bf16 {
		VMINPS(r.max, x, x)
		VMAXPS(r.min, x, x)
		VCVTPS2PH(Imm(0), x, m)
		return
	}
	a, odd := YMM(), YMM()
	VPAND(r.abs, x, a)
	VPSRLD(Imm(16), a, odd)
	VPAND(r.one, odd, odd)
	VPADDD(r.half, a, a)
	VPADDD(odd, a, a)
	VPSRLD(Imm(16), a, a)
	VPMINSD(r.top, a, a)
	VPSRLD(Imm(31), x, x)
	VPSLLD(Imm(15), x, x)
	VPOR(x, a, a)
	VPACKUSDW(a, a, a)
	VPERMQ(Imm(0xd8), a, a)
	VMOVDQU(a.AsX(), m)
}

// keys turns 16-bit patterns into keys that order as the floats do.
func keys(x, low15 VecVirtual) {
	s := YMM()
	VPSRAW(Imm(15), x, s)
	VPAND(low15, s, s)
	VPXOR(s, x, x)
}

// leastWord leaves in r the least of the eight unsigned words of x.
func leastWord(x VecVirtual, r Register) {
	VPHMINPOSUW(x.AsX(), x.AsX())
	VMOVD(x.AsX(), r)
	MOVWLZX(r.(GPVirtual).As16(), r)
}

func half(x VecVirtual, op func(ops ...Op)) {
	h := XMM()
	VEXTRACTI128(Imm(1), x, h)
	op(h, x.AsX(), x.AsX())
}

func minMax() {
	TEXT("minMaxAVX2", NOSPLIT, "func(src *uint16, n int) (lo, hi int32)")
	Pragma("noescape")
	Doc("minMaxAVX2 returns the least and the greatest key of n patterns, a multiple of 16.")
	src, low15 := ptr("src"), splatW(0x7fff)
	lo, hi, x := splatW(0x7fff), splatW(0x8000), YMM()
	loop(16, func() {
		VMOVDQU(Mem{Base: src}, x)
		keys(x, low15)
		VPMINSW(x, lo, lo)
		VPMAXSW(x, hi, hi)
		advance(src, 32)
	})
	half(lo, VPMINSW)
	half(hi, VPMAXSW)
	flip := splatW(0x8000)
	VPXOR(flip, lo, lo)  // to unsigned
	VPXOR(low15, hi, hi) // to unsigned, upside down
	r := GP32()
	leastWord(lo, r)
	XORL(U32(0x8000), r)
	MOVWLSX(r.As16(), r)
	Store(r, ReturnIndex(0))
	leastWord(hi, r)
	XORL(U32(0x7fff), r)
	MOVWLSX(r.As16(), r)
	Store(r, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

func absMax() {
	TEXT("absMaxAVX2", NOSPLIT, "func(src *uint16, n int) uint32")
	Pragma("noescape")
	Doc("absMaxAVX2 returns the greatest pattern without sign of n, a multiple of 16.")
	src, low15 := ptr("src"), splatW(0x7fff)
	hi, x := YMM(), YMM()
	VPXOR(hi, hi, hi)
	loop(16, func() {
		VPAND(Mem{Base: src}, low15, x)
		VPMAXUW(x, hi, hi)
		advance(src, 32)
	})
	returnGreatest(hi)
}

// absMaxFour goes through four quarters at once, each a stream that is fetched on its own: one alone
// waits at the end of every page.
func absMaxFour() {
	TEXT("absMaxFourAVX2", NOSPLIT, "func(src *uint16, n int) uint32")
	Pragma("noescape")
	Doc("absMaxFourAVX2 is absMaxAVX2 of a positive multiple of 128, which it reads at four places at once.")
	low15, hi := splatW(0x7fff), YMM()
	src, quarter, third := ptr("src"), Load(Param("n"), GP64()), GP64()
	SHRQ(Imm(1), quarter) // in bytes
	LEAQ(Mem{Base: quarter, Index: quarter, Scale: 2}, third)
	var tops [4]VecVirtual
	for i := range tops {
		tops[i] = YMM()
		VPXOR(tops[i], tops[i], tops[i])
	}
	places := []Mem{{Base: src}, {Base: src, Index: quarter, Scale: 1},
		{Base: src, Index: quarter, Scale: 2}, {Base: src, Index: third, Scale: 1}}
	loop(128, func() {
		for i, m := range places {
			for _, disp := range []int{0, 32} {
				x := YMM()
				VPAND(m.Offset(disp), low15, x)
				VPMAXUW(x, tops[i], tops[i])
			}
		}
		advance(src, 64)
	})
	VPMAXUW(tops[0], tops[1], hi)
	VPMAXUW(tops[2], hi, hi)
	VPMAXUW(tops[3], hi, hi)
	returnGreatest(hi)
}

// returnGreatest ends a function with the greatest word of hi.
func returnGreatest(hi VecVirtual) {
	half(hi, VPMAXUW)
	ones := YMM()
	VPCMPEQW(ones, ones, ones)
	VPXOR(ones, hi, hi)
	r := GP32()
	leastWord(hi, r)
	XORL(U32(0xffff), r)
	Store(r, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func minMaxColumns() {
	TEXT("minMaxColumnsAVX2", NOSPLIT, "func(lo, hi *int32, src *uint16, n int)")
	Pragma("noescape")
	Doc("minMaxColumnsAVX2 lowers lo and raises hi to the keys of src, n a multiple of 8.")
	lo, hi, src, low15 := ptr("lo"), ptr("hi"), ptr("src"), splatD(0x7fff)
	x, s := YMM(), YMM()
	loop(8, func() {
		VPMOVSXWD(Mem{Base: src}, x)
		VPSRAD(Imm(31), x, s)
		VPAND(low15, s, s)
		VPXOR(s, x, x)
		VPMINSD(Mem{Base: lo}, x, s)
		VMOVDQU(s, Mem{Base: lo})
		VPMAXSD(Mem{Base: hi}, x, s)
		VMOVDQU(s, Mem{Base: hi})
		advance(src, 16)
		advance(lo, 32)
		advance(hi, 32)
	})
	VZEROUPPER()
	RET()
}

// bytes16 packs sixteen int32 in [0, 255] of a and b to bytes at m.
func bytes16(a, b VecVirtual, m Mem) {
	VPACKUSDW(b, a, a)
	VPERMQ(Imm(0xd8), a, a)
	VPACKUSWB(a, a, a)
	VPERMQ(Imm(0xd8), a, a)
	VMOVDQU(a.AsX(), m)
}

const magic, magicBits = 0x4b400000, 0x4b400000 // 1.5·2^23 as a float32

func quantize(bf16 bool) {
	TEXT("quantize"+suffix(bf16)+"AVX2", NOSPLIT,
		"func(dst *byte, src *uint16, n int, minimum, inv float32, off, lo, hi int32)")
	Pragma("noescape")
	Doc("quantize" + suffix(bf16) + "AVX2 sets dst to the codes of src, n a multiple of 16; " +
		"off is less the bits of 1.5·2^23.")
	dst, src := ptr("dst"), ptr("src")
	low, inv, off, lo, hi := splatArg("minimum"), splatArg("inv"), splatArg("off"), splatArg("lo"), splatArg("hi")
	mag := splatD(magic)
	loop(16, func() {
		var q [2]VecVirtual
		for i := range q {
			x := load8(bf16, Mem{Base: src, Disp: 16 * i})
			VSUBPS(low, x, x)
			VMULPS(inv, x, x)
			VADDPS(mag, x, x)
			VPADDD(off, x, x)
			VPMAXSD(lo, x, x)
			VPMINSD(hi, x, x)
			q[i] = x
		}
		bytes16(q[0], q[1], Mem{Base: dst})
		advance(src, 32)
		advance(dst, 16)
	})
	VZEROUPPER()
	RET()
}

func dequantize(bf16 bool) {
	TEXT("dequantize"+suffix(bf16)+"AVX2", NOSPLIT,
		"func(dst *uint16, codes *byte, n int, scale, minimum float32, off int32)")
	Pragma("noescape")
	Doc("dequantize" + suffix(bf16) + "AVX2 sets dst to the patterns of codes, n a multiple of 8.")
	dst, codes := ptr("dst"), ptr("codes")
	scale, low, off := splatArg("scale"), splatArg("minimum"), splatArg("off")
	r := newRounder(bf16)
	x := YMM()
	loop(8, func() {
		VPMOVZXBD(Mem{Base: codes}, x)
		VPSUBD(off, x, x)
		VCVTDQ2PS(x, x)
		VMULPS(scale, x, x)
		VADDPS(low, x, x)
		r.store(x, Mem{Base: dst})
		advance(codes, 8)
		advance(dst, 16)
	})
	VZEROUPPER()
	RET()
}

func quantizeColumns(bf16 bool) {
	TEXT("quantizeColumns"+suffix(bf16)+"AVX2", NOSPLIT,
		"func(dst *byte, src *uint16, n int, minimum, inv *float32, off *int32, lo, hi int32)")
	Pragma("noescape")
	Doc("quantizeColumns" + suffix(bf16) + "AVX2 is quantize with a grid per column, n a multiple of 16; off is whole.")
	dst, src := ptr("dst"), ptr("src")
	low, inv, off := ptr("minimum"), ptr("inv"), ptr("off")
	lo, hi, mag := splatArg("lo"), splatArg("hi"), splatD(magic)
	loop(16, func() {
		var q [2]VecVirtual
		for i := range q {
			x := load8(bf16, Mem{Base: src, Disp: 16 * i})
			VSUBPS(Mem{Base: low, Disp: 32 * i}, x, x)
			VMULPS(Mem{Base: inv, Disp: 32 * i}, x, x)
			VADDPS(mag, x, x)
			VPSUBD(mag, x, x)
			VPADDD(Mem{Base: off, Disp: 32 * i}, x, x)
			VPMAXSD(lo, x, x)
			VPMINSD(hi, x, x)
			q[i] = x
		}
		bytes16(q[0], q[1], Mem{Base: dst})
		advance(src, 32)
		advance(dst, 16)
		for _, p := range []Register{low, inv, off} {
			advance(p, 64)
		}
	})
	VZEROUPPER()
	RET()
}

func dequantizeColumns(bf16 bool) {
	TEXT("dequantizeColumns"+suffix(bf16)+"AVX2", NOSPLIT,
		"func(dst *uint16, codes *byte, n int, scale, minimum *float32, off *int32)")
	Pragma("noescape")
	Doc("dequantizeColumns" + suffix(bf16) + "AVX2 is dequantize with a grid per column, n a multiple of 8.")
	dst, codes := ptr("dst"), ptr("codes")
	scale, low, off := ptr("scale"), ptr("minimum"), ptr("off")
	r := newRounder(bf16)
	x := YMM()
	loop(8, func() {
		VPMOVZXBD(Mem{Base: codes}, x)
		VPSUBD(Mem{Base: off}, x, x)
		VCVTDQ2PS(x, x)
		VMULPS(Mem{Base: scale}, x, x)
		VADDPS(Mem{Base: low}, x, x)
		r.store(x, Mem{Base: dst})
		advance(codes, 8)
		advance(dst, 16)
		for _, p := range []Register{low, scale, off} {
			advance(p, 32)
		}
	})
	VZEROUPPER()
	RET()
}

func widen(bf16 bool) {
	TEXT("widen"+suffix(bf16)+"AVX2", NOSPLIT, "func(dst *float32, src *uint16, n int)")
	Pragma("noescape")
	Doc("widen" + suffix(bf16) + "AVX2 widens n patterns, a multiple of 8.")
	dst, src := ptr("dst"), ptr("src")
	loop(8, func() {
		VMOVUPS(load8(bf16, Mem{Base: src}), Mem{Base: dst})
		advance(src, 16)
		advance(dst, 32)
	})
	VZEROUPPER()
	RET()
}

// narrowF16 overflows to infinity and keeps NaNs, as IEEE 754 and kern.F32ToF16 have it.
func narrowF16() {
	TEXT("narrowF16AVX2", NOSPLIT, "func(dst *uint16, src *float32, n int)")
	Pragma("noescape")
	Doc("narrowF16AVX2 rounds n numbers, a multiple of 8, to nearest even.")
	dst, src := ptr("dst"), ptr("src")
	x := YMM()
	loop(8, func() {
		VMOVUPS(Mem{Base: src}, x)
		VCVTPS2PH(Imm(0), x, Mem{Base: dst})
		advance(src, 32)
		advance(dst, 16)
	})
	VZEROUPPER()
	RET()
}

func narrow(bf16 bool) {
	TEXT("narrowCut"+suffix(bf16)+"AVX2", NOSPLIT, "func(dst *uint16, src *float32, n int)")
	Pragma("noescape")
	Doc("narrowCut" + suffix(bf16) + "AVX2 rounds n numbers, a multiple of 8, cut to the largest finite one.")
	if bf16 {
		narrowBF16()
		return
	}
	dst, src, r := ptr("dst"), ptr("src"), newRounder(bf16)
	x := YMM()
	loop(8, func() {
		VMOVUPS(Mem{Base: src}, x)
		r.store(x, Mem{Base: dst})
		advance(src, 32)
		advance(dst, 16)
	})
	VZEROUPPER()
	RET()
}

// narrowBF16 cuts before it rounds, sixteen at a time: the largest number stays what it is.
func narrowBF16() {
	dst, src, n := ptr("dst"), ptr("src"), ptr("n")
	top, bottom, half, one := splatD(0x7f7f0000), splatD(0xff7f0000), splatD(0x7fff), splatD(1)
	round := func(disp int) VecVirtual {
		x, odd := YMM(), YMM()
		VMOVUPS(Mem{Base: src, Disp: disp}, x)
		VMINPS(top, x, x)
		VMAXPS(bottom, x, x)
		VPSRLD(Imm(16), x, odd)
		VPAND(one, odd, odd)
		VPADDD(half, x, x)
		VPADDD(odd, x, x)
		VPSRLD(Imm(16), x, x)
		return x
	}
	SUBQ(Imm(16), n)
	JLT(LabelRef("rest"))
	Label("loop")
	a, b := round(0), round(32)
	VPACKUSDW(b, a, a)
	VPERMQ(Imm(0xd8), a, a)
	VMOVDQU(a, Mem{Base: dst})
	advance(src, 64)
	advance(dst, 32)
	SUBQ(Imm(16), n)
	JGE(LabelRef("loop"))
	Label("rest")
	ADDQ(Imm(16), n)
	JZ(LabelRef("done"))
	x, h := round(0), XMM()
	VEXTRACTI128(Imm(1), x, h)
	VPACKUSDW(h, x.AsX(), h)
	VMOVDQU(h, Mem{Base: dst})
	Label("done")
	VZEROUPPER()
	RET()
}
