package lanes

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Transpose makes rows of eight float32 columns.
func Transpose(r [8]VecVirtual) (c [8]VecVirtual) {
	var t [8]VecVirtual
	for i := range t {
		t[i] = YMM()
		from := r[i&^1]
		if i%2 == 0 {
			VUNPCKLPS(r[i+1], from, t[i])
		} else {
			VUNPCKHPS(r[i], from, t[i])
		}
	}
	var u [8]VecVirtual // of rows 0 to 3 and of 4 to 7, columns 0 to 3 and, above, 4 to 7
	for h := 0; h < 8; h += 4 {
		for i := range 4 {
			u[h+i] = YMM()
			a, b := t[h+i/2], t[h+2+i/2]
			if i%2 == 0 {
				VUNPCKLPD(b, a, u[h+i])
			} else {
				VUNPCKHPD(b, a, u[h+i])
			}
		}
	}
	for i := range 4 {
		c[i], c[i+4] = YMM(), YMM()
		VINSERTF128(Imm(1), u[4+i].AsX(), u[i], c[i])
		VPERM2F128(Imm(0x31), u[4+i], u[i], c[i+4])
	}
	return c
}
