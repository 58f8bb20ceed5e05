package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// float8Encode follows quant.Float8.Encode: an addition on the bits rounds normal numbers, an
// addition of floats rounds subnormal ones.
func float8Encode(bf16 bool) {
	TEXT("float8Encode"+suffix(bf16)+"AVX2", NOSPLIT,
		"func(dst *byte, src *uint16, n int, inv float32, shift uint64, rebase, border, one, top uint32)")
	Pragma("noescape")
	Doc("float8Encode" + suffix(bf16) + "AVX2 sets dst to the 8-bit floats nearest to src·inv, n a multiple of 16.")
	dst, src := ptr("dst"), ptr("src")
	inv := splatArg("inv")
	rebase, border, one, top := splatArg("rebase"), splatArg("border"), splatArg("one"), splatArg("top")
	shift := XMM()
	VMOVQ(argument("shift"), shift)
	abs, odd := splatD(0x7fffffff), splatD(1)
	// half is one less than half a unit of the last place that stays.
	half := YMM()
	VPSLLD(shift, odd, half)
	VPSRLD(Imm(1), half, half)
	VPSUBD(odd, half, half)
	a, b, c := YMM(), YMM(), YMM()
	loop(16, func() {
		var q [2]VecVirtual
		for i := range q {
			x := load8(bf16, Mem{Base: src, Disp: 16 * i})
			VMULPS(inv, x, x)
			VPAND(abs, x, a)
			VPSRLD(shift, a, b)
			VPAND(odd, b, b)
			VPADDD(half, b, b)
			VPADDD(a, b, b)
			VPSRLD(shift, b, b)
			VPSUBD(rebase, b, b)
			VADDPS(one, a, c)
			VPSUBD(one, c, c)
			VPCMPGTD(a, border, a) // border > a: subnormal
			VBLENDVPS(a, c, b, b)
			VPMINSD(top, b, b)
			VPSRLD(Imm(31), x, x)
			VPSLLD(Imm(7), x, x)
			VPOR(b, x, x)
			q[i] = x
		}
		bytes16(q[0], q[1], Mem{Base: dst})
		advance(src, 32)
		advance(dst, 16)
	})
	VZEROUPPER()
	RET()
}

// float8Decode goes by way of binary16, whose conversion handles subnormals at full speed.
func float8Decode(bf16 bool) {
	TEXT("float8Decode"+suffix(bf16)+"AVX2", NOSPLIT,
		"func(dst *uint16, codes *byte, n int, shift uint64, base, scale float32)")
	Pragma("noescape")
	Doc("float8Decode" + suffix(bf16) + "AVX2 sets dst to the patterns of value·scale, n a multiple of 8; " +
		"value is base times the binary16 whose bits are the code's magnitude shifted left.")
	dst, codes := ptr("dst"), ptr("codes")
	shift := XMM()
	VMOVQ(argument("shift"), shift)
	base, scale := splatArg("base"), splatArg("scale")
	r := newRounder(bf16)
	mag, sign := XMM(), XMM()
	word := GP32()
	MOVL(U32(0x7f), word)
	VMOVD(word, mag)
	VPBROADCASTW(mag, mag)
	MOVL(U32(0x8000), word)
	VMOVD(word, sign)
	VPBROADCASTW(sign, sign)
	c, m, x := XMM(), XMM(), YMM()
	loop(8, func() {
		VPMOVZXBW(Mem{Base: codes}, c)
		VPAND(mag, c, m)
		VPSLLW(shift, m, m)
		VPSLLW(Imm(8), c, c)
		VPAND(sign, c, c)
		VPOR(c, m, m)
		VCVTPH2PS(m, x)
		VMULPS(base, x, x)
		VMULPS(scale, x, x)
		r.store(x, Mem{Base: dst})
		advance(codes, 8)
		advance(dst, 16)
	})
	VZEROUPPER()
	RET()
}

// splatX fills every byte of an XMM register with v.
func splatX(v uint32) VecVirtual {
	r, x := GP32(), XMM()
	MOVL(U32(v), r)
	VMOVD(r, x)
	VPBROADCASTD(x, x)
	return x
}

func pack4() {
	TEXT("pack4AVX2", NOSPLIT, "func(dst, codes *byte, n int)")
	Pragma("noescape")
	Doc("pack4AVX2 packs n codes of 4 bits, a multiple of 32.")
	dst, codes, weights := ptr("dst"), ptr("codes"), splatX(0x10011001)
	a, b := XMM(), XMM()
	loop(32, func() {
		VMOVDQU(Mem{Base: codes}, a)
		VMOVDQU(Mem{Base: codes, Disp: 16}, b)
		VPMADDUBSW(weights, a, a)
		VPMADDUBSW(weights, b, b)
		VPACKUSWB(b, a, a)
		VMOVDQU(a, Mem{Base: dst})
		advance(codes, 32)
		advance(dst, 16)
	})
	RET()
}

func unpack4() {
	TEXT("unpack4AVX2", NOSPLIT, "func(codes, src *byte, n int)")
	Pragma("noescape")
	Doc("unpack4AVX2 unpacks n codes of 4 bits, a multiple of 32.")
	codes, src, low := ptr("codes"), ptr("src"), splatX(0x0f0f0f0f)
	loop(32, func() {
		a := XMM()
		VMOVDQU(Mem{Base: src}, a)
		first, second := split(a, low, 4)
		VMOVDQU(first, Mem{Base: codes})
		VMOVDQU(second, Mem{Base: codes, Disp: 16})
		advance(src, 16)
		advance(codes, 32)
	})
	RET()
}

// split cuts every byte of a into its low and its high half of the given width, which come out
// next to each other: those of the first eight bytes, and those of the others.
func split(a, low VecVirtual, width uint64) (first, second VecVirtual) {
	lo, hi := XMM(), XMM()
	VPAND(low, a, lo)
	VPSRLW(Imm(width), a, hi)
	VPAND(low, hi, hi)
	first, second = XMM(), XMM()
	VPUNPCKLBW(hi, lo, first)
	VPUNPCKHBW(hi, lo, second)
	return first, second
}

func pack2() {
	TEXT("pack2AVX2", NOSPLIT, "func(dst, codes *byte, n int)")
	Pragma("noescape")
	Doc("pack2AVX2 packs n codes of 2 bits, a multiple of 32.")
	dst, codes := ptr("dst"), ptr("codes")
	pairs, quads := splatX(0x04010401), splatX(0x00100001)
	a, b := XMM(), XMM()
	loop(32, func() {
		VMOVDQU(Mem{Base: codes}, a)
		VMOVDQU(Mem{Base: codes, Disp: 16}, b)
		VPMADDUBSW(pairs, a, a)
		VPMADDUBSW(pairs, b, b)
		VPMADDWD(quads, a, a)
		VPMADDWD(quads, b, b)
		VPACKUSDW(b, a, a)
		VPACKUSWB(a, a, a)
		VMOVQ(a, Mem{Base: dst})
		advance(codes, 32)
		advance(dst, 8)
	})
	RET()
}

func unpack2() {
	TEXT("unpack2AVX2", NOSPLIT, "func(codes, src *byte, n int)")
	Pragma("noescape")
	Doc("unpack2AVX2 unpacks n codes of 2 bits, a multiple of 32.")
	codes, src, low, low2 := ptr("codes"), ptr("src"), splatX(0x0f0f0f0f), splatX(0x03030303)
	loop(32, func() {
		a := XMM()
		VMOVQ(Mem{Base: src}, a)
		nibbles, _ := split(a, low, 4)
		first, second := split(nibbles, low2, 2)
		VMOVDQU(first, Mem{Base: codes})
		VMOVDQU(second, Mem{Base: codes, Disp: 16})
		advance(src, 8)
		advance(codes, 32)
	})
	RET()
}

func axpy64() {
	TEXT("axpy64AVX2", NOSPLIT, "func(dst, x *float64, n int, a float64)")
	Pragma("noescape")
	Doc("axpy64AVX2 adds a·x to dst, n a multiple of 4.")
	dst, x := ptr("dst"), ptr("x")
	a, y := YMM(), YMM()
	VBROADCASTSD(argument("a"), a)
	loop(4, func() {
		VMULPD(Mem{Base: x}, a, y)
		VADDPD(Mem{Base: dst}, y, y)
		VMOVUPD(y, Mem{Base: dst})
		advance(x, 32)
		advance(dst, 32)
	})
	VZEROUPPER()
	RET()
}

// fourRows adds a[j]·row j to dst for j = 0 to 3, with the rows stride bytes apart.
func fourRows(lanes int, broadcast, mul, add, move func(...Op), size int) {
	dst, rows, a := ptr("dst"), ptr("rows"), ptr("a")
	stride := Load(Param("stride"), GP64())
	var p [4]Register
	var w [4]VecVirtual
	for j := range p {
		p[j], w[j] = GP64(), YMM()
		if j == 0 {
			MOVQ(rows, p[j])
		} else {
			MOVQ(p[j-1], p[j])
			ADDQ(stride, p[j])
		}
		broadcast(Mem{Base: a, Disp: size * j}, w[j])
	}
	y, t := YMM(), YMM()
	loop(lanes, func() {
		move(Mem{Base: dst}, y)
		for j := range p {
			mul(Mem{Base: p[j]}, w[j], t)
			add(t, y, y)
			advance(p[j], 32)
		}
		move(y, Mem{Base: dst})
		advance(dst, 32)
	})
	VZEROUPPER()
	RET()
}

func axpy4x64() {
	TEXT("axpy4x64AVX2", NOSPLIT, "func(dst, rows *float64, n int, a *float64, stride uintptr)")
	Pragma("noescape")
	Doc("axpy4x64AVX2 adds a[j] times row j to dst for j = 0 to 3, n a multiple of 4.")
	fourRows(4, VBROADCASTSD, VMULPD, VADDPD, VMOVUPD, 8)
}

func axpy4x32() {
	TEXT("axpy4x32AVX2", NOSPLIT, "func(dst, rows *float32, n int, a *float32, stride uintptr)")
	Pragma("noescape")
	Doc("axpy4x32AVX2 adds a[j] times row j to dst for j = 0 to 3, n a multiple of 8.")
	fourRows(8, VBROADCASTSS, VMULPS, VADDPS, VMOVUPS, 4)
}
