// Command grids writes the AVX2 and F16C forms of the integer quantisers, which do many groups in
// one call: smallest and largest, scale, codes, packing, and the way back. None rounds a product
// together with a sum, so each gives the bytes of its pure-Go reference.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	common "kvgauge/internal/kern/asmgen/lanes"
	"kvgauge/internal/kern/asmgen/rotated"
)

func main() {
	common.Prefix = "grids"
	for _, bf16 := range []bool{false, true} {
		for _, bits := range []int{2, 4, 8} {
			k := kernel{bf16: bf16, bits: bits}
			k.quantizeGroups()
			k.quantizeTiles()
			k.quantizeRows()
			k.dequantizeGroups()
			k.dequantizeTiles()
			k.around = true
			k.dequantizeGroups()
		}
	}
	rotated.Fit()
	for _, dim := range []int{64, 128} {
		hadamard(dim)
		for _, bf16 := range []bool{false, true} {
			widenHadamard(bf16, dim)
			for _, bits := range []int{2, 4, 8} {
				rotated.Codes{BF16: bf16, Bits: bits, Block: dim}.Write()
			}
		}
	}
	Generate()
}

// A kernel is the type of the values and the width of the codes.
type kernel struct {
	bf16   bool
	bits   int
	around bool // values are written around the caches, to addresses that 32 divides
}

// put stores sixteen values.
func (k kernel) put(x VecVirtual, m Mem) {
	if k.around {
		VMOVNTDQ(x, m)
	} else {
		VMOVDQU(x, m)
	}
}

func (k kernel) name(what string) string {
	if k.around {
		what += "Around"
	}
	if k.bf16 {
		return fmt.Sprintf("%s%dBF16AVX2", what, k.bits)
	}
	return fmt.Sprintf("%s%dF16AVX2", what, k.bits)
}

// top is the largest code.
func (k kernel) top() uint32 { return 1<<k.bits - 1 }

var constants = map[string]Mem{}

// data returns 32 bytes of read-only memory, which repeat v.
func data(name string, v ...uint32) Mem {
	if m, ok := constants[name]; ok {
		return m
	}
	m := GLOBL(name, RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(v[i%len(v)]))
	}
	constants[name] = m
	return m
}

// bytesOf is data of 32 bytes.
func bytesOf(name string, b [32]byte) Mem {
	var v [8]uint32
	for i, x := range b {
		v[i/4] |= uint32(x) << (i % 4 * 8)
	}
	return data(name, v[:]...)
}

// The floats and masks that the kernels share.
var floatBits = map[int]uint32{2: 0x40400000, 4: 0x41700000, 8: 0x437f0000} // 3, 15, 255

func (k kernel) topFloat() Mem { return data(fmt.Sprintf("top%d", k.bits), floatBits[k.bits]) }
func overflow() Mem            { return data("overflow", 0x477ff000) } // 65520: binary16 has nothing left
func magnitude() Mem           { return data("magnitude", 0x7fffffff) }
func upperHalf() Mem           { return data("upperHalf", 0xffff0000) }

func load(m Mem) VecVirtual {
	y := YMM()
	VMOVDQU(m, y)
	return y
}

func ptr(name string) Register { return Load(Param(name), GP64()) }

func advance(p Register, bytes int) { ADDQ(U32(uint32(bytes)), p) }

func broadcast(m Mem) VecVirtual {
	y := YMM()
	VBROADCASTSS(m, y)
	return y
}

func broadcastArg(name string) VecVirtual {
	arg, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return broadcast(arg.Addr)
}
