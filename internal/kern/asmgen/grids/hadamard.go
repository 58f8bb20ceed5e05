package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Rows of 64 or 128 float32 are transformed in registers, 64 at a time: a row is eight vectors of
// eight lanes. The steps within a vector add the swapped vector to the vector with half of its
// signs turned. A fused multiply-add by ±1 does that with one rounding, as an addition does.

// ahead is how many bytes ahead of their use values are fetched from memory.
const ahead = 4096

// A turner holds the sign patterns of the steps within a vector, in registers.
type turner [3]VecVirtual

func newTurner() turner {
	one, minus := uint32(0x3f800000), uint32(0xbf800000)
	return turner{
		load(data("alternate1", one, minus)), load(data("alternate2", one, one, minus, minus)),
		load(data("alternate4", one, one, one, one, minus, minus, minus, minus)),
	}
}

// transform64 applies the first six steps to eight vectors. If pairs is true, two vectors hold the
// even and the odd of sixteen values, and the first step is between them.
func (t turner) transform64(v []VecVirtual, pairs bool) {
	one := data("one", 0x3f800000)
	between := func(width int) {
		for i := range v {
			if i&width == 0 {
				v[i], v[i+width] = butterfly(one, v[i], v[i+width])
			}
		}
	}
	if pairs {
		between(1)
	}
	swaps := []func(x, to VecVirtual){
		func(x, to VecVirtual) { VPERMILPS(Imm(0xb1), x, to) },
		func(x, to VecVirtual) { VPERMILPS(Imm(0x4e), x, to) },
		func(x, to VecVirtual) { VPERMPD(Imm(0x4e), x, to) },
	}
	for step, swap := range swaps {
		for _, x := range v {
			swapped := YMM()
			swap(x, swapped)
			VFMADD132PS(t[step], swapped, x)
		}
	}
	if !pairs {
		between(1)
	}
	between(2)
	between(4)
}

// butterfly returns a+b and a-b, in place of b. One is an addition and one a multiply-add by -1,
// for which processors have different units.
func butterfly(one Mem, a, b VecVirtual) (sum, difference VecVirtual) {
	sum = YMM()
	VADDPS(b, a, sum)
	VFNMADD132PS(one, a, b)
	return sum, b
}

// transform transforms the row of dim values that get returns, a vector at a time, and hands the
// vectors of the result to put, which may destroy them. frame has room for 64 values; pairs is as
// in transform64.
func (t turner) transform(dim int, pairs bool, frame Mem, get func(i int) VecVirtual, put func(i int, v VecVirtual)) {
	v := make([]VecVirtual, 8)
	for at := 0; at < dim/8; at += 8 {
		for i := range v {
			v[i] = get(at + i)
		}
		t.transform64(v, pairs)
		if dim == 64 {
			for i := range v {
				put(i, v[i])
			}
			return
		}
		if at == 0 {
			for i := range v {
				VMOVUPS(v[i], frame.Offset(32*i))
			}
		}
	}
	one := data("one", 0x3f800000)
	for i := range v {
		sum, difference := butterfly(one, load(frame.Offset(32*i)), v[i])
		put(i, sum)
		put(i+8, difference)
	}
}

// hadamard is the transform in place, with factors before and after.
func hadamard(dim int) {
	TEXT(fmt.Sprintf("hadamard%dAVX2", dim), NOSPLIT, "func(v, before, after *float32, rows int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("hadamard%dAVX2 multiplies rows by before, transforms them, and multiplies them by after.", dim))
	v, before, after, rows := ptr("v"), ptr("before"), ptr("after"), ptr("rows")
	frame := AllocLocal(256)
	t := newTurner()
	Label("row")
	t.transform(dim, false, frame, func(i int) VecVirtual {
		x := YMM()
		VMOVUPS(Mem{Base: v, Disp: 32 * i}, x)
		VMULPS(Mem{Base: before, Disp: 32 * i}, x, x)
		return x
	}, func(i int, x VecVirtual) {
		VMULPS(Mem{Base: after, Disp: 32 * i}, x, x)
		VMOVUPS(x, Mem{Base: v, Disp: 32 * i})
	})
	advance(v, 4*dim)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

func rowsName(what string, bf16 bool, dim int) string {
	if bf16 {
		return fmt.Sprintf("%sBF16x%dAVX2", what, dim)
	}
	return fmt.Sprintf("%sF16x%dAVX2", what, dim)
}

// widenHadamard is hadamard of eight rows of 16-bit floats, and finds what a quantiser needs.
func widenHadamard(bf16 bool, dim int) {
	name := rowsName("widenHadamard", bf16, dim)
	TEXT(name, 0, "func(dst *float32, src, signs *uint16, ends *float32, factor float32) bool")
	Pragma("noescape")
	Doc(name+" multiplies eight rows by signs (+0 or -0), transforms them and multiplies by a factor. It sets ends to",
		"the smallest of each and then the largest, not finite if a value is not, and returns false where sums",
		"might overflow. Of bfloat16 it writes the even and then the odd of every sixteen values.")
	dst, src, signs := ptr("dst"), ptr("src"), ptr("signs")
	frame, ends := AllocLocal(256), AllocLocal(512)
	magnitudes, row := AllocLocal(32), GP64()
	least, most := YMM(), YMM()
	VPXOR(least, least, least)
	VMOVDQU(least, magnitudes)
	XORQ(row, row)
	factor := broadcastArg("factor")
	turn := newTurner()
	Label("row")
	turn.transform(dim, bf16, frame, signed(bf16, src, signs), func(i int, x VecVirtual) {
		VMULPS(factor, x, x)
		VMOVUPS(x, Mem{Base: dst, Disp: 32 * i})
		if i == 0 {
			VMOVAPS(x, least)
			VMOVAPS(x, most)
			return
		}
		VMINPS(x, least, least)
		VMAXPS(x, most, most)
	})
	VMOVUPS(least, ends.Idx(row, 1))
	VMOVUPS(most, ends.Offset(256).Idx(row, 1))
	if bf16 { // sums of float32 may overflow to NaN, which minima and maxima do not show
		m := load(magnitudes)
		for i := 0; i < dim/16; i++ {
			x := load(data("magnitude16", 0x7fff7fff))
			VPAND(Mem{Base: src, Disp: 32 * i}, x, x)
			VPMAXUW(x, m, m)
		}
		VMOVDQU(m, magnitudes)
	}
	advance(dst, 4*dim)
	advance(src, 2*dim)
	advance(row, 32)
	CMPQ(row, U32(256))
	JNE(LabelRef("row"))
	out := ptr("ends")
	VMOVUPS(foldRows(ends, VMINPS), Mem{Base: out})
	VMOVUPS(foldRows(ends.Offset(256), VMAXPS), Mem{Base: out, Disp: 32})
	if bf16 {
		unlessBelow(load(magnitudes), data("tame16", 0x717f717f), "bad") // 2^100
	}
	returnBool()
}

// signed returns what gets the vectors of a row times signs: of bfloat16 even values, then odd.
func signed(bf16 bool, src, signs Register) func(i int) VecVirtual {
	var odd VecVirtual
	return func(i int) VecVirtual {
		if i%4 == 0 {
			PREFETCHT0(Mem{Base: src, Disp: 16*i + ahead})
		}
		if !bf16 {
			h, x := XMM(), YMM()
			VMOVDQU(Mem{Base: src, Disp: 16 * i}, h)
			VPXOR(Mem{Base: signs, Disp: 16 * i}, h, h)
			VCVTPH2PS(h, x)
			return x
		}
		if i%2 == 1 {
			return odd
		}
		x, even := load(Mem{Base: src, Disp: 16 * i}), YMM()
		odd = YMM()
		VPXOR(Mem{Base: signs, Disp: 16 * i}, x, x)
		VPSLLD(Imm(16), x, even)
		VPAND(upperHalf(), x, odd)
		return even
	}
}

// unlessBelow jumps where an unsigned word of x is above top.
func unlessBelow(x VecVirtual, top Mem, label string) {
	t, r := YMM(), GP32()
	VPMINUW(top, x, t)
	VPCMPEQW(t, x, t)
	VPMOVMSKB(t, r)
	CMPL(r, U32(0xffffffff))
	JNE(LabelRef(label))
}

// foldRows folds each of eight vectors in memory to a lane of one.
func foldRows(m Mem, by op) VecVirtual {
	var r [8]VecVirtual
	fold := func(f func(a, b VecVirtual, by op) VecVirtual, i, j int) { r[i] = f(r[i], r[j], by) }
	for i := range 4 {
		r[i], r[i+4] = load(m.Offset(32*i)), load(m.Offset(32*(i+4)))
		fold(halves, i, i+4)
	}
	fold(quarters, 0, 1)
	fold(quarters, 2, 3)
	fold(lanes, 0, 2)
	return r[0]
}

// quantizeRows quantises eight rows of float32 whose range is known, in widenHadamard's order.
func (k kernel) quantizeRows() {
	name := k.name("quantizeRows")
	TEXT(name, NOSPLIT, "func(codes, scales *byte, v, ends *float32, n int, clip float32) bool")
	Pragma("noescape")
	Doc(name+" quantises eight rows of n values, a multiple of 32, on grids over ends·clip. It returns false",
		"where a scale or minimum is none of binary16's, or nothing is to be told apart.")
	codes, scales, v, ends := ptr("codes"), ptr("scales"), ptr("v"), ptr("ends")
	grids := AllocLocal(64)
	low, high, good, t := YMM(), YMM(), YMM(), YMM()
	clip := broadcastArg("clip")
	VXORPS(t, t, t)
	VCMPPS(Imm(4), Mem{Base: ends}, t, good) // a least value of 0 may be -0 or +0
	VMULPS(Mem{Base: ends}, clip, low)
	VMULPS(Mem{Base: ends, Disp: 32}, clip, high)
	VCMPPS(Imm(0x1e), low, high, t)
	VANDPS(t, good, good)
	VSUBPS(low, high, high)
	VDIVPS(k.topFloat(), high, high)
	VANDPS(magnitude(), low, t)
	VCMPPS(Imm(0x11), overflow(), t, t)
	VANDPS(t, good, good)
	VCMPPS(Imm(0x11), overflow(), high, t)
	VANDPS(t, good, good)
	unlessGood(good, "bad")
	VMAXPS(data("leastScale", 0x33800000), high, high)
	s, m, both := XMM(), XMM(), XMM()
	VCVTPS2PH(Imm(0), high, s)
	VCVTPS2PH(Imm(0), low, m)
	VPUNPCKLWD(m, s, both)
	VMOVDQU(both, Mem{Base: scales})
	VPUNPCKHWD(m, s, both)
	VMOVDQU(both, Mem{Base: scales, Disp: 16})
	VCVTPH2PS(m, low)
	VCVTPH2PS(s, high)
	VMOVUPS(data("one", 0x3f800000), t)
	VDIVPS(high, t, t)
	VMOVUPS(low, grids)
	VMOVUPS(t, grids.Offset(32))

	row, left := GP64(), GP64()
	XORQ(row, row)
	Label("row")
	minimum, inv := broadcast(grids.Idx(row, 4)), broadcast(grids.Offset(32).Idx(row, 4))
	Load(Param("n"), left)
	Label("values")
	var x [4]VecVirtual
	for i := range x {
		x[i] = YMM()
		VMOVUPS(Mem{Base: v, Disp: 32 * i}, x[i])
		VSUBPS(minimum, x[i], x[i])
		VMULPS(inv, x[i], x[i])
		VCVTPS2DQ(x[i], x[i]) // packing cuts it
	}
	VPACKUSDW(x[1], x[0], x[0])
	VPACKUSDW(x[3], x[2], x[2])
	VPACKUSWB(x[2], x[0], x[0])
	k.finish(x[0], Mem{Base: codes})
	advance(v, 128)
	advance(codes, 4*k.bits)
	SUBQ(Imm(32), left)
	JNZ(LabelRef("values"))
	INCQ(row)
	CMPQ(row, Imm(8))
	JNE(LabelRef("row"))
	returnBool()
}

// returnBool returns true, or false from the label bad on.
func returnBool() {
	ok := GP8()
	MOVB(U8(1), ok)
	Store(ok, ReturnIndex(0))
	VZEROUPPER()
	RET()
	Label("bad") // not used by all
	MOVB(U8(0), ok)
	Store(ok, ReturnIndex(0))
	VZEROUPPER()
	RET()
}
