package rotated

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// Fit writes the kernel that fits grids to rows.
func Fit() {
	Begin("fitRowsAVX2", "func(scales *byte, ends *float32, factor, clip, top float32) bool",
		`stores binary16 scales and minima of eight rows for codes up to top, on ends·factor·clip. In
		place of ends it leaves the minima as they are read back, then reciprocals of the scales. It
		returns false where a scale or minimum is none of binary16's, or nothing is to be told apart.`)
	ends, scales := Arg("ends"), Arg("scales")
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
	VDIVPS(Splat("top"), high, high)
	VANDPS(D(0x7fffffff), low, t)
	VCMPPS(Imm(0x11), overflow, t, t)
	VANDPS(t, good, good)
	VCMPPS(Imm(0x11), overflow, high, t)
	VANDPS(t, good, good)
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
	VMOVUPS(low, At(ends, 0))
	VMOVUPS(t, At(ends, 32))
	r, ok := GP32(), GP8()
	VMOVMSKPS(good, r)
	CMPL(r, Imm(0xff))
	SETEQ(ok)
	Store(ok, ReturnIndex(0))
	End()
}
