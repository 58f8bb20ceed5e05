// Command polar writes the AVX2 kernels of a polar tree over blocks of 16 numbers: pairs become a
// code of their angle and a radius, pairs of radii again, until one radius is left. Eight blocks
// stand side by side. Each lane does what the pure-Go reference does, so both give the same bytes.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

func main() {
	Prefix = "polar"
	codes()
	points()
	Generate()
}

func load(m Mem) VecVirtual {
	y := YMM()
	VMOVUPS(m, y)
	return y
}

// block returns where eight numbers of block i of eight begin, the first or the second half.
func block(p Register, i, half int) Mem { return At(p, 64*i+32*half) }

func codes() {
	Begin("polarCodesAVX2", "func(first, rest *uint32, norms *uint16, v, tan *float32, n int) (left int)",
		"codes n times eight blocks: eight codes of 4 bits and seven of 2 bits each, and the last radius in "+
			"binary16, at least its least if not 0. tan has the bounds of four levels. It stops before eight "+
			"of which a radius is not finite, and returns how many times eight are left.")
	first, rest, norms, v := Arg("first"), Arg("rest"), Arg("norms"), Arg("v")
	tan, n := Arg("tan"), Arg("n")
	frame := AllocLocal(512)
	Label("eight")
	for half := range 2 {
		var r [8]VecVirtual
		for i := range r {
			r[i] = load(block(v, i, half))
		}
		for i, x := range Transpose(r) {
			VMOVUPS(x, frame.Offset(256*half+32*i))
		}
	}
	fine, all := YMM(), YMM()
	shift := 0
	for level, pairs := 0, 8; pairs > 0; level, pairs = level+1, pairs/2 {
		for i := range pairs {
			a, b := load(frame.Offset(64*i)), load(frame.Offset(64*i+32))
			radius(a, b, frame.Offset(32*i))
			switch {
			case level == 0:
				merge(all, circle(a, b, tan), 4*i)
			default:
				merge(fine, angle(a, b, At(tan, 12*level)), shift)
				shift += 2
			}
		}
	}
	r, h := load(frame), XMM()
	VCVTPS2PH(Imm(0), r, h)
	least(h, r)
	VMOVDQU(all, At(first, 0))
	VMOVDQU(fine, At(rest, 0))
	VMOVDQU(h, At(norms, 0))
	for _, p := range []Register{first, rest} {
		ADDQ(Imm(32), p)
	}
	ADDQ(Imm(16), norms)
	ADDQ(U32(512), v)
	DECQ(n)
	JNZ(LabelRef("eight"))
	Label("done")
	Store(n, Return("left"))
	End()
}

// merge puts codes at a place of words, and begins these at the first.
func merge(words, code VecVirtual, shift int) {
	if shift == 0 {
		VMOVDQA(code, words)
		return
	}
	VPSLLD(Imm(uint64(shift)), code, code)
	VPOR(code, words, words)
}

// least makes radii that are not 0 at least the least number, and stops where one is not finite.
func least(h, r VecVirtual) {
	bad, up, words := XMM(), YMM(), XMM()
	VPCMPGTW(W(0x7bff).(Mem), h, bad)
	VPTEST(bad, bad)
	JNZ(LabelRef("done"))
	VCMPPS(Imm(0x1e), Zero(), r, up) // greater
	VEXTRACTI128(Imm(1), up, words)
	VPACKSSDW(words, up.AsX(), words)
	VPABSW(words, words)
	VPMAXUW(words, h, h)
}

// radius writes √(a² + b²), in float64.
func radius(a, b VecVirtual, to Mem) {
	for half := range 2 {
		x, y, at := a.AsX().(VecVirtual), b.AsX().(VecVirtual), XMM()
		if half == 1 {
			x, y = XMM(), XMM()
			VEXTRACTF128(Imm(1), a, x)
			VEXTRACTF128(Imm(1), b, y)
		}
		c, d := YMM(), YMM()
		VCVTPS2PD(x, c)
		VCVTPS2PD(y, d)
		VMULPD(c, c, c)
		VMULPD(d, d, d)
		VADDPD(d, c, c)
		VSQRTPD(c, c)
		VCVTPD2PSY(c, at)
		VMOVUPS(at, to.Offset(16*half))
	}
}

// angle returns how many of three tangents b/a reaches, 0 for b = 0; neither is negative.
func angle(a, b VecVirtual, tan Mem) VecVirtual {
	count, up := YMM(), YMM()
	for i := range 3 {
		t := YMM()
		VBROADCASTSS(tan.Offset(4*i), t)
		VMULPS(t, a, t)
		VCMPPS(Imm(0x1d), t, b, up) // greater or equal
		if i == 0 {
			VMOVAPS(up, count)
		} else {
			VPADDD(up, count, count)
		}
	}
	VCMPPS(Imm(0x1e), Zero(), b, up)
	VPAND(up, count, count)
	VPABSD(count, count)
	return count
}

// circle is angle of numbers of any sign, with the quadrant in the high bits.
func circle(a, b VecVirtual, tan Register) VecVirtual {
	sign, zero := D(0x80000000), Zero()
	x, y, q := YMM(), YMM(), YMM()
	minusA, minusB := YMM(), YMM()
	VXORPS(sign, a, minusA)
	VXORPS(sign, b, minusB)
	VMOVAPS(minusB, x)
	VMOVAPS(a, y)
	VMOVDQU(D(12), q)
	choose := func(where, first, second VecVirtual, quadrant uint32) {
		VBLENDVPS(where, first, x, x)
		VBLENDVPS(where, second, y, y)
		c := load(D(quadrant).(Mem))
		VBLENDVPS(where, c, q, q)
	}
	where, also := YMM(), YMM()
	VCMPPS(Imm(0x11), zero, a, where) // less
	choose(where, minusA, minusB, 8)
	VCMPPS(Imm(0x12), zero, a, where) // less or equal
	VCMPPS(Imm(0x1e), zero, b, also)
	VANDPS(also, where, where)
	choose(where, b, minusA, 4)
	VCMPPS(Imm(0x1e), zero, a, where)
	VCMPPS(Imm(0x1d), zero, b, also)
	VANDPS(also, where, where)
	choose(where, a, b, 0)
	code := angle(x, y, At(tan, 0))
	VPOR(q, code, code)
	return code
}

// points undoes codes.
func points() {
	Begin("polarPointsAVX2", "func(v *float32, first, rest *uint32, norms *uint16, circle, levels *float32, n int)",
		"sets n times eight blocks to what their codes and radii stand for. circle has the cosines and the "+
			"sines of sixteen angles, levels those of four angles of each of three levels.")
	v, first, rest, norms := Arg("v"), Arg("first"), Arg("rest"), Arg("norms")
	circle, levels, n := Arg("circle"), Arg("levels"), Arg("n")
	frame := AllocLocal(512)
	Label("eight")
	r := YMM()
	VCVTPH2PS(At(norms, 0), r)
	VMOVUPS(r, frame)
	fine := load(At(rest, 0))
	for level, pairs := 3, 1; level > 0; level, pairs = level-1, 2*pairs {
		for i := pairs - 1; i >= 0; i-- {
			code, r := YMM(), load(frame.Offset(32*i))
			VPSRLD(Imm(uint64(2*(8-2*pairs+i))), fine, code)
			for j := range 2 {
				x := YMM()
				VBROADCASTF128(At(levels, 32*(level-1)+16*j), x)
				VPERMILPS(code, x, x)
				VMULPS(r, x, x)
				VMOVUPS(x, frame.Offset(64*i+32*j))
			}
		}
	}
	all := load(At(first, 0))
	for i := 7; i >= 0; i-- {
		code, high, r := YMM(), YMM(), load(frame.Offset(32*i))
		VPSRLD(Imm(uint64(4*i)), all, code)
		VPSLLD(Imm(28), code, high)
		for j := range 2 {
			x, y := YMM(), YMM()
			VPERMPS(At(circle, 64*j), code, x)
			VPERMPS(At(circle, 64*j+32), code, y)
			VBLENDVPS(high, y, x, x)
			VMULPS(r, x, x)
			VMOVUPS(x, frame.Offset(64*i+32*j))
		}
	}
	for half := range 2 {
		var c [8]VecVirtual
		for i := range c {
			c[i] = load(frame.Offset(256*half + 32*i))
		}
		for i, x := range Transpose(c) {
			VMOVUPS(x, block(v, i, half))
		}
	}
	for _, p := range []Register{first, rest} {
		ADDQ(Imm(32), p)
	}
	ADDQ(Imm(16), norms)
	ADDQ(U32(512), v)
	DECQ(n)
	JNZ(LabelRef("eight"))
	End()
}
