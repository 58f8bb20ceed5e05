// Command latent writes the AVX2 and F16C forms of quantisers to small floats that divide by their
// scale, where those of float8 and micro multiply by its reciprocal: at ties that gives other codes.
package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

var (
	e2m1 = Small{Fraction: 1, Least: 0, Max: math.Float32bits(6)}
	e4m3 = Small{Fraction: 3, Least: -6, Max: math.Float32bits(448)}
)

func main() {
	Prefix = "latent"
	for _, bf16 := range []bool{false, true} {
		tiles(bf16)
		blocks(bf16)
	}
	Generate()
}

// hold keeps what values and codes of one type take.
func hold(bf16 bool, s Small) {
	Hold(W(0x7fff))
	Hold(s.Constants()...)
	if bf16 {
		Hold(D(0xffff0000))
	} else {
		Hold(D(0x00002000), D(0x20000000), D(F16Scale))
	}
}

// quotients returns sixteen patterns without signs as numbers over d, those in even and in odd places.
func quotients(bf16 bool, a, d VecVirtual) (x, y VecVirtual) {
	x, y = Spread(bf16, a)
	for _, v := range []VecVirtual{x, y} {
		if !bf16 {
			VMULPS(D(F16Scale), v, v)
		}
		VDIVPS(d, v, v)
	}
	return x, y
}

// tiles has a scale in float32 for every 128 values.
func tiles(bf16 bool) {
	Begin("tilesE4M3"+Type(bf16)+"AVX2", "func(codes, scales *byte, src *uint16, n int) (top uint32)",
		"writes the scales of n tiles of 128 values, the largest magnitude over 448 but at least 2^-126, and "+
			"the codes of values over the scale. It returns the greatest pattern without its sign.")
	codes, scales, src, n := Arg("codes"), Arg("scales"), Arg("src"), Arg("n")
	top := GP32()
	XORL(top, top)
	hold(bf16, e4m3)
	Label("tile")
	most, x := Zero(), YMM()
	for i := range 8 {
		VPAND(At(src, 32*i), W(0x7fff).(VecVirtual), x)
		VPMAXUW(x, most, most)
	}
	r := MaxWord(most)
	CMPL(r, top)
	CMOVLHI(r, top)
	scale := XMM()
	VMOVD(r, scale)
	if bf16 {
		VPSLLD(Imm(16), scale, scale)
	} else {
		VCVTPH2PS(scale, scale)
	}
	VDIVSS(D(math.Float32bits(448)).(Mem), scale, scale)
	VMAXSS(D(1<<23).(Mem), scale, scale) // 2^-126
	VMOVSS(scale, At(scales, 0))
	d := YMM()
	VBROADCASTSS(scale, d)
	for range 4 {
		encode32(bf16, codes, src, d)
	}
	ADDQ(Imm(4), scales)
	DECQ(n)
	JNZ(LabelRef("tile"))
	Store(top, ReturnIndex(0))
	End()
}

// encode32 encodes 32 values and moves on.
func encode32(bf16 bool, codes, src Register, d VecVirtual) {
	var p, c [2]VecVirtual
	for i := range p {
		a := YMM()
		p[i] = YMM()
		VMOVDQU(At(src, 32*i), p[i])
		VPAND(W(0x7fff), p[i], a)
		x, y := quotients(bf16, a, d)
		e4m3.Round(x)
		e4m3.Round(y)
		Join(x, y)
		c[i] = x
	}
	VPACKUSWB(c[1], c[0], c[0])
	VPACKSSWB(p[1], p[0], p[0]) // keeps the signs of finite patterns
	VPAND(B(0x80), p[0], p[0])
	VPOR(p[0], c[0], c[0])
	VPERMQ(Imm(0xd8), c[0], c[0])
	VMOVDQU(c[0], At(codes, 0))
	ADDQ(Imm(64), src)
	ADDQ(Imm(32), codes)
}

// blocks has a scale in E4M3 for every 16 values.
func blocks(bf16 bool) {
	Begin("blocksE2M1"+Type(bf16)+"AVX2", "func(codes, scales *byte, src *uint16, n int) (top uint32)",
		"writes the scales of n blocks of 16 values, a multiple of 8, E4M3 of the largest magnitude over 6, and "+
			"the codes of values over what that means, 0 where it is 0. It returns the greatest pattern without "+
			"its sign.")
	codes, scales, src, n := Arg("codes"), Arg("scales"), Arg("src"), Arg("n")
	divisors, some := AllocLocal(32), AllocLocal(32)
	top := Zero()
	hold(bf16, e2m1)
	Hold(Dwords(0, 4, 1, 5, 2, 6, 3, 7))
	Label("eight")
	words := Halve(VPMAXUW, Eight(VPMAXUW, func(i int) VecVirtual {
		x := YMM()
		VPAND(At(src, 32*i), W(0x7fff).(VecVirtual), x)
		return x
	}))
	VPMAXUW(top.AsX(), words, top.AsX())
	amax, value := WidenEight(bf16, words), YMM()
	VDIVPS(D(math.Float32bits(6)), amax, amax)
	VMINPS(D(e4m3.Max), amax, amax)
	e4m3.RoundTo(amax, value)
	VMOVUPS(value, divisors)
	VCMPPS(Imm(4), Zero(), value, value) // not equal
	VMOVUPS(value, some)
	store8(amax, At(scales, 0))
	for four := 0; four < 8; four += 4 {
		var q [4]VecVirtual
		for i := range q {
			q[i] = nibbles(bf16, At(src, 32*(four+i)), divisors.Offset(4*(four+i)), some.Offset(4*(four+i)))
		}
		bytes32(q, At(codes, 8*four))
	}
	ADDQ(Imm(8), scales)
	ADDQ(Imm(64), codes)
	ADDQ(U32(256), src)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("eight"))
	Store(MaxWord(top), ReturnIndex(0))
	End()
}

// store8 writes the low bytes of eight lanes.
func store8(x VecVirtual, m Mem) {
	high := XMM()
	VPAND(D(0xff), x, x)
	VEXTRACTI128(Imm(1), x, high)
	VPACKUSDW(high, x.AsX(), high)
	VPACKUSWB(high, high, high)
	VMOVQ(high, m)
}

// nibbles returns the codes of a block, two in a lane.
func nibbles(bf16 bool, m, divisor, some Mem) VecVirtual {
	p, a, d := YMM(), YMM(), YMM()
	VMOVDQU(m, p)
	VPAND(W(0x7fff), p, a)
	VBROADCASTSS(divisor, d)
	x, y := quotients(bf16, a, d)
	for _, v := range []VecVirtual{x, y} {
		VMINPS(D(e2m1.Max), v, v)
		e2m1.Round(v)
		VPAND(D(7), v, v)
	}
	VPSLLD(Imm(4), y, y)
	VPOR(y, x, x)
	VPSRLD(Imm(12), p, a)
	VPAND(D(8), a, a)
	VPOR(a, x, x)
	VPSRLD(Imm(24), p, a)
	VPAND(D(0x80), a, a)
	VPOR(a, x, x)
	VBROADCASTSS(some, d)
	VPAND(d, x, x)
	return x
}

// bytes32 writes the bytes of four vectors of eight small integers.
func bytes32(q [4]VecVirtual, m Mem) {
	VPACKSSDW(q[1], q[0], q[0])
	VPACKSSDW(q[3], q[2], q[2])
	VPACKUSWB(q[2], q[0], q[0])
	VPERMD(q[0], Dwords(0, 4, 1, 5, 2, 6, 3, 7), q[0])
	VMOVDQU(q[0], m)
}
