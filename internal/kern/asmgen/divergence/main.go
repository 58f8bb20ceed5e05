// Command divergence writes the AVX2 forms of the sums over a vocabulary that a divergence needs:
// in float64, four lanes, without fused multiply-add, so that they give the bits of their pure-Go
// references.
package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The constants, each four times, in the order of the names below; those of the series follow from
// 1/12! down to 1/2!.
const (
	lo = iota
	hi
	log2e
	magic
	ln2Hi
	ln2Lo
	one
	power
	series
)

var values = []float64{
	-700, 700, 1.4426950408889634, 0x1.8p52, -6.93147180369123816490e-01, -1.90821492927058770002e-10, 1,
}

func main() {
	c := GLOBL("exp64Const", RODATA|NOPTR)
	at := 0
	put := func(bits uint64) {
		for range 4 {
			DATA(at, U64(bits))
			at += 8
		}
	}
	for _, v := range values {
		put(math.Float64bits(v))
	}
	put(1023 - math.Float64bits(0x1.8p52))
	factorial := 479001600.0
	for k := 12.0; k >= 2; k-- {
		put(math.Float64bits(1 / factorial))
		factorial /= k
	}
	sum("gapSumAVX2", false, c)
	sum("restSumAVX2", true, c)
	Generate()
}

// sum writes a kernel that adds weights[i]·f(row[i]−base[i]) to lanes[i%4], where f is the
// identity or, with rest set, x ↦ e^(x−m) − 1 − (x−m).
func sum(name string, rest bool, c Mem) {
	TEXT(name, NOSPLIT, "func(weights, base, row *float32, n int, m float64, lanes *[4]float64)")
	if rest {
		Doc(name+" adds weights[i]·(e^x − 1 − x) to lanes[i%4], where x = row[i]−base[i]−m, for n",
			"values, a positive multiple of 4.")
	} else {
		Doc(name + " adds weights[i]·(row[i]−base[i]−m) to lanes[i%4] for n values, a positive multiple of 4.")
	}
	w, b := Load(Param("weights"), GP64()), Load(Param("base"), GP64())
	r := Load(Param("row"), GP64())
	n := Load(Param("n"), GP64())
	m, total := YMM(), YMM()
	addr, err := Param("m").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSD(addr.Addr, m)
	lanes := Load(Param("lanes"), GP64())
	VMOVUPD(Mem{Base: lanes}, total)
	Label("loop")
	x, y, f := YMM(), YMM(), YMM()
	VCVTPS2PD(Mem{Base: r}, x)
	VCVTPS2PD(Mem{Base: b}, y)
	VSUBPD(y, x, x)
	VSUBPD(m, x, x)
	if rest {
		e := exp(c, x)
		VSUBPD(c.Offset(32*one), e, e)
		VSUBPD(x, e, x)
	}
	VCVTPS2PD(Mem{Base: w}, f)
	VMULPD(f, x, x)
	VADDPD(x, total, total)
	for _, p := range []Register{w, b, r} {
		ADDQ(Imm(16), p)
	}
	SUBQ(Imm(4), n)
	JNZ(LabelRef("loop"))
	VMOVUPD(total, Mem{Base: lanes})
	VZEROUPPER()
	RET()
}

// exp returns e^x.
func exp(c Mem, x VecVirtual) VecVirtual {
	at := func(i int) Mem { return c.Offset(32 * i) }
	v, t, n, p := YMM(), YMM(), YMM(), YMM()
	// The second source is what NaN gives.
	load := func(i int) VecVirtual { k := YMM(); VMOVUPD(at(i), k); return k }
	VMAXPD(x, load(lo), v)
	VMINPD(v, load(hi), v)
	VMULPD(at(log2e), v, t)
	VADDPD(at(magic), t, t)
	VSUBPD(at(magic), t, n)
	for _, part := range []int{ln2Hi, ln2Lo} {
		q := YMM()
		VMULPD(at(part), n, q)
		VADDPD(q, v, v)
	}
	VMULPD(at(series), v, p)
	for i := 1; i <= 10; i++ {
		VADDPD(at(series+i), p, p)
		VMULPD(v, p, p)
	}
	VADDPD(at(one), p, p)
	VMULPD(v, p, p)
	VADDPD(at(one), p, p)
	VPADDQ(at(power), t, t)
	VPSLLQ(Imm(52), t, t)
	VMULPD(t, p, p)
	return p
}
