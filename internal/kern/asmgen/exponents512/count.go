package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// bins is how many exponents in a row are counted by comparing a vector with each.
const bins = 16

// fetched is how many lines count fetches ahead: they lie far apart.
const fetched = 32

// count counts 64 exponents at a time: those of the window by the bits of comparisons, others, which
// are few where the window is well chosen, one by one.
func count() {
	TEXT("countExponents512", NOSPLIT, "func(counts *uint32, src *uint16, lines, step, first, soon int, next *uint16)")
	Pragma("noescape")
	Doc("countExponents512 counts the exponents of 32 patterns at src and at every step bytes after it, lines",
		"of them, a positive even number, in a table of 256; it is fastest where most are first to first + 15.",
		"The first soon of them it fetches at once, and at the end those at next and at every step after it.")
	counts, src := ptr("counts"), ptr("src")
	lines, step := Load(Param("lines"), GP64()), Load(Param("step"), GP64())
	window := Load(Param("first"), GP64())
	first := ZMM()
	VPBROADCASTB(window.(GPVirtual).As32(), first)
	LEAQ(Mem{Base: counts, Index: window, Scale: 4}, window)
	far, end := fetchFirst(src, lines, step)
	Label("pair")
	CMPQ(far, end)
	JLT(LabelRef("here"))
	Load(Param("next"), far)
	MOVQ(I32(-1), end)
	SHRQ(Imm(1), end) // no end
	Label("here")
	PREFETCHNTA(Mem{Base: far})
	PREFETCHNTA(Mem{Base: far, Index: step, Scale: 1})
	LEAQ(Mem{Base: far, Index: step, Scale: 2}, far)
	e := exponents(src)
	ADDQ(step, src)
	VINSERTI64X4(Imm(1), exponents(src).AsY(), e, e)
	ADDQ(step, src)
	in := ZMM()
	VPSUBB(first, e, in)
	for i := range bins {
		k, n := K(), GP64()
		VPCMPEQB(bin(i), in, k)
		KMOVQ(k, n)
		POPCNTQ(n, n)
		ADDL(n.As32(), Mem{Base: window, Disp: 4 * i})
	}
	countOthers(counts, e, in)
	SUBQ(Imm(2), lines)
	JNZ(LabelRef("pair"))
	VZEROUPPER()
	RET()
}

// fetchFirst fetches the first lines and returns what is to be fetched next, and the end.
func fetchFirst(src, lines, step Register) (far, end Register) {
	far, end = GP64(), GP64()
	soon := Load(Param("soon"), GP64())
	MOVQ(lines, end)
	IMULQ(step, end)
	ADDQ(src, end)
	MOVQ(src, far)
	TESTQ(soon, soon)
	JZ(LabelRef("fetched"))
	Label("fetch")
	PREFETCHNTA(Mem{Base: far})
	ADDQ(step, far)
	DECQ(soon)
	JNZ(LabelRef("fetch"))
	Label("fetched")
	MOVQ(step, far)
	IMUL3Q(Imm(fetched), far, far)
	ADDQ(src, far)
	return far, end
}

// exponents returns the exponents of 32 patterns in the lower half of a vector.
func exponents(src Register) VecVirtual {
	z := ZMM()
	VPSRLW(Imm(7), Mem{Base: src}, z)
	VPMOVWB(z, z.AsY())
	return z
}

// countOthers counts the exponents beyond the window.
func countOthers(counts Register, e, in VecVirtual) {
	beyond, left, at, x := K(), GP64(), GP64(), GP64()
	VPCMPUB(Imm(5), constant("bins", func(int) int { return bins }), in, beyond) // not less
	KMOVQ(beyond, left)
	TESTQ(left, left)
	JZ(LabelRef("none"))
	bytes := AllocLocal(64)
	VMOVDQU64(e, bytes)
	Label("other")
	TZCNTQ(left, at)
	MOVBQZX(bytes.Idx(at, 1), x)
	INCL(Mem{Base: counts, Index: x, Scale: 4})
	BLSRQ(left, left)
	JNZ(LabelRef("other"))
	Label("none")
}

// bin returns memory that repeats i.
func bin(i int) Mem {
	m := GLOBL(fmt.Sprintf("bin%d", i), RODATA|NOPTR)
	for at := 0; at < 64; at += 8 {
		DATA(at, U64(uint64(i)*0x0101010101010101))
	}
	return m
}
