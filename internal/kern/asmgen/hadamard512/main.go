// Command hadamard512 writes the AVX-512 forms of the kernels of rotated rows, which have registers
// for all of a block.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
	"kvgauge/internal/kern/asmgen/rotated"
)

func main() {
	Prefix = "hadamard512"
	for _, bf16 := range []bool{false, true} {
		for _, block := range []int{64, 128} {
			(&widener{bf16: bf16, block: block}).write()
			(&widener{bf16: bf16, block: block, also: &quantizer{bf16: bf16, bits: 4}}).write()
		}
	}
	for _, bits := range []int{2, 4, 8} {
		for _, bf16 := range []bool{false, true} {
			(&quantizer{bf16: bf16, bits: bits}).write()
		}
		for _, block := range []int{64, 128} {
			rotated.Codes{BF16: true, Bits: bits, Block: block, AVX512: true}.Write()
		}
	}
	Generate()
}

func advance(p Register, bytes int) { ADDQ(U32(uint32(bytes)), p) }

func name(what string, bf16 bool, block int) string {
	return fmt.Sprintf("%s%sx%dAVX512", what, Type(bf16), block)
}
