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

// widenHadamard is hadamard of eight rows of blocks of 16-bit floats, and finds what a quantiser needs.
func widenHadamard(bf16 bool, dim int) {
	name := rowsName("widenHadamard", bf16, dim)
	TEXT(name, 0, "func(dst *float32, src, signs *uint16, ends *float32, blocks int) bool")
	Pragma("noescape")
	Doc(name+" multiplies eight rows of blocks by signs (+0 or -0) and transforms them.",
		"It sets ends to the smallest of each row and then the largest, or returns false where one has not",
		"numbers of both signs. Of bfloat16 it writes the even and then the odd of every sixteen values.")
	dst, src, signs := ptr("dst"), ptr("src"), GP64()
	frame, ends := AllocLocal(256), AllocLocal(512)
	row, blocks := GP64(), GP64()
	XORQ(row, row)
	turn := newTurner()
	Label("row")
	Load(Param("blocks"), blocks)
	Load(Param("signs"), signs)
	least, most := YMM(), load(data("signs", 0x80000000))
	VPXOR(least, least, least)
	Label("block")
	turn.transform(dim, bf16, frame, signed(bf16, src, signs), func(i int, x VecVirtual) {
		VMOVUPS(x, Mem{Base: dst, Disp: 32 * i})
		// As whole numbers, of all with a sign the smallest is the greatest, and of all the largest.
		// Neither is if there is none such, and either is not finite if a value is not: in a block
		// every value becomes part of every other.
		VPMAXUD(x, least, least)
		VPMAXSD(x, most, most)
	})
	advance(dst, 4*dim)
	advance(src, 2*dim)
	advance(signs, 2*dim)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VMOVUPS(least, ends.Idx(row, 1))
	VMOVUPS(most, ends.Offset(256).Idx(row, 1))
	advance(row, 32)
	CMPQ(row, U32(256))
	JNE(LabelRef("row"))
	out := ptr("ends")
	low, high := foldRows(ends, VPMAXUD), foldRows(ends.Offset(256), VPMAXSD)
	VMOVUPS(low, Mem{Base: out})
	VMOVUPS(high, Mem{Base: out, Disp: 32})
	VPANDN(low, high, low)
	unlessGood(low, "bad")
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
	TEXT(name, NOSPLIT, "func(codes *byte, v, grids *float32, n int, factor float32)")
	Pragma("noescape")
	Doc(name+" quantises eight rows of n values, a multiple of 32, times factor on the grids of",
		"fitRowsAVX2.")
	codes, v, grids := ptr("codes"), ptr("v"), ptr("grids")
	row, left, factor := GP64(), GP64(), broadcastArg("factor")
	XORQ(row, row)
	Label("row")
	grid := Mem{Base: grids, Index: row, Scale: 4}
	minimum, inv := broadcast(grid), broadcast(grid.Offset(32))
	Load(Param("n"), left)
	Label("values")
	var x [4]VecVirtual
	for i := range x {
		x[i] = YMM()
		VMULPS(Mem{Base: v, Disp: 32 * i}, factor, x[i])
		VSUBPS(minimum, x[i], x[i])
		VMULPS(inv, x[i], x[i])
		VCVTPS2DQ(x[i], x[i]) // packing cuts it
	}
	VPACKSSDW(x[1], x[0], x[0])
	VPACKSSDW(x[3], x[2], x[2])
	VPACKUSWB(x[2], x[0], x[0])
	k.finish(x[0], Mem{Base: codes})
	advance(v, 128)
	advance(codes, 4*k.bits)
	SUBQ(Imm(32), left)
	JNZ(LabelRef("values"))
	INCQ(row)
	CMPQ(row, Imm(8))
	JNE(LabelRef("row"))
	VZEROUPPER()
	RET()
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
