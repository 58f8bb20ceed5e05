package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// A restorer is blocks on their way back. What a block's sixteen codes mean follows, where nothing is
// subnormal, from the patterns of its factor and of 1½ times that by additions to their exponents.
type restorer struct {
	bf16               bool
	half               int
	dst, codes, scales Register
	blocks             Register
	some               Register // of the codes, those that do not mean zero
	steps, shifts      VecVirtual
	nibble, block      VecVirtual
	factors            VecVirtual
}

// exponent is one in a pattern's exponent.
func (r *restorer) exponent() int {
	if r.bf16 {
		return 1 << 7
	}
	return 1 << 10
}

func restore(name string, bf16 bool, half int, factors func(r *restorer) VecVirtual) {
	avx2 := "restore" + name + Type(bf16)
	Begin(avx2+"AVX512",
		"func(dst *uint16, codes, scales *byte, blocks int, tensor, limit float32, stream uint8) (left int)",
		"is "+avx2+"AVX2 of a positive multiple of 16 blocks. It stops before sixteen of which one has a "+
			"factor that is zero or makes subnormal numbers, too. If stream is 1 it writes around the caches, "+
			"and dst is a multiple of 64.")
	r := &restorer{bf16: bf16, half: half, dst: Arg("dst"), codes: Arg("codes"),
		scales: Arg("scales"), blocks: Arg("blocks"), some: K()}
	r.holdAll()
	around := Load(Param("stream"), GP8())
	CMPB(around, Imm(0))
	JNE(LabelRef("stream"))
	r.loop("batch", factors, func(z, m Op) { VMOVDQU64(z, m) })
	JMP(LabelRef("done"))
	r.loop("stream", factors, VMOVNTDQ)
	Label("done")
	Store(r.blocks, Return("left"))
	End()
}

func (r *restorer) loop(label string, factors func(r *restorer) VecVirtual, store func(z, m Op)) {
	Label(label)
	r.patterns(factors(r))
	for i := range 8 * r.half {
		store(r.values(i), At(r.dst, 64*i))
	}
	ADDQ(U32(uint32(batch*32*r.half)), r.dst)
	ADDQ(U32(uint32(batch*8*r.half)), r.codes)
	ADDQ(Imm(batch), r.scales)
	SUBQ(Imm(batch), r.blocks)
	JNZ(LabelRef(label))
}

func (r *restorer) holdAll() {
	mask := GP32()
	MOVL(U32(0xfefefefe), mask)
	KMOVD(mask, r.some)
	one := r.exponent()
	r.steps = hold(words(func(i int) int {
		steps := []int{0, -one, 0, 0, one, one, 2 * one, 2 * one}
		return (steps[i%8] + i/8%2<<15) & 0xffff
	}))
	r.shifts = hold(bytes(func(i int) int { return i % 8 * 2 }))
	if r.half == 1 {
		r.nibble = hold(all(0x000f000f))
		r.block = hold(words(func(i int) int { return i &^ 15 }))
	}
}

// patterns sets factors to words: the patterns of sixteen factors, then those of 1½ times these.
func (r *restorer) patterns(f VecVirtual) {
	least := uint32(2) << 23 // half of it is normal
	if !r.bf16 {
		least = (127 - 13) << 23
	}
	from, to, over := ZMM(), ZMM(), K()
	VBROADCASTSS(ArgMem("limit"), to)
	VPSUBD(all(least), to, to)
	VPSUBD(all(least), f, from)
	VPCMPUD(Imm(6), to, from, over) // not less or equal
	bad := GP32()
	KMOVW(over, bad)
	TESTL(bad, bad)
	JNZ(LabelRef("done"))
	g := ZMM()
	VMULPS(all(0x3fc00000), f, g)
	r.factors = ZMM()
	if !r.bf16 {
		VCVTPS2PH(Imm(0), f, f.AsY())
		VCVTPS2PH(Imm(0), g, g.AsY())
		VINSERTI64X4(Imm(1), g.AsY(), f, r.factors)
		return
	}
	for _, x := range []VecVirtual{f, g} {
		odd := ZMM()
		VPSRLD(Imm(16), x, odd)
		VPANDD(all(1), odd, odd)
		VPADDD(all(0x7fff), x, x)
		VPADDD(odd, x, x)
	}
	VMOVDQU64(words(func(i int) int { return 2*i + 1 }), r.factors)
	VPERMI2W(g, f, r.factors)
}

// values returns 32 values.
func (r *restorer) values(i int) VecVirtual {
	table, c := ZMM(), ZMM()
	order := words(func(k int) int {
		block := i
		if r.half == 1 {
			block = 2*i + k/16
		}
		odd := []int{0, 0, 0, 1, 0, 1, 0, 1}
		return block + 16*odd[k%8]
	})
	VMOVDQU64(order, table)
	VPERMW_Z(r.factors, table, r.some, table)
	VPADDW(r.steps, table, table)
	VPMOVZXWQ(At(r.codes, 16*i), c)
	VPMULTISHIFTQB(c, r.shifts, c)
	if r.half == 1 {
		VPTERNLOGD(U8(0xea), r.block, r.nibble, c) // c and nibble, or block
	}
	VPERMW(table, c, c)
	return c
}

// tensorFactors is that of command micro.
func (r *restorer) tensorFactors() VecVirtual {
	w, f, s, bad := YMM(), ZMM(), XMM(), K()
	VMOVDQU8(At(r.scales, 0), s)
	VPMOVZXBW(s, w)
	VPSLLW(Imm(7), w, w) // to binary16, of another bias
	VCVTPH2PS(w, f)
	VMULPS(all(0x43800000), f, f)
	t := splat("tensor")
	VMULPS(t, f, f)
	limit := XMM()
	VMOVDQU8(bytes(func(int) int { return 0x7e }), limit)
	VPCMPUB(Imm(6), limit, s, bad) // no scale of a block
	n := GP32()
	KMOVW(bad, n)
	TESTL(n, n)
	JNZ(LabelRef("done"))
	return f
}

// powerFactors returns powers of two; 0 and 255 are not for here.
func (r *restorer) powerFactors() VecVirtual {
	f := ZMM()
	VPMOVZXBD(At(r.scales, 0), f)
	VPSLLD(Imm(23), f, f)
	return f
}
