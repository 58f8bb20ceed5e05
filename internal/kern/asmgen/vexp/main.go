// Command vexp writes the AVX2 forms of package kern's elementwise kernels: exp with its sum, SiLU
// times a gate, and maximum. They use no fused multiply-add and the lanes of their pure-Go
// references, so both give the same bits.
package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	c := constants()
	expSum(c)
	silu(c)
	maximum()
	Generate()
}

// The constants, in the order in which both files use them. See vexp.go for what they are.
var values = []float32{
	-87.3, 88.3, 1.44269504, 12582912, -0.693359375, 2.12194440e-4,
	0.00019790299, 0.0013944703, 0.008333498, 0.041666295, 0.16666666, 0.5, 1,
}

const (
	lo = iota
	hi
	log2e
	magic
	ln2Hi
	ln2Lo
	p5
	p4
	p3
	p2
	p1
	p0
	one
)

func constants() Mem {
	m := GLOBL("expConst", RODATA|NOPTR)
	for i, v := range values {
		for lane := range 8 {
			DATA(32*i+4*lane, U32(math.Float32bits(v)))
		}
	}
	// The bits that turn the rounded exponent into a power of two: 127 less those of magic.
	for lane := range 8 {
		DATA(32*len(values)+4*lane, U32(127-math.Float32bits(12582912)))
	}
	return m
}

func at(c Mem, i int) Mem { return c.Offset(32 * i) }

// exp replaces x by e^x.
func exp(c Mem, x VecVirtual) {
	t, n, r, p := YMM(), YMM(), YMM(), YMM()
	// The operand order keeps NaN: where one is NaN, MAX and MIN give the second source.
	load := func(i int) VecVirtual { v := YMM(); VMOVUPS(at(c, i), v); return v }
	VMAXPS(x, load(lo), x)
	VMINPS(x, load(hi), x)
	VMULPS(at(c, log2e), x, t)
	VADDPS(at(c, magic), t, t)
	VSUBPS(at(c, magic), t, n)
	VMULPS(at(c, ln2Hi), n, r)
	VADDPS(r, x, r)
	VMULPS(at(c, ln2Lo), n, n)
	VADDPS(n, r, r)
	VMULPS(at(c, p5), r, p)
	for _, i := range []int{p4, p3, p2, p1} {
		VADDPS(at(c, i), p, p)
		VMULPS(r, p, p)
	}
	VADDPS(at(c, p0), p, p)
	rr := YMM()
	VMULPS(r, r, rr)
	VMULPS(rr, p, p)
	VADDPS(r, p, p)
	VADDPS(at(c, one), p, p)
	VPADDD(at(c, len(values)), t, t)
	VPSLLD(Imm(23), t, t)
	VMULPS(t, p, x)
}

func expSum(c Mem) {
	TEXT("expSumAVX2", NOSPLIT, "func(dst, src *float32, n int, shift float32, lanes *[8]float32)")
	Doc("expSumAVX2 sets dst[i] = e^(src[i]-shift) for n values, a positive multiple of 8, and adds each",
		"to lanes[i%8].")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	shift, sum := YMM(), YMM()
	addr, err := Param("shift").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(addr.Addr, shift)
	lanes := Load(Param("lanes"), GP64())
	VMOVUPS(Mem{Base: lanes}, sum)
	Label("loop")
	x := YMM()
	VMOVUPS(Mem{Base: src}, x)
	VSUBPS(shift, x, x)
	exp(c, x)
	VMOVUPS(x, Mem{Base: dst})
	VADDPS(x, sum, sum)
	ADDQ(Imm(32), src)
	ADDQ(Imm(32), dst)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	VMOVUPS(sum, Mem{Base: lanes})
	VZEROUPPER()
	RET()
}

func silu(c Mem) {
	TEXT("siluMulAVX2", NOSPLIT, "func(gate, up *float32, n int)")
	Doc("siluMulAVX2 sets gate[i] to gate[i]/(1+e^-gate[i])·up[i] for n values, a positive multiple of 8.")
	gate, up := Load(Param("gate"), GP64()), Load(Param("up"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	g, x := YMM(), YMM()
	VMOVUPS(Mem{Base: gate}, g)
	VXORPS(x, x, x)
	VSUBPS(g, x, x)
	exp(c, x)
	VADDPS(at(c, one), x, x)
	VDIVPS(x, g, g)
	VMULPS(Mem{Base: up}, g, g)
	VMOVUPS(g, Mem{Base: gate})
	ADDQ(Imm(32), gate)
	ADDQ(Imm(32), up)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

func maximum() {
	TEXT("maxAVX2", NOSPLIT, "func(src *float32, n int, lanes *[8]float32)")
	Doc("maxAVX2 sets lanes[i%8] to the maximum of itself and src[i] for n values, a positive multiple of 8;",
		"NaN is passed over.")
	src, n := Load(Param("src"), GP64()), Load(Param("n"), GP64())
	lanes := Load(Param("lanes"), GP64())
	top := YMM()
	VMOVUPS(Mem{Base: lanes}, top)
	Label("loop")
	x := YMM()
	VMOVUPS(Mem{Base: src}, x)
	VMAXPS(top, x, top) // of a NaN in x and top, the second source: top
	ADDQ(Imm(32), src)
	SUBQ(Imm(8), n)
	JNZ(LabelRef("loop"))
	VMOVUPS(top, Mem{Base: lanes})
	VZEROUPPER()
	RET()
}
