package rotated

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// Codes turn back rows of codes: since the matrix has only ones, it is applied to the codes, in
// words, and their scale after it; the minimum, which all have, comes back in the first channel.
type Codes struct {
	BF16  bool
	Bits  int
	Block int // channels of a matrix, 64 or 128

	AVX512       bool // with BW and VL, else AVX2
	upper, lower VecVirtual
}

func (k Codes) name() string {
	set := "AVX2"
	if k.AVX512 {
		set = "AVX512"
	}
	return fmt.Sprintf("rotateCodesBack%d%sx%d%s", k.Bits, Type(k.BF16), k.Block, set)
}

func (k Codes) top() uint32 { return 1<<k.Bits - 1 }

// Write writes the kernel.
func (k Codes) Write() {
	Begin(k.name(), "func(dst *uint16, codes, scales *byte, back *float32, blocks int, limit float32) bool",
		`sets eight rows of blocks of channels to what codes stand for, times the matrix of Hadamard,
		times back. It returns false for a scale or minimum that is none, and for a row of codes that
		might have values of limit or more.`)
	frame := k.grids(Arg("scales"))
	if k.AVX512 {
		k.upper, k.lower = load(every(1)), load(every(0))
	}
	rows := []*codeRow{{Codes: k, dst: Arg("dst"), codes: Arg("codes"), frame: frame}}
	if k.AVX512 {
		rows = append(rows, &codeRow{Codes: k, dst: GP64(), codes: GP64(), frame: frame.Offset(4)})
	}
	k.loop(rows)
	Done(1)
	Label("bad")
	Done(0)
}

// loop goes over blocks and rows, as many at a time as are given.
func (k Codes) loop(rows []*codeRow) {
	row, blocks, back, factors, stride := GP64(), GP64(), Arg("back"), GP64(), GP64()
	XORQ(row, row)
	Label("row")
	Load(Param("blocks"), blocks)
	MOVQ(back, factors)
	if len(rows) == 2 {
		a, b := rows[0], rows[1]
		IMUL3Q(U32(uint32(2*k.Block)), blocks, stride)
		LEAQ(At(a.dst, 0).Idx(stride, 1), b.dst)
		SHRQ(Imm(map[int]uint64{2: 3, 4: 2, 8: 1}[k.Bits]), stride)
		LEAQ(At(a.codes, 0).Idx(stride, 1), b.codes)
	}
	Label("block")
	for _, r := range rows {
		r.start(row, factors)
	}
	for _, transform := range rows[0].transform {
		transform()
	}
	// What makes values of words needs units that the transform does not.
	for i, r := range rows {
		for n, values := range r.values {
			values()
			if i+1 < len(rows) {
				next := rows[i+1].transform
				for _, transform := range next[n*len(next)/len(r.values) : (n+1)*len(next)/len(r.values)] {
					transform()
				}
			}
		}
	}
	for _, r := range rows {
		advance(r.dst, 2*k.Block)
		advance(r.codes, k.Block*k.Bits/8)
	}
	advance(factors, 4*k.Block)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	if len(rows) == 2 {
		MOVQ(rows[1].dst, rows[0].dst)
		MOVQ(rows[1].codes, rows[0].codes)
	}
	advance(row, len(rows))
	CMPQ(row, Imm(8))
	JNE(LabelRef("row"))
}

// A codeRow is a block of a row, on its way in two lists of instructions to emit.
type codeRow struct {
	Codes
	dst, codes        Register
	frame             Mem
	layout            *layout
	transform, values []func()
}

func (r *codeRow) start(row, factors Register) {
	scale, least, l := YMM(), XMM(), &layout{AVX512: r.AVX512}
	r.transform = []func(){
		func() {
			VBROADCASTSS(r.frame.Idx(row, 4), scale)
			VMOVSS(r.frame.Offset(32).Idx(row, 4), least)
		},
		func() { r.load(r.codes, l) },
	}
	for bit := range 3 {
		r.transform = append(r.transform, func() { l.bring(bit) }, func() { l.catchUp() })
	}
	r.transform = append(r.transform, func() {
		l.check()
		if r.Bits < 8 {
			added := r.top() * uint32(r.Block) / 4 * 0x10001 // twice, since bit 3 is left
			first := l.v[l.at(0)]
			VPSUBW(Dwords(0, added, 0, 0, 0, 0, 0, 0), first, first)
		}
	})
	r.values = nil
	for c := 0; c < r.Block; c += 16 {
		r.values = append(r.values, func() {
			PREFETCHT0(At(r.dst, 2*c+ahead))
			a, b := r.valuesOf(l.v[l.at(c)], scale, At(factors, 4*c), least, c == 0)
			r.narrow(a, b, At(r.dst, 2*c))
		})
	}
}

// ahead is how many bytes ahead of their use lines are fetched from memory.
const ahead = 2048

// grids leaves eight scales, and eight minima times what a matrix adds up, in a frame.
func (k Codes) grids(scales Register) Mem {
	frame := AllocLocal(64)
	pairs, s, m := YMM(), YMM(), XMM()
	VMOVDQU(Mem{Base: scales}, pairs)
	VPAND(D(0xffff), pairs, s)
	VPSRLD(Imm(16), pairs, pairs)
	VPACKUSDW(pairs, s, s)
	VPERMQ(Imm(0xd8), s, s)
	VEXTRACTI128(Imm(1), s, m)
	UnlessNumbers(s.AsX(), m, "bad")
	r := GP32()
	scale, least, most, limit := YMM(), YMM(), YMM(), Splat("limit")
	VCVTPH2PS(s.AsX(), scale)
	VMOVUPS(scale, frame)
	VCVTPH2PS(m, least)
	VMULPS(float(k.Block), least, most)
	VMOVUPS(most, frame.Offset(32))
	VMULPS(float(int(k.top())), scale, most)
	VADDPS(least, most, most) // the largest code's value
	for _, x := range []VecVirtual{most, least} {
		VANDPS(D(0x7fffffff), x, x)
		VCMPPS(Imm(0x11), limit, x, x)
		VMOVMSKPS(x, r)
		CMPL(r, Imm(0xff))
		JNE(LabelRef("bad"))
	}
	return frame
}

// load loads the words of a block after the first steps: those between the codes of a byte, and
// of bytes that are neighbours, which widens to words. Its operand has no signs, so differences of
// the codes of a byte have the largest code added, which gathers in channel 1.
func (k Codes) load(codes Register, l *layout) {
	ones, signs := B(1), W(0xff01)
	for _, x := range k.bytes(codes, l) {
		sum, difference := YMM(), YMM()
		VPMADDUBSW(ones, x, sum)
		VPMADDUBSW(signs, x, difference)
		l.v = append(l.v, sum, difference)
	}
	for i, bit := range l.bits {
		if i > 0 && !(k.Bits < 8 && bit == 0) {
			l.step(bit)
		}
	}
	if k.Bits == 2 && k.Block == 64 { // bit 0 is still in the lanes
		l.step(l.exchange(2, 3))
	}
}

// bytes returns the vectors that load begins with, and sets the layout of what it makes of them.
// Rows of 64 two-bit codes have bit 1 in the lanes yet.
func (k Codes) bytes(codes Register, l *layout) []VecVirtual {
	var x []VecVirtual
	for i := range max(1, k.Block*k.Bits/256) {
		y := YMM()
		switch {
		case k.Bits == 8: // words are numbered by the bits 1, 2, 3, 4
			VMOVUPS(At(codes, 32*i), y)
			VPSHUFB(words(2, 1, 0), y, y)
		case k.Bits == 4: // 2, 3, 4, 5
			VMOVUPS(At(codes, 32*i), y)
			VPSHUFB(words(1, 2, 0), y, y)
		case k.Block == 128: // 3, 4, 5, 6
			VMOVUPS(At(codes, 32*i), y)
		default:
			k.broadcast(At(codes, 0), y)
			VPSRLVQ(Dwords(0, 0, 0, 0, 4, 0, 4, 0), y, y)
		}
		x = append(x, y)
	}
	switch {
	case k.Bits == 8:
		l.bits, l.lanes = []int{0, 5, 6}[:k.Block/64+1], [4]int{3, 2, 1, 4}
		return x
	case k.Bits == 4:
		l.bits, l.lanes = []int{1, 0, 6}[:k.Block/64+1], [4]int{3, 4, 2, 5}
	case k.Block == 128:
		l.bits, l.lanes = []int{2, 0, 1}, [4]int{3, 4, 5, 6}
		y := YMM()
		VPSRLW(Imm(4), x[0], y)
		x = append(x, y)
	default:
		l.bits, l.lanes = []int{2, 0}, [4]int{3, 4, 5, 1}
	}
	return k.firstStep(x)
}

// logic returns what ands, and what ands with what is not in the second operand.
func (k Codes) logic() (and, andNot func(a, b Op, to VecVirtual)) {
	if k.AVX512 {
		return func(a, b Op, to VecVirtual) { VPANDD(a, b, to) }, func(a, b Op, to VecVirtual) { VPANDND(a, b, to) }
	}
	return func(a, b Op, to VecVirtual) { VPAND(a, b, to) }, func(a, b Op, to VecVirtual) { VPANDN(a, b, to) }
}

// broadcast loads both halves of y from m.
func (k Codes) broadcast(m Mem, y VecVirtual) {
	if k.AVX512 {
		VBROADCASTI32X4(m, y)
	} else {
		VBROADCASTI128(m, y)
	}
}

// load is Reg for any of 32 registers.
func load(m Op) VecVirtual {
	y := YMM()
	VMOVUPS(m, y)
	return y
}

// firstStep returns the sums and the differences of neighbours in the lowest bits of bytes.
func (k Codes) firstStep(x []VecVirtual) []VecVirtual {
	code := B(byte(k.top()))
	var out []VecVirtual
	for _, even := range x {
		odd, sum, flipped := YMM(), YMM(), YMM()
		VPSRLW(Imm(uint64(k.Bits)), even, odd)
		and, andNot := k.logic()
		and(code, even, even)
		andNot(code, odd, flipped) // the largest code less the code
		and(code, odd, odd)
		VPADDB(odd, even, sum)
		VPADDB(flipped, even, flipped)
		out = append(out, sum, flipped)
	}
	return out
}

// valuesOf returns sixteen values: words times a scale, least added to the first, times factors.
func (k Codes) valuesOf(x, scale VecVirtual, factors Mem, least VecVirtual, first bool) (a, b VecVirtual) {
	a, b = YMM(), YMM()
	VPMADDWD(W(1), x, a)
	VPMADDWD(D(0xffff0001), x, b)
	for i, y := range []VecVirtual{a, b} {
		VCVTDQ2PS(y, y)
		VMULPS(scale, y, y)
		if first && i == 0 {
			VADDPS(least.AsY(), y, y)
		}
		VMULPS(factors.Offset(32*i), y, y)
	}
	return a, b
}

// narrow stores sixteen values, rounded to even.
func (k Codes) narrow(a, b VecVirtual, m Mem) {
	switch {
	case !k.BF16:
		VCVTPS2PH(Imm(0), a, m)
		VCVTPS2PH(Imm(0), b, m.Offset(16))
		return
	case k.AVX512:
		a = k.round16(a, b)
	default:
		for _, x := range []VecVirtual{a, b} {
			odd := YMM()
			VPSRLD(Imm(16), x, odd)
			VPAND(D(1), odd, odd)
			VPADDD(D(0x7fff), x, x)
			VPADDD(odd, x, x)
			VPSRLD(Imm(16), x, x)
		}
		VPACKUSDW(b, a, a)
		VPERMQ(Imm(0xd8), a, a)
	}
	VMOVUPS(a, m)
}

// round16 rounds a and b to bfloat16, side by side: to the nearest, up from the middle, and back to
// the even one where nothing is left.
func (k Codes) round16(a, b VecVirtual) VecVirtual {
	half, rest := D(0x8000), YMM()
	VPADDD(half, a, a)
	VPADDD(half, b, b)
	VMOVDQA64(a, rest)
	VPERMT2W(b, k.lower, rest)
	VPERMT2W(b, k.upper, a)
	VPMINUW(W(1), rest, rest)
	VPTERNLOGD(U8(0xd0), W(1), rest, a) // a and (rest or not one)
	return a
}

// Done returns a bool.
func Done(ok uint8) {
	r := GP8()
	MOVB(U8(ok), r)
	Store(r, ReturnIndex(0))
	End()
}

func advance(p Register, bytes int) { ADDQ(U32(uint32(bytes)), p) }

// float is a constant of a whole number.
func float(x int) Op { return D(math.Float32bits(float32(x))) }

// every is the places of every second of 32 words, from first on.
func every(first uint32) Op {
	var v [8]uint32
	for i := range v {
		v[i] = (first+uint32(4*i))*0x10001 + 2<<16
	}
	return Dwords(v[:]...)
}

// words is a shuffle of the words of each half of a vector: bit i of a word's place is bit from[i] of
// the place that it comes from.
func words(from ...int) Op {
	var v [16]byte
	for place := range 8 {
		at := 0
		for i, bit := range from {
			at |= place >> i & 1 << bit
		}
		v[2*place], v[2*place+1] = byte(2*at), byte(2*at+1)
	}
	return Bytes16(v)
}
