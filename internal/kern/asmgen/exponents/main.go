// Command exponents writes the AVX2 forms of the kernels that part bfloat16 patterns from their
// exponents and put them together again.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	split()
	merge()
	Generate()
}

// splat fills every 32-bit lane with v.
func splat(v uint32) VecVirtual {
	r, y := GP32(), YMM()
	MOVL(U32(v), r)
	VMOVD(r, y.AsX())
	VPBROADCASTD(y.AsX(), y)
	return y
}

func ptr(name string) Register { return Load(Param(name), GP64()) }

// table loads 16 bytes into both halves of a register.
func table(base Register, disp int) VecVirtual {
	y := YMM()
	VBROADCASTI128(Mem{Base: base, Disp: disp}, y)
	return y
}

// ahead is how far, in bytes, lines are fetched before they are read or written. A chunk's streams
// are too short for the hardware to see where they go: from memory this is worth 1.5 times.
const ahead = 2048

// loop runs body n/32 times; n is the argument "n", a positive multiple of 32.
func loop(body func()) {
	n := Load(Param("n"), GP64())
	Label("loop")
	body()
	SUBQ(Imm(32), n)
	JNZ(LabelRef("loop"))
}

func advance(p Register, bytes int) { ADDQ(Imm(uint64(bytes)), p) }

// bytes32 packs two registers of 16-bit lanes below 256 to bytes, in order, in a.
func bytes32(a, b VecVirtual) {
	VPACKUSWB(b, a, a)
	VPERMQ(Imm(0xd8), a, a)
}

func split() {
	TEXT("splitExponentsAVX2", NOSPLIT,
		"func(rest, index *byte, missed *uint32, src *uint16, n int, slots *byte)")
	Pragma("noescape")
	Doc("splitExponentsAVX2 writes n bytes of signs and fractions, n/2 bytes of indices and n/32",
		"masks of exponents that have none, n a positive multiple of 32. slots are twice 16 exponents",
		"and 16 indices, by the exponents' low four bits.")
	rest, index, missed, src, slots := ptr("rest"), ptr("index"), ptr("missed"), ptr("src"), ptr("slots")
	low7, high, low8 := splat(0x007f007f), splat(0x00800080), splat(0x00ff00ff)
	nibble, weights := splat(0x0f0f0f0f), splat(0x10011001)
	var exponents, indices [2]VecVirtual
	for i := range exponents {
		exponents[i], indices[i] = table(slots, 32*i), table(slots, 32*i+16)
	}
	x, e, r, t, hit := [2]VecVirtual{YMM(), YMM()}, [2]VecVirtual{YMM(), YMM()},
		[2]VecVirtual{YMM(), YMM()}, YMM(), YMM()
	mask := GP32()
	loop(func() {
		PREFETCHT0(Mem{Base: src, Disp: ahead})
		PREFETCHT0(Mem{Base: rest, Disp: ahead})
		for i := range x {
			VMOVDQU(Mem{Base: src, Disp: 32 * i}, x[i])
			VPSRLW(Imm(7), x[i], e[i])
			VPAND(low8, e[i], e[i])
			VPAND(low7, x[i], r[i])
			VPSRLW(Imm(8), x[i], x[i])
			VPAND(high, x[i], x[i])
			VPOR(x[i], r[i], r[i])
		}
		bytes32(r[0], r[1])
		VMOVDQU(r[0], Mem{Base: rest})
		bytes32(e[0], e[1])
		VPAND(nibble, e[0], e[1])
		VPSHUFB(e[1], exponents[0], t)
		VPCMPEQB(e[0], t, hit)
		VPSHUFB(e[1], indices[0], t)
		VPAND(hit, t, x[0])
		VPSHUFB(e[1], exponents[1], t)
		VPCMPEQB(e[0], t, x[1])
		VPSHUFB(e[1], indices[1], t)
		VPAND(x[1], t, t)
		VPOR(t, x[0], x[0])
		VPOR(x[1], hit, hit)
		VPMOVMSKB(hit, mask)
		NOTL(mask)
		MOVL(mask, Mem{Base: missed})
		VPMADDUBSW(weights, x[0], x[0])
		VPACKUSWB(x[0], x[0], x[0])
		VPERMQ(Imm(0xd8), x[0], x[0])
		VMOVDQU(x[0].AsX(), Mem{Base: index})
		advance(src, 64)
		advance(rest, 32)
		advance(index, 16)
		advance(missed, 4)
	})
	VZEROUPPER()
	RET()
}

func merge() {
	TEXT("mergeExponentsAVX2", NOSPLIT, "func(dst *uint16, rest, index *byte, n int, book *byte)")
	Pragma("noescape")
	Doc("mergeExponentsAVX2 undoes splitExponentsAVX2 for n patterns whose exponents are all in the",
		"book of 16, n a positive multiple of 32.")
	dst, rest, index := ptr("dst"), ptr("rest"), ptr("index")
	book, nibble, low7, high := XMM(), splat(0x0f0f0f0f), splat(0x007f007f), splat(0x80008000)
	base := ptr("book")
	VMOVDQU(Mem{Base: base}, book)
	lo, hi, e := XMM(), XMM(), XMM()
	x, y, z := YMM(), YMM(), YMM()
	loop(func() {
		PREFETCHT0(Mem{Base: rest, Disp: ahead})
		PREFETCHT0(Mem{Base: dst, Disp: ahead})
		VMOVDQU(Mem{Base: index}, lo)
		VPSRLW(Imm(4), lo, hi)
		VPAND(nibble.AsX(), lo, lo)
		VPAND(nibble.AsX(), hi, hi)
		VPSHUFB(lo, book, lo)
		VPSHUFB(hi, book, hi)
		for i := range 2 {
			if i == 0 {
				VPUNPCKLBW(hi, lo, e)
			} else {
				VPUNPCKHBW(hi, lo, e)
			}
			VPMOVZXBW(e, x)
			VPSLLW(Imm(7), x, x)
			VPMOVZXBW(Mem{Base: rest, Disp: 16 * i}, y)
			VPAND(low7, y, z)
			VPOR(z, x, x)
			VPSLLW(Imm(8), y, y)
			VPAND(high, y, y)
			VPOR(y, x, x)
			VMOVDQU(x, Mem{Base: dst, Disp: 32 * i})
		}
		advance(dst, 64)
		advance(rest, 32)
		advance(index, 16)
	})
	VZEROUPPER()
	RET()
}
