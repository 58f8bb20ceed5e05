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
	factor, less  VecVirtual // what to multiply by and to subtract
	order         VecVirtual
	codes, second Register // of the first row and of the other
}

func (q *quantizer) write() {
	Begin(fmt.Sprintf("quantizeRows%d%sAVX512", q.bits, Type(q.bf16)),
		"func(codes *byte, v, grids *float32, n int)",
		"quantises eight rows of n values, a multiple of 64, on the grids of fitRowsAVX2.")
	v, grids, row, left := Arg("v"), Arg("grids"), GP64(), GP64()
	q.codes, q.second = Arg("codes"), GP64()
	q.factor, q.less = ZMM(), ZMM()
	q.order = q.orderOfCodes()
	upper, mask := K(), GP32()
	MOVL(U32(0xff00), mask)
	KMOVW(mask, upper)
	XORQ(row, row)
	Label("row")
	for i, x := range []VecVirtual{q.factor, q.less} {
		VBROADCASTSS(At(grids, 32*i).Idx(row, 4), x)
		VBROADCASTSS(At(grids, 32*i+4).Idx(row, 4), upper, x)
	}
	Load(Param("n"), left)
	stride := GP64()
	MOVQ(left, stride)
	IMUL3Q(Imm(uint64(q.bits)), stride, stride)
	SHRQ(Imm(3), stride)
	MOVQ(q.codes, q.second)
	ADDQ(stride, q.second)
	Label("values")
	var x [8]VecVirtual
	for i := range x {
		x[i] = q.whole(At(v, 64*i))
	}
	q.pack(x)
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

// whole returns the whole numbers nearest to values on their grid.
func (q *quantizer) whole(m Mem) VecVirtual {
	x := ZMM()
	VMOVUPS(m, x)
	VFMSUB132PS(q.factor, q.less, x)
	VCVTPS2DQ(x, x)
	return x
}

// bytes cuts four vectors of whole numbers to bytes, and those to codes: fours of the first, the
// second, the third and the fourth take turns.
func (q *quantizer) bytes(a, b, c, d VecVirtual) VecVirtual {
	VPACKSSDW(b, a, a)
	VPACKSSDW(d, c, c)
	VPACKUSWB(c, a, a)
	if q.bits < 8 {
		VPMINUB(wideData(func(int) uint32 { return 0x01010101<<q.bits - 0x01010101 }), a, a)
	}
	return a
}

// pack packs and stores the codes of eight vectors of whole numbers.
func (q *quantizer) pack(x [8]VecVirtual) {
	weigh := func(by func(...Op), low, high uint32, v VecVirtual) {
		by(wideData(func(int) uint32 { return low | high<<16 }), v, v)
	}
	var a, b VecVirtual
	if q.bf16 { // even and odd
		a, b = q.bytes(x[0], x[2], x[4], x[6]), q.bytes(x[1], x[3], x[5], x[7])
	} else {
		a, b = q.bytes(x[0], x[1], x[2], x[3]), q.bytes(x[4], x[5], x[6], x[7])
	}
	switch {
	case q.bf16 && q.bits == 8:
		both := ZMM()
		VPUNPCKLBW(b, a, both)
		VPUNPCKHBW(b, a, b)
		VPERMQ(Imm(0xd8), both, both)
		VPERMQ(Imm(0xd8), b, b)
		q.put(both, 0)
		q.put(b, 32)
		return
	case q.bits == 8:
		VPERMD(a, q.order, a)
		VPERMD(b, q.order, b)
		q.put(a, 0)
		q.put(b, 32)
		return
	case q.bf16:
		VPSLLW(Imm(uint64(q.bits)), b, b)
		VPORD(b, a, a)
		if q.bits == 4 {
			VPERMD(a, q.order, a)
		} else {
			weigh(VPMADDUBSW, 0x1001, 0x1001, a)
			VPERMB(a, q.order, a)
		}
	default:
		one := uint32(0x100)<<q.bits | 1
		weigh(VPMADDUBSW, one, one, a)
		weigh(VPMADDUBSW, one, one, b)
		if q.bits == 4 {
			VPACKUSWB(b, a, a)
			VPERMW(a, q.order, a)
		} else {
			weigh(VPMADDWD, 1, 16, a)
			weigh(VPMADDWD, 1, 16, b)
			VPACKUSDW(b, a, a)
			VPERMB(a, q.order, a)
		}
	}
	q.put(a, 0)
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
func (q *quantizer) orderOfCodes() VecVirtual {
	turns := func(lane, vector, vectors int) int { return lane*vectors + vector }
	switch {
	case q.bits == 4 && !q.bf16:
		return wide(func(i int) uint32 {
			row, d := uint32(i/8*16), i%8 // the words 2d and 2d+1
			return row*0x10001 + uint32(turns(0, d, 8)|turns(1, d, 8)<<16)
		})
	case q.bits == 2:
		return wide(func(i int) uint32 {
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
	return wide(func(i int) uint32 { return uint32(i/8*8 + turns(i%2, i%8/2, 4)) })
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
