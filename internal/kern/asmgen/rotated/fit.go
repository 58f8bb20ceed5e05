package rotated

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// Fit stores the scales and minima of eight rows for the arguments "ends", "factor" and "clip", and leaves
// minima as they are read back, then reciprocals of scales, in a frame. It jumps to "bad" where a
// scale or minimum is none of binary16's, or nothing is to be told apart.
func Fit(bits int) Mem {
	grids, ends, scales := AllocLocal(64), Arg("ends"), Arg("scales")
	low, high, good, t := YMM(), YMM(), YMM(), YMM()
	overflow := D(0x477ff000) // 65520: binary16 has nothing left
	factor, clip := Splat("factor"), Splat("clip")
	VMULPS(At(ends, 0), factor, low)
	VMULPS(At(ends, 32), factor, high)
	VXORPS(t, t, t)
	VCMPPS(Imm(4), low, t, good) // a least value of 0 may be -0 or +0
	VMULPS(clip, low, low)
	VMULPS(clip, high, high)
	VCMPPS(Imm(0x1e), low, high, t)
	VANDPS(t, good, good)
	VSUBPS(low, high, high)
	VDIVPS(float(1<<bits-1), high, high)
	VANDPS(D(0x7fffffff), low, t)
	VCMPPS(Imm(0x11), overflow, t, t)
	VANDPS(t, good, good)
	VCMPPS(Imm(0x11), overflow, high, t)
	VANDPS(t, good, good)
	r := GP32()
	VMOVMSKPS(good, r)
	CMPL(r, Imm(0xff))
	JNE(LabelRef("bad"))
	VMAXPS(D(0x33800000), high, high) // the least scale
	s, m, both := XMM(), XMM(), XMM()
	VCVTPS2PH(Imm(0), high, s)
	VCVTPS2PH(Imm(0), low, m)
	VPUNPCKLWD(m, s, both)
	VMOVDQU(both, At(scales, 0))
	VPUNPCKHWD(m, s, both)
	VMOVDQU(both, At(scales, 16))
	VCVTPH2PS(m, low)
	VCVTPH2PS(s, high)
	VMOVUPS(float(1), t)
	VDIVPS(high, t, t)
	VMOVUPS(low, grids)
	VMOVUPS(t, grids.Offset(32))
	return grids
}
