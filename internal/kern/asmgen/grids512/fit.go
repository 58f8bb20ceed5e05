package main

import (
	"kvgauge/internal/kern/asmgen/lanes"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// soon is how far ahead, in bytes, the lines of scales and minima are fetched that are to be written.
const soon = 256

// fit fits and stores the grids of the block that has been seen, or jumps to done.
func (w *walk) fit() {
	low16, high16 := w.ends()
	low, high := w.float(low16), w.float(high16)
	good, t, sized := K(), K(), K()
	zero, mag := YMM(), YMM()
	VXORPS(zero, zero, zero)
	width := high
	VSUBPS(low, high, width)
	VDIVPS(w.topFloat(), width, width)
	VANDPS(dword("Magnitude", 0x7fffffff), low, mag)
	VCMPPS(Imm(0x11), overflow(), mag, good) // less, false for NaN
	VCMPPS(Imm(0x11), overflow(), width, t)
	KANDB(t, good, good)
	least16 := low16
	if w.bf16 {
		exact := K()
		least16 = XMM()
		kept := YMM()
		VCVTPS2PH(Imm(0), low, least16)
		VCVTPH2PS(least16, kept)
		VCMPPS(Imm(0), kept, low, exact) // the minimum is kept exactly,
		VCMPPS(Imm(4), zero, width, t)   // or values differ
		KORB(t, exact, exact)
		KANDB(exact, good, good)
		low = kept
	}
	r := GP32()
	KMOVB(good, r)
	CMPL(r, Imm(0xff))
	JNE(LabelRef("done"))
	VCMPPS(Imm(0x1e), zero, width, sized) // greater
	VMAXPS(dword("LeastScale", 0x33800000), width, width)
	VMOVAPS_Z(width, sized, width)
	scale16, inv := XMM(), YMM()
	VCVTPS2PH(Imm(0), width, scale16)
	VCVTPH2PS(scale16, width)
	VMOVUPS(dword("One", 0x3f800000), inv)
	VDIVPS_Z(width, inv, sized, inv)
	VMOVDQU64(scale16, Mem{Base: w.scales})
	VMOVDQU64(least16, Mem{Base: w.minima})
	VMOVUPS(low, w.grids)
	VMOVUPS(inv, w.grids.Offset(4*rows))
	PREFETCHT0(Mem{Base: w.scales, Disp: soon})
	PREFETCHT0(Mem{Base: w.minima, Disp: soon})
	advance(w.scales, 2*rows)
	advance(w.minima, 2*rows)
}

func (w *walk) float(x VecVirtual) VecVirtual { return lanes.WidenEight(w.bf16, x) }

// ends returns the smallest and the largest pattern of each group. As signed integers the greatest
// is the largest number unless all are negative; as unsigned ones the greatest is the smallest
// number if any is negative; and where a group has one sign only, the least unsigned one is the
// other end.
func (w *walk) ends() (low, high VecVirtual) {
	high, low = w.fold(VPMAXSW, 0), w.fold(VPMAXUW, 64*rows)
	negative, highNegative, both := K(), K(), K()
	VPMOVW2M(low, negative)
	VPMOVW2M(high, highNegative)
	KANDNB(negative, highNegative, both)
	r := GP32()
	KMOVB(both, r)
	CMPL(r, Imm(0xff))
	JE(LabelRef("bothSigns"))
	w.seeLeast()
	least := w.fold(VPMINUW, 0)
	VPBLENDMW(low, least, negative, low)
	VPBLENDMW(least, high, highNegative, high)
	Label("bothSigns")
	return low, high
}

// fold returns for every row what op makes of what was seen of it.
func (w *walk) fold(op func(...Op), disp int) VecVirtual {
	y := lanes.Eight(op, func(i int) VecVirtual {
		y := YMM()
		VMOVDQU64(Mem{Base: w.seen, Disp: disp + 64*i}, y)
		op(Mem{Base: w.seen, Disp: disp + 64*i + 32}, y, y)
		return y
	})
	x := XMM()
	VEXTRACTI32X4(Imm(1), y, x)
	op(y.AsX(), x, x)
	return x
}

// seeLeast looks for the least patterns of the rows.
func (w *walk) seeLeast() {
	at, to, row, left := GP64(), GP64(), GP64(), GP64()
	MOVQ(w.src, at)
	MOVQ(w.seen, to)
	MOVQ(U32(rows), row)
	Label("leastRow")
	least := load(Mem{Base: at})
	Load(Param("n"), left)
	Label("leastValues")
	VPMINUW(Mem{Base: at}, least, least)
	VPMINUW(Mem{Base: at, Disp: 64}, least, least)
	advance(at, 128)
	SUBQ(Imm(64), left)
	JNZ(LabelRef("leastValues"))
	VMOVDQA64(least, Mem{Base: to})
	advance(to, 64)
	DECQ(row)
	JNZ(LabelRef("leastRow"))
}
