package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// A quantizer makes codes of 64 values of two rows at a time, in the order in which a widener writes
// them: the lower half of every vector is of the one row, the upper of the other.
type quantizer struct {
	bf16          bool
	bits          int
	factor        Mem // of the matrix, whose sums values are
	minimum, inv  VecVirtual
	order         VecVirtual
	codes, second Register // of the first row and of the other
}

func (q *quantizer) write() {
	Begin(fmt.Sprintf("quantizeRows%d%sAVX512", q.bits, Type(q.bf16)),
		"func(codes *byte, v, grids *float32, n int, factor float32)",
		"quantises eight rows of n values, a multiple of 64, times factor on the grids of fitRowsAVX2.")
	v, grids, row, left := Arg("v"), Arg("grids"), GP64(), GP64()
	q.codes, q.second = Arg("codes"), GP64()
	q.factor, q.minimum, q.inv = ArgMem("factor"), ZMM(), ZMM()
	q.order = ZMM()
	VMOVUPS(q.orderOfCodes(), q.order)
	upper := upperHalf()
	XORQ(row, row)
	Label("row")
	q.grid(At(grids, 0).Idx(row, 4), upper)
	Load(Param("n"), left)
	stride := GP64()
	MOVQ(left, stride)
	IMUL3Q(Imm(uint64(q.bits)), stride, stride)
	SHRQ(Imm(3), stride)
	MOVQ(q.codes, q.second)
	ADDQ(stride, q.second)
	Label("values")
	for _, step := range q.group(v, 0) {
		step()
	}
	advance(v, 512)
	advance(q.codes, 8*q.bits)
	advance(q.second, 8*q.bits)
	SUBQ(Imm(64), left)
	JNZ(LabelRef("values"))
	MOVQ(q.second, q.codes)
	advance(row, 2)
	CMPQ(row, Imm(8))
	JNE(LabelRef("row"))
	End()
}

// upperHalf returns the mask of the upper half of a vector.
func upperHalf() Register {
	k, mask := K(), GP32()
	MOVL(U32(0xff00), mask)
	KMOVW(mask, k)
	return k
}

// grid loads the minima of two rows and what values less them are multiplied by.
func (q *quantizer) grid(m Mem, upper Register) {
	for i, x := range []VecVirtual{q.minimum, q.inv} {
		VBROADCASTSS(m.Offset(32*i), x)
		VBROADCASTSS(m.Offset(32*i+4), upper, x)
	}
}

// group returns the steps, in order, that make and store codes of group i of 64 values of each row.
func (q *quantizer) group(v Register, i int) []func() {
	var steps []func()
	whole := func(k int) VecVirtual {
		x := ZMM()
		steps = append(steps, func() {
			VMOVUPS(At(v, 512*i+64*k), x)
			VMULPS_BCST(q.factor, x, x)
		}, func() { VSUBPS(q.minimum, x, x) }, func() { VMULPS(q.inv, x, x) }, func() { VCVTPS2DQ(x, x) })
		return x
	}
	// Fours of codes, cut to bytes, of the first, the second, the third and the fourth vector take turns.
	bytes := func(k ...int) VecVirtual {
		a, b := whole(k[0]), whole(k[1])
		steps = append(steps, func() { VPACKSSDW(b, a, a) })
		c, d := whole(k[2]), whole(k[3])
		steps = append(steps, func() { VPACKSSDW(d, c, c) }, func() { VPACKUSWB(c, a, a) }, func() {
			if q.bits < 8 {
				VPMINUB(wideData(func(int) uint32 { return 0x01010101<<q.bits - 0x01010101 }), a, a)
			}
		})
		return a
	}
	var a, b VecVirtual
	if q.bf16 { // even and odd
		a, b = bytes(0, 2, 4, 6), bytes(1, 3, 5, 7)
	} else {
		a, b = bytes(0, 1, 2, 3), bytes(4, 5, 6, 7)
	}
	return append(steps, func() { q.pack(a, b, 8*q.bits*i) })
}

// pack packs and stores the codes that group makes, so far behind the first.
func (q *quantizer) pack(a, b VecVirtual, at int) {
	order := q.order
	if order == nil {
		order = ZMM()
		VMOVUPS(q.orderOfCodes(), order)
	}
	weigh := func(by func(...Op), low, high uint32, v VecVirtual) {
		by(wideData(func(int) uint32 { return low | high<<16 }), v, v)
	}
	switch {
	case q.bf16 && q.bits == 8:
		both := ZMM()
		VPUNPCKLBW(b, a, both)
		VPUNPCKHBW(b, a, b)
		VPERMQ(Imm(0xd8), both, both)
		VPERMQ(Imm(0xd8), b, b)
		q.put(both, at)
		q.put(b, at+32)
		return
	case q.bits == 8:
		VPERMD(a, order, a)
		VPERMD(b, order, b)
		q.put(a, at)
		q.put(b, at+32)
		return
	case q.bf16:
		VPSLLW(Imm(uint64(q.bits)), b, b)
		VPORD(b, a, a)
		if q.bits == 4 {
			VPERMD(a, order, a)
		} else {
			weigh(VPMADDUBSW, 0x1001, 0x1001, a)
			VPERMB(a, order, a)
		}
	default:
		one := uint32(0x100)<<q.bits | 1
		weigh(VPMADDUBSW, one, one, a)
		weigh(VPMADDUBSW, one, one, b)
		if q.bits == 4 {
			VPACKUSWB(b, a, a)
			VPERMW(a, order, a)
		} else {
			weigh(VPMADDWD, 1, 16, a)
			weigh(VPMADDWD, 1, 16, b)
			VPACKUSDW(b, a, a)
			VPERMB(a, order, a)
		}
	}
	q.put(a, at)
}

// put stores what both rows have of 64 codes, or of 32 of eight bits.
func (q *quantizer) put(x VecVirtual, at int) {
	if q.bits == 2 {
		VMOVUPS(x.AsX(), At(q.codes, at))
		VEXTRACTI32X4(Imm(1), x, At(q.second, at))
		return
	}
	VMOVUPS(x.AsY(), At(q.codes, at))
	VEXTRACTI64X4(Imm(1), x, At(q.second, at))
}

// orderOfCodes returns what pack shuffles by: where in a row's half fours of bytes, pairs or bytes
// come from, for the one row and the other. Lanes of 128 bits have taken turns.
func (q *quantizer) orderOfCodes() Mem {
	turns := func(lane, vector, vectors int) int { return lane*vectors + vector }
	switch {
	case q.bits == 4 && !q.bf16:
		return wideData(func(i int) uint32 {
			row, d := uint32(i/8*16), i%8 // the words 2d and 2d+1
			return row*0x10001 + uint32(turns(0, d, 8)|turns(1, d, 8)<<16)
		})
	case q.bits == 2:
		return wideData(func(i int) uint32 {
			row, b := uint32(i/4%2*32), uint32(0)
			for k := range 4 {
				at := 4*(i%4) + k
				from := 2 * turns(at%2, at/2, 8)
				if q.bf16 {
					from = 2 * (8*(at/2%2) + 2*(at/4) + at%2)
				}
				b |= (row + uint32(from)) << (8 * k)
			}
			return b
		})
	}
	return wideData(func(i int) uint32 { return uint32(i/8*8 + turns(i%2, i%8/2, 4)) })
}

var wides = map[[16]uint32]Mem{}

// wideData is a constant of sixteen 32-bit lanes.
func wideData(f func(i int) uint32) Mem {
	var key [16]uint32
	for i := range key {
		key[i] = f(i)
	}
	m, ok := wides[key]
	if !ok {
		m = GLOBL(fmt.Sprintf("%sWide%d", Prefix, len(wides)), RODATA|NOPTR)
		for i, v := range key {
			DATA(4*i, U32(v))
		}
		wides[key] = m
	}
	return m
}

// wide is wideData in a register.
func wide(f func(i int) uint32) VecVirtual {
	z := ZMM()
	VMOVUPS(wideData(f), z)
	return z
}
