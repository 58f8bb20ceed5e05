// Command grids512 writes the AVX-512 forms of what quantises groups along rows, for processors
// that pick bytes from a whole register (VBMI). They give the bytes of those of command grids.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"kvgauge/internal/kern/asmgen/lanes"
)

func main() {
	lanes.Prefix = "grids512"
	for _, bf16 := range []bool{false, true} {
		for _, bits := range []int{2, 4, 8} {
			for _, around := range []bool{false, true} {
				quantizeGroups(kernel{bf16, bits, around})
			}
		}
	}
	dequantizeGroups(kernel{true, 8, false})
	dequantizeGroups(kernel{true, 8, true})
	Generate()
}

// A kernel is the type of the values, the width of the codes, and whether these are written around
// the caches.
type kernel struct {
	bf16   bool
	bits   int
	around bool
}

func (k kernel) name(what string) string {
	if k.around {
		what += "Around"
	}
	if k.bf16 {
		return fmt.Sprintf("%s%dBF16AVX512", what, k.bits)
	}
	return fmt.Sprintf("%s%dF16AVX512", what, k.bits)
}

// top is the largest code.
func (k kernel) top() uint32 { return 1<<k.bits - 1 }

var constants = map[string]Mem{}

// bytesOf returns read-only memory of 64 bytes.
func bytesOf(name string, f func(i int) byte) Mem {
	if m, ok := constants[name]; ok {
		return m
	}
	m := GLOBL("grids512"+name, RODATA|NOPTR)
	for i := 0; i < 64; i += 8 {
		x := uint64(0)
		for j := range 8 {
			x |= uint64(f(i+j)) << (8 * j)
		}
		DATA(i, U64(x))
	}
	constants[name] = m
	return m
}

// dword returns memory that repeats v.
func dword(name string, v uint32) Mem {
	return bytesOf(name, func(i int) byte { return byte(v >> (i % 4 * 8)) })
}

// The floats that the kernels share.
var floatBits = map[int]uint32{2: 0x40400000, 4: 0x41700000, 8: 0x437f0000} // 3, 15, 255

func (k kernel) topFloat() Mem { return dword(fmt.Sprintf("Top%d", k.bits), floatBits[k.bits]) }
func overflow() Mem            { return dword("Overflow", 0x477ff000) } // 65520: binary16 has nothing left
func upperHalf() Mem           { return dword("UpperHalf", 0xffff0000) }

func load(m Mem) VecVirtual {
	z := ZMM()
	VMOVDQU64(m, z)
	return z
}

func ptr(name string) Register { return Load(Param(name), GP64()) }

func advance(p Register, bytes int) { ADDQ(U32(uint32(bytes)), p) }
