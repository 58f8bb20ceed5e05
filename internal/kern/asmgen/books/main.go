// Command books writes the AVX2 forms of scalar code books and of what stands around them in codecs
// that turn rows: lengths, signs. Nothing is fused, and each does per lane what its pure-Go
// reference does, so both give the same bytes.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

func main() {
	Prefix = "books"
	for bits := 1; bits <= 4; bits++ {
		codes(bits)
	}
	values(3)
	values(4)
	lengths()
	signs()
	for _, bf16 := range []bool{false, true} {
		floors(bf16)
	}
	ranges()
	zeroPoints()
	blocks()
	fitIQ4()
	nibbles()
	extremes()
	blockRanges()
	blockCodes()
	blockRounds()
	blockValues()
	gridCodes()
	gridValues()
	outside()
	clamp()
	roundCodes()
	affineValues()
	transposes()
	largest()
	Generate()
}

// loop runs body n/step times; n is the argument "n", a positive multiple of step.
func loop(step int, body func()) {
	n := Arg("n")
	Label("loop")
	body()
	SUBQ(Imm(uint64(step)), n)
	JNZ(LabelRef("loop"))
}

func advance(p Register, bytes int) { ADDQ(Imm(uint64(bytes)), p) }

// bytes32 writes the bytes of four vectors of eight small integers.
func bytes32(q [4]VecVirtual, m Mem) {
	VPACKSSDW(q[1], q[0], q[0])
	VPACKSSDW(q[3], q[2], q[2])
	VPACKUSWB(q[2], q[0], q[0])
	VPERMD(q[0], Dwords(0, 4, 1, 5, 2, 6, 3, 7), q[0])
	VMOVDQU(q[0], m)
}

// A tree is bounds in the order of a binary search: that of the first step, the two of the second,
// and so on.
type tree []VecVirtual

// newTree loads the bounds of a book, of which the first is at m[1].
func newTree(m Register, bits int) tree {
	t := make(tree, bits)
	for l := range t {
		t[l] = YMM()
		if l == 0 {
			VBROADCASTSS(At(m, 4), t[l])
		} else {
			VMOVUPS(At(m, 4<<l), t[l])
		}
	}
	return t
}

// search returns how many bounds are no greater than x: none for NaN.
func (t tree) search(x VecVirtual) VecVirtual {
	code, hit := YMM(), YMM()
	for l, bounds := range t {
		if l == 0 {
			VCMPPS(Imm(0x1d), bounds, x, hit) // greater or equal
			VPSRLD(Imm(31), hit, code)
			continue
		}
		b := YMM()
		VPERMPS(bounds, code, b)
		VCMPPS(Imm(0x1d), b, x, hit)
		VPADDD(code, code, code)
		VPSUBD(hit, code, code)
	}
	return code
}

func codes(bits int) {
	Begin(fmt.Sprintf("bookCodes%dAVX2", bits),
		"func(dst *byte, v *float32, n int, factor float32, tree *float32)",
		"sets dst to the codes of v times factor, n a multiple of 32. tree has room for 16.")
	dst, v, factor := Arg("dst"), Arg("v"), Splat("factor")
	t := newTree(Arg("tree"), bits)
	Hold(Dwords(0, 4, 1, 5, 2, 6, 3, 7))
	loop(32, func() {
		var q [4]VecVirtual
		for i := range q {
			x := YMM()
			VMULPS(At(v, 32*i), factor, x)
			q[i] = t.search(x)
		}
		bytes32(q, At(dst, 0))
		advance(v, 128)
		advance(dst, 32)
	})
	End()
}

// values looks codes of so many bits up.
func values(bits int) {
	Begin(fmt.Sprintf("bookValues%dAVX2", bits), "func(dst *float32, codes *byte, n int, table *float32)",
		fmt.Sprintf("sets dst to what codes of up to %d bits stand for, n a multiple of 8.", bits))
	dst, codes, table := Arg("dst"), Arg("codes"), Arg("table")
	low, high := YMM(), YMM()
	VMOVUPS(At(table, 0), low)
	if bits == 4 {
		VMOVUPS(At(table, 32), high)
	}
	loop(8, func() {
		c, x := YMM(), YMM()
		VPMOVZXBD(At(codes, 0), c)
		VPERMPS(low, c, x)
		if bits == 4 {
			y := YMM()
			VPERMPS(high, c, y)
			VPSLLD(Imm(28), c, c)
			VBLENDVPS(c, y, x, x)
		}
		VMOVUPS(x, At(dst, 0))
		advance(codes, 8)
		advance(dst, 32)
	})
	End()
}

// lengths adds squares up in order, rows side by side.
func lengths() {
	Begin("lengthsAVX2", "func(dst, v *float32, n int)",
		"sets dst to the Euclidean lengths of eight rows of n numbers, a multiple of 8: squares are added "+
			"up in float64, in order.")
	dst, v := Arg("dst"), Arg("v")
	stride, three, five := GP64(), GP64(), GP64()
	MOVQ(ArgMem("n"), stride)
	SHLQ(Imm(2), stride)
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, three)
	LEAQ(Mem{Base: stride, Index: stride, Scale: 4}, five)
	seven := GP64()
	LEAQ(Mem{Base: three, Index: stride, Scale: 4}, seven)
	sums := [2]VecVirtual{Zero(), Zero()}
	loop(8, func() {
		var r [8]VecVirtual
		for i, m := range []Mem{{Base: v}, {Base: v, Index: stride, Scale: 1}, {Base: v, Index: stride, Scale: 2},
			{Base: v, Index: three, Scale: 1}, {Base: v, Index: stride, Scale: 4}, {Base: v, Index: five, Scale: 1},
			{Base: v, Index: three, Scale: 2}, {Base: v, Index: seven, Scale: 1}} {
			r[i] = YMM()
			VMOVUPS(m, r[i])
		}
		for _, x := range Transpose(r) {
			high := XMM()
			VEXTRACTF128(Imm(1), x, high)
			for h, half := range []VecVirtual{x.AsX().(VecVirtual), high} {
				d := YMM()
				VCVTPS2PD(half, d)
				VMULPD(d, d, d)
				VADDPD(d, sums[h], sums[h])
			}
		}
		advance(v, 32)
	})
	for h, s := range sums {
		VSQRTPD(s, s)
		VCVTPD2PSY(s, s.AsX())
		VMOVUPS(s.AsX(), At(dst, 16*h))
	}
	End()
}

func signs() {
	Begin("signBitsAVX2", "func(dst *byte, v *float32, n int)",
		"sets a bit where a number is zero or more, n a multiple of 8.")
	dst, v, zero, x, r := Arg("dst"), Arg("v"), Zero(), YMM(), GP32()
	loop(8, func() {
		VMOVUPS(At(v, 0), x)
		VCMPPS(Imm(0x1d), zero, x, x)
		VMOVMSKPS(x, r)
		MOVB(r.As8(), At(dst, 0))
		advance(v, 32)
		advance(dst, 1)
	})
	End()
}

// floors quantises a row with true divisions.
func floors(bf16 bool) {
	Begin("floorCodes"+Type(bf16)+"AVX2", "func(dst *byte, src *uint16, n int, low, scale float32, top int32)",
		"sets dst to the integer part of (x - low)/scale + 0.5, at most top, n a multiple of 32. Quotients "+
			"are not negative and less than 2^31.")
	dst, src, low, scale := Arg("dst"), Arg("src"), Splat("low"), Splat("scale")
	top, r := YMM(), GP32()
	MOVL(ArgMem("top"), r)
	VMOVD(r, top.AsX())
	VPBROADCASTD(top.AsX(), top)
	Hold(Dwords(0, 4, 1, 5, 2, 6, 3, 7), D(0x3f000000))
	loop(32, func() {
		var q [4]VecVirtual
		for i := range q {
			x := WidenEight(bf16, xmmAt(src, 16*i))
			VSUBPS(low, x, x)
			VDIVPS(scale, x, x)
			VADDPS(D(0x3f000000), x, x)
			VCVTTPS2DQ(x, x)
			VPMINSD(top, x, x)
			q[i] = x
		}
		bytes32(q, At(dst, 0))
		advance(src, 64)
		advance(dst, 32)
	})
	End()
}

func xmmAt(p Register, disp int) VecVirtual {
	x := XMM()
	VMOVDQU(At(p, disp), x)
	return x
}
