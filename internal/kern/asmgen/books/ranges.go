package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// keys turns patterns of float32 to integers that order as they do, and back.
func keys(x VecVirtual) {
	s := YMM()
	VPSRAD(Imm(31), x, s)
	VPSRLD(Imm(1), s, s)
	VPXOR(s, x, x)
}

func ranges() {
	Begin("rangesAVX2", "func(lo, hi, v *float32, dim, rows int)",
		"sets lo and hi to the least and the greatest number of each of some rows of dim, a multiple of 16; "+
			"-0 is below 0.")
	lo, hi, v, rows := Arg("lo"), Arg("hi"), Arg("v"), Arg("rows")
	dim, n := Arg("dim"), GP64()
	x, y, least, most := YMM(), YMM(), YMM(), YMM()
	Label("row")
	VMOVDQU(D(0x7fffffff), least)
	VMOVDQU(D(0x80000000), most)
	MOVQ(dim, n)
	Label("loop")
	for i, z := range []VecVirtual{x, y} {
		VMOVDQU(At(v, 32*i), z)
		keys(z)
		VPMINSD(z, least, least)
		VPMAXSD(z, most, most)
	}
	advance(v, 64)
	SUBQ(Imm(16), n)
	JNZ(LabelRef("loop"))
	putEnds(least, most, lo, hi)
	DECQ(rows)
	JNZ(LabelRef("row"))
	End()
}

// putEnds writes the least and the greatest of keys, and moves on.
func putEnds(least, most VecVirtual, lo, hi Register) {
	for _, e := range []struct {
		op func(...Op)
		x  VecVirtual
		to Register
	}{{VPMINSD, least, lo}, {VPMAXSD, most, hi}} {
		across(e.op, e.x)
		keys(e.x)
		VMOVD(e.x.AsX(), At(e.to, 0))
		advance(e.to, 4)
	}
}

// zeroPoints quantises a row around a zero point.
func zeroPoints() {
	Begin("zeroPointCodesAVX2", "func(dst *byte, v *float32, n int, inv, zero float32)",
		"sets dst to v times inv plus zero, rounded half away from zero and cut to 0 and 15, n a multiple of 32.")
	dst, v, inv, zero := Arg("dst"), Arg("v"), Splat("inv"), Splat("zero")
	half, top := Reg(D(0x3f000000)), Reg(D(0x41700000))
	Hold(Dwords(0, 4, 1, 5, 2, 6, 3, 7))
	loop(32, func() {
		var q [4]VecVirtual
		for i := range q {
			x, some := YMM(), YMM()
			VMULPS(At(v, 32*i), inv, x)
			VADDPS(zero, x, x)
			VCMPPS(Imm(0x1d), half, x, some) // greater or equal
			VMINPS(top, x, x)
			VADDPS(half, x, x)
			VCVTTPS2DQ(x, x)
			VPAND(some, x, x)
			q[i] = x
		}
		bytes32(q, At(dst, 0))
		advance(v, 128)
		advance(dst, 32)
	})
	End()
}

// clamp cuts a row at both ends.
func clamp() {
	Begin("clampAVX2", "func(v *float32, n int, limit float32)",
		"cuts n numbers, a multiple of 8, to magnitudes up to limit.")
	v, high, low := Arg("v"), Splat("limit"), YMM()
	VXORPS(Reg(D(0x80000000)), high, low)
	loop(8, func() {
		x := YMM()
		VMOVUPS(At(v, 0), x)
		VMAXPS(x, low, x) // of equal numbers, and where there is NaN, the last is taken
		VMINPS(x, high, x)
		VMOVUPS(x, At(v, 0))
		advance(v, 32)
	})
	End()
}

// roundCodes quantises a row on a grid.
func roundCodes() {
	Begin("roundCodesAVX2", "func(codes *byte, v *float32, n int, low, inv, top float32)",
		"sets codes to (v - low)·inv, rounded to even, from 0 to top, n a multiple of 32.")
	codes, v, low, inv, top, zero := Arg("codes"), Arg("v"), Splat("low"), Splat("inv"), Splat("top"), Zero()
	Hold(Dwords(0, 4, 1, 5, 2, 6, 3, 7))
	loop(32, func() {
		var q [4]VecVirtual
		for i := range q {
			q[i] = YMM()
			VMOVUPS(At(v, 32*i), q[i])
			VSUBPS(low, q[i], q[i])
			VMULPS(inv, q[i], q[i])
			VMAXPS(zero, q[i], q[i])
			VMINPS(top, q[i], q[i])
			VCVTPS2DQ(q[i], q[i])
		}
		bytes32(q, At(codes, 0))
		advance(v, 128)
		advance(codes, 32)
	})
	End()
}

// affineValues undoes roundCodes.
func affineValues() {
	Begin("affineValuesAVX2", "func(v *float32, codes *byte, n int, scale, low float32)",
		"sets v to codes times scale plus low, n a multiple of 8.")
	v, codes, scale, low := Arg("v"), Arg("codes"), Splat("scale"), Splat("low")
	loop(8, func() {
		x := YMM()
		VPMOVZXBD(At(codes, 0), x)
		VCVTDQ2PS(x, x)
		VMULPS(scale, x, x)
		VADDPS(low, x, x)
		VMOVUPS(x, At(v, 0))
		advance(v, 32)
		advance(codes, 8)
	})
	End()
}

// transposes is of sixteen rows, so that whole lines are written.
func transposes() {
	Begin("transposeAVX2", "func(dst, src *float32, dstStride, srcStride, n int)",
		"sets 8n rows of sixteen of dst to sixteen rows of 8n numbers of src, transposed; rows are strides of "+
			"bytes apart.")
	dst, src, to, from, n := Arg("dst"), Arg("src"), Arg("dstStride"), Arg("srcStride"), Arg("n")
	three, five, seven := GP64(), GP64(), GP64()
	LEAQ(Mem{Base: from, Index: from, Scale: 2}, three)
	LEAQ(Mem{Base: from, Index: from, Scale: 4}, five)
	LEAQ(Mem{Base: three, Index: from, Scale: 4}, seven)
	at := GP64()
	Label("columns")
	for half := range 2 {
		p := src
		if half == 1 {
			p = GP64()
			LEAQ(Mem{Base: src, Index: from, Scale: 8}, p)
		}
		var r [8]VecVirtual
		for i, m := range []Mem{{Base: p}, {Base: p, Index: from, Scale: 1}, {Base: p, Index: from, Scale: 2},
			{Base: p, Index: three, Scale: 1}, {Base: p, Index: from, Scale: 4}, {Base: p, Index: five, Scale: 1},
			{Base: p, Index: three, Scale: 2}, {Base: p, Index: seven, Scale: 1}} {
			r[i] = YMM()
			VMOVUPS(m, r[i])
		}
		MOVQ(dst, at)
		for _, x := range Transpose(r) {
			VMOVUPS(x, At(at, 32*half))
			ADDQ(to, at)
		}
	}
	MOVQ(at, dst)
	advance(src, 32)
	DECQ(n)
	JNZ(LabelRef("columns"))
	End()
}

// largest finds the k-th largest magnitude by halving the patterns that it may have.
func largest() {
	Begin("largestAVX2", "func(v *float32, n, k int) float32",
		"returns the k-th largest magnitude of n numbers, a positive multiple of 8; k is from 1 to n.")
	v, n, k := Arg("v"), Arg("n"), Arg("k")
	p, left, lo, hi, mid := GP64(), GP64(), GP64(), GP64(), GP64()
	sign, x := Reg(D(0x7fffffff)), YMM()
	each := func(label string, body func()) {
		MOVQ(v, p)
		MOVQ(n, left)
		Label(label)
		VPAND(At(p, 0), sign, x)
		body()
		advance(p, 32)
		SUBQ(Imm(8), left)
		JNZ(LabelRef(label))
	}
	most := Zero()
	each("most", func() { VPMAXUD(x, most, most) })
	across(VPMAXUD, most)
	VMOVD(most.AsX(), hi.As32())
	MOVQ(I32(-1), lo) // more than hi there is none, more than lo there are k
	CMPQ(k, Imm(1))
	JEQ(LabelRef("found"))
	Label("halve")
	LEAQ(Mem{Base: lo, Index: hi, Scale: 1}, mid)
	SARQ(Imm(1), mid)
	CMPQ(mid, lo)
	JEQ(LabelRef("found"))
	limit, count := YMM(), Zero()
	VMOVD(mid.As32(), limit.AsX())
	VPBROADCASTD(limit.AsX(), limit)
	each("count", func() {
		VPCMPGTD(limit, x, x)
		VPSUBD(x, count, count)
	})
	across(VPADDD, count)
	VMOVD(count.AsX(), p.As32())
	CMPQ(p, k)
	JLT(LabelRef("lower"))
	MOVQ(mid, lo)
	JMP(LabelRef("halve"))
	Label("lower")
	MOVQ(mid, hi)
	INCQ(p)
	CMPQ(p, k)
	JNE(LabelRef("halve"))
	Label("found") // the largest of those up to hi
	VMOVD(hi.As32(), limit.AsX())
	VPBROADCASTD(limit.AsX(), limit)
	top, over := Zero(), YMM()
	each("top", func() {
		VPCMPGTD(limit, x, over)
		VPANDN(x, over, x)
		VPMAXUD(x, top, top)
	})
	across(VPMAXUD, top)
	Store(top.AsX(), ReturnIndex(0))
	End()
}
