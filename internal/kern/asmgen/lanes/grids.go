package lanes

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// UnlessNumbers jumps to a label unless all of 8 or 16 binary16 scales and minima are what quantisers
// write: scales that are not negative, and numbers both.
func UnlessNumbers(scales, minima Register, label string) {
	good, t, all := XMM(), XMM(), uint32(0xffff)
	if scales.Size() == 32 {
		good, t, all = YMM(), YMM(), 0xffffffff
	}
	top := W(0x7bff)
	VPMINUW(top, scales, good)
	VPCMPEQW(scales, good, good)
	VPAND(W(0x7fff), minima, t)
	VPCMPGTW(top, t, t)
	VPANDN(good, t, good)
	r := GP32()
	VPMOVMSKB(good, r)
	CMPL(r, U32(all))
	JNE(LabelRef(label))
}
