package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	common "kvgauge/internal/kern/asmgen/lanes"
)

// quantizeGroups takes eight groups at a time, so that reductions and divisions are of vectors.
func (k kernel) quantizeGroups() {
	TEXT(k.name("quantizeGroups"), NOSPLIT, "func(codes, scales, minima *byte, src *uint16, n, blocks int) int")
	Pragma("noescape")
	Doc(k.name("quantizeGroups")+" quantises blocks of eight groups of n neighbouring values, n a multiple of 32,",
		"and returns how many blocks it did before one whose grid cannot be stored.")
	codes, scales, minima, src := ptr("codes"), ptr("scales"), ptr("minima"), ptr("src")
	blocks := ptr("blocks")
	grids := AllocLocal(2 * 32) // minima and reciprocals

	Label("block")
	low, high, least := k.ends(src)
	f := k.fitGrids(low, high)
	unlessGood(f.good, "done")
	if k.bf16 {
		least = f.least16
	}
	VMOVDQU(least, Mem{Base: minima})
	VMOVDQU(f.scale16, Mem{Base: scales})
	VMOVUPS(f.low, grids)
	VMOVUPS(f.inv, grids.Offset(32))

	group, left := GP64(), GP64()
	XORQ(group, group)
	Label("group")
	minimum := broadcast(grids.Idx(group, 4))
	inv := broadcast(grids.Offset(32).Idx(group, 4))
	Load(Param("n"), left)
	Label("values")
	x := k.codes32(Mem{Base: src}, func(int) (low, by Op) { return minimum, inv })
	k.finish(x, Mem{Base: codes})
	advance(src, 64)
	advance(codes, 4*k.bits)
	SUBQ(Imm(32), left)
	JNZ(LabelRef("values"))
	INCQ(group)
	CMPQ(group, Imm(8))
	JNE(LabelRef("group"))

	advance(scales, 16)
	advance(minima, 16)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	k.returnDone(blocks)
}

// returnDone returns how many of the argument "blocks" are not left.
func (k kernel) returnDone(left Register) {
	done := Load(Param("blocks"), GP64())
	SUBQ(left, done)
	Store(done, ReturnIndex(0))
	VZEROUPPER()
	if k.around {
		SFENCE()
	}
	RET()
}

// An op combines two vectors into the last operand.
type op func(ops ...Op)

// fold combines the values of each of the eight groups from src on by every one of ops, into the
// upper word of eight dwords. Labels begin with prefix.
func fold(prefix string, src Register, ops ...op) []VecVirtual {
	row, far, left := GP64(), ptr("n"), GP64()
	MOVQ(src, row)
	SHLQ(Imm(3), far) // four groups
	var e [4][]VecVirtual
	for i := range e {
		more, done := fmt.Sprintf("%sMore%d", prefix, i), fmt.Sprintf("%sDone%d", prefix, i)
		var at [2]func(disp int) Mem // in this group, and in the fourth after it
		at[0] = func(disp int) Mem { return Mem{Base: row, Disp: disp} }
		at[1] = func(disp int) Mem { return Mem{Base: row, Disp: disp, Index: far, Scale: 1} }
		var sums [2][]VecVirtual
		for g := range sums {
			x, y := load(at[g](0)), load(at[g](32))
			for _, f := range ops {
				z := YMM()
				f(y, x, z)
				sums[g] = append(sums[g], z)
			}
		}
		ADDQ(Imm(64), row)
		Load(Param("n"), left)
		SUBQ(Imm(32), left)
		JZ(LabelRef(done))
		Label(more)
		for disp := 0; disp < 64; disp += 32 {
			for g := range sums {
				x := load(at[g](disp))
				for j, f := range ops {
					f(x, sums[g][j], sums[g][j])
				}
			}
		}
		ADDQ(Imm(64), row)
		SUBQ(Imm(32), left)
		JNZ(LabelRef(more))
		Label(done)
		e[i] = each(halves, sums[0], sums[1], ops)
		if i%2 == 1 {
			e[i-1] = each(quarters, e[i-1], e[i], ops)
		}
	}
	return each(eighths, e[0], e[2], ops)
}

// each folds vectors a[j] and b[j] by ops[j].
func each(f func(a, b VecVirtual, by op) VecVirtual, a, b []VecVirtual, ops []op) []VecVirtual {
	var out []VecVirtual
	for j, by := range ops {
		out = append(out, f(a[j], b[j], by))
	}
	return out
}

// halves folds a to the lower and b to the upper half of a vector.
func halves(a, b VecVirtual, by op) VecVirtual {
	t := YMM()
	VPERM2I128(Imm(0x31), b, a, t)
	VINSERTI128(Imm(1), b.AsX(), a, a)
	by(t, a, a)
	return a
}

// quarters folds each half of a and b, to the lower and the upper half of that half.
func quarters(a, b VecVirtual, by op) VecVirtual {
	t := YMM()
	VPUNPCKHQDQ(b, a, t)
	VPUNPCKLQDQ(b, a, a)
	by(t, a, a)
	return a
}

// lanes folds pairs of dwords of a and b to dwords.
func lanes(a, b VecVirtual, by op) VecVirtual {
	t := YMM()
	VSHUFPS(Imm(0xdd), b, a, t)
	VSHUFPS(Imm(0x88), b, a, a)
	by(t, a, a)
	return a
}

// eighths folds each quarter of a and b, to the upper word of a dword.
func eighths(a, b VecVirtual, by op) VecVirtual {
	a = lanes(a, b, by)
	t := YMM()
	VPSLLD(Imm(16), a, t)
	by(t, a, a)
	return a
}

// ends returns the smallest and the largest of each of the eight groups from src on as float32,
// and what is binary16 already of the smallest. Where all groups have numbers of both signs, two
// of an extent's three do: the least unsigned pattern is looked for when one has not.
func (k kernel) ends(src Register) (low, high, low16 VecVirtual) {
	ends := fold("ends", src, VPMAXSW, VPMAXUW)
	high, low = ends[0], ends[1]
	both, r := YMM(), GP32()
	VPANDN(low, high, both)
	VMOVMSKPS(both, r)
	CMPL(r, Imm(0xff))
	JE(LabelRef("bothSigns"))
	umin := fold("umin", src, VPMINUW)[0]
	VBLENDVPS(low, low, umin, low)
	VBLENDVPS(umin, umin, high, high)
	Label("bothSigns")
	if k.bf16 {
		VPAND(upperHalf(), low, low)
		VPAND(upperHalf(), high, high)
		return low, high, nil
	}
	VPSRLD(Imm(16), low, low)
	VPSRLD(Imm(16), high, high)
	VPACKUSDW(high, low, low)
	VPERMQ(Imm(0xd8), low, low)
	low16 = XMM()
	VMOVDQA(low.AsX(), low16)
	VEXTRACTI128(Imm(1), low, high.AsX())
	VCVTPH2PS(high.AsX(), high)
	VCVTPH2PS(low16, low)
	return low, high, low16
}

// dequantizeGroups undoes quantizeGroups.
func (k kernel) dequantizeGroups() {
	TEXT(k.name("dequantizeGroups"), NOSPLIT, "func(dst *uint16, codes, scales, minima *byte, n, blocks int) int")
	Pragma("noescape")
	Doc(k.name("dequantizeGroups")+" undoes quantizeGroups. It stops before a block with a scale or minimum that is",
		"none, or values beyond the type.")
	dst, codes, scales, minima := ptr("dst"), ptr("codes"), ptr("scales"), ptr("minima")
	n, blocks := ptr("n"), ptr("blocks")
	frame := AllocLocal(2 * 32)

	Label("block")
	k.loadGrids(Mem{Base: scales}, Mem{Base: minima}, frame)
	group, left := GP64(), GP64()
	XORQ(group, group)
	Label("group")
	scale, low := broadcast(frame.Idx(group, 4)), broadcast(frame.Offset(32).Idx(group, 4))
	MOVQ(n, left)
	switch k.bits {
	case 8:
		k.values8(dst, codes, left, scale, low)
	case 4:
		k.values4(dst, codes, left, scale, low)
	case 2:
		k.values2(dst, codes, left, scale, low)
	}
	INCQ(group)
	CMPQ(group, Imm(8))
	JNE(LabelRef("group"))

	advance(scales, 16)
	advance(minima, 16)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	k.returnDone(blocks)
}

// loadGrids leaves eight scales and minima as float32 in the frame, or jumps to done.
func (k kernel) loadGrids(scales, minima, frame Mem) {
	s, m := XMM(), XMM()
	VMOVDQU(scales, s)
	VMOVDQU(minima, m)
	common.UnlessNumbers(s, m, "done")
	scale, low := YMM(), YMM()
	VCVTPH2PS(s, scale)
	VCVTPH2PS(m, low)
	k.unlessFits(scale, low)
	VMOVUPS(scale, frame)
	VMOVUPS(low, frame.Offset(32))
}

// unlessFits jumps to done where the largest code's value is beyond binary16.
func (k kernel) unlessFits(scale, low VecVirtual) {
	if k.bf16 {
		return
	}
	t := YMM()
	VMULPS(k.topFloat(), scale, t)
	VADDPS(low, t, t)
	VCMPPS(Imm(0x11), overflow(), t, t)
	unlessGood(t, "done")
}

// value sets x, of whole numbers, to x·scale + low.
func value(x VecVirtual, scale, low Op) {
	VCVTDQ2PS(x, x)
	VMULPS(scale, x, x)
	VADDPS(low, x, x)
}

// roundBF16 leaves x rounded to bfloat16 in its upper words; the lower ones are anything.
func roundBF16(x VecVirtual) {
	odd := YMM()
	VPSRLD(Imm(16), x, odd)
	VPAND(data("lowest", 1), odd, odd)
	VPADDD(data("almostHalf", 0x7fff), x, x)
	VPADDD(odd, x, x)
}

// alternate rounds even and odd values to bfloat16 and returns them in order.
func alternate(even, odd VecVirtual) VecVirtual {
	roundBF16(even)
	roundBF16(odd)
	VPSRLD(Imm(16), even, even)
	VPBLENDW(Imm(0xaa), odd, even, even)
	return even
}

// values8 writes the values of codes of a byte.
func (k kernel) values8(dst, codes, left Register, scale, low VecVirtual) {
	Label("values")
	x, y := YMM(), YMM()
	if k.bf16 {
		VPMOVZXBW(Mem{Base: codes}, y)
		VPAND(data("lowerHalf", 0xffff), y, x)
		VPSRLD(Imm(16), y, y)
		value(x, scale, low)
		value(y, scale, low)
		VMOVDQU(alternate(x, y), Mem{Base: dst})
	} else {
		for i, v := range []VecVirtual{x, y} {
			VPMOVZXBD(Mem{Base: codes, Disp: 8 * i}, v)
			value(v, scale, low)
			VCVTPS2PH(Imm(0), v, Mem{Base: dst, Disp: 16 * i})
		}
	}
	advance(codes, 16)
	advance(dst, 32)
	SUBQ(Imm(16), left)
	JNZ(LabelRef("values"))
}

// values4 rounds the sixteen values of a group once and looks them up, low and high bytes apart.
func (k kernel) values4(dst, codes, left Register, scale, low VecVirtual) {
	tlo, thi := k.table4(scale, low)
	nibble := load(data("code4", 0x0f0f0f0f))
	SUBQ(Imm(64), left)
	JL(LabelRef("last32"))
	Label("values64")
	x := load(data("apart64", 0, 2, 4, 6, 1, 3, 5, 7))
	VPERMD(Mem{Base: codes}, x, x)
	k.lookup(x, nibble, tlo, thi, Mem{Base: dst}, 2)
	advance(codes, 32)
	advance(dst, 128)
	SUBQ(Imm(64), left)
	JGE(LabelRef("values64"))
	Label("last32")
	ADDQ(Imm(64), left)
	JZ(LabelRef("groupDone"))
	order, y := load(data("apart32", 0, 2, 0, 2, 1, 3, 1, 3)), YMM()
	VBROADCASTI128(Mem{Base: codes}, y)
	VPERMD(y, order, y)
	k.lookup(y, nibble, tlo, thi, Mem{Base: dst}, 1)
	advance(codes, 16)
	advance(dst, 64)
	Label("groupDone")
}

// lookup writes the patterns of packed codes: of all bytes of x, or of the lower eight of each lane
// if halves is 1.
func (k kernel) lookup(x, nibble, tlo, thi VecVirtual, m Mem, halves int) {
	first, second := YMM(), YMM()
	VPAND(nibble, x, first)
	VPSRLD(Imm(4), x, second)
	VPAND(nibble, second, second)
	a, b, c, d := YMM(), YMM(), YMM(), YMM()
	VPSHUFB(first, tlo, a)
	VPSHUFB(first, thi, b)
	VPSHUFB(second, tlo, c)
	VPSHUFB(second, thi, d)
	for i := range halves {
		unpack := VPUNPCKLBW
		if i == 1 {
			unpack = VPUNPCKHBW
		}
		p, q, r := YMM(), YMM(), YMM()
		unpack(b, a, p)
		unpack(d, c, q)
		VPUNPCKLWD(q, p, r)
		k.put(r, m.Offset(64*i))
		VPUNPCKHWD(q, p, r)
		k.put(r, m.Offset(64*i+32))
	}
}

// table4 returns the low and the high bytes of the patterns of all codes, in both lanes.
func (k kernel) table4(scale, low VecVirtual) (tlo, thi VecVirtual) {
	a, b := YMM(), YMM()
	VMULPS(data("ramp0", 0, 0x3f800000, 0x40000000, 0x40400000, 0x40800000, 0x40a00000, 0x40c00000, 0x40e00000),
		scale, a)
	VMULPS(data("ramp8", 0x41000000, 0x41100000, 0x41200000, 0x41300000, 0x41400000, 0x41500000, 0x41600000,
		0x41700000), scale, b)
	VADDPS(low, a, a)
	VADDPS(low, b, b)
	if k.bf16 {
		roundBF16(a)
		roundBF16(b)
		VPSRLD(Imm(16), a, a)
		VPSRLD(Imm(16), b, b)
		VPACKUSDW(b, a, a) // 0-3, 8-11; 4-7, 12-15
	} else {
		VCVTPS2PH(Imm(0), a, a.AsX())
		VCVTPS2PH(Imm(0), b, b.AsX())
		VINSERTI128(Imm(1), b.AsX(), a, a)
	}
	VPSRLW(Imm(8), a, b)
	VPAND(data("lowBytes", 0x00ff00ff), a, a)
	VPACKUSWB(b, a, a)
	if k.bf16 {
		tlo, thi = load(data("lows", 0, 4, 1, 5)), load(data("highs", 2, 6, 3, 7))
		VPERMD(a, tlo, tlo)
		VPERMD(a, thi, thi)
		return tlo, thi
	}
	tlo, thi = YMM(), YMM()
	VPERMQ(Imm(0x88), a, tlo)
	VPERMQ(Imm(0xdd), a, thi)
	return tlo, thi
}

// values2 rounds the four values of a group once; a shuffle picks by the lowest two bits.
func (k kernel) values2(dst, codes, left Register, scale, low VecVirtual) {
	even, odd := YMM(), YMM()
	VMULPS(data("ramp4", 0, 0x3f800000, 0x40000000, 0x40400000), scale, even)
	VADDPS(low, even, even)
	if k.bf16 {
		roundBF16(even)
		VPAND(upperHalf(), even, odd)
		VPSRLD(Imm(16), even, even)
	} else {
		VCVTPS2PH(Imm(0), even, even.AsX())
		VPMOVZXWD(even.AsX(), even)
		VPSLLD(Imm(16), even, odd)
	}
	evens, odds := load(shifts("evens2", 0, 4)), load(shifts("odds2", 2, 4))
	Label("values")
	x, y := YMM(), YMM()
	VPBROADCASTD(Mem{Base: codes}, x)
	VPSRLVD(odds, x, y)
	VPSRLVD(evens, x, x)
	VPERMILPS(x, even, x)
	VPERMILPS(y, odd, y)
	VPOR(y, x, x)
	k.put(x, Mem{Base: dst})
	advance(codes, 4)
	advance(dst, 32)
	SUBQ(Imm(16), left)
	JNZ(LabelRef("values"))
}

// shifts are eight counts from first on.
func shifts(name string, first, step uint32) Mem {
	var v [8]uint32
	for i := range v {
		v[i] = first + uint32(i)*step
	}
	return data(name, v[:]...)
}
