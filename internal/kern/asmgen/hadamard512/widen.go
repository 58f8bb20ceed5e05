package main

import (
	"fmt"
	"sort"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "kvgauge/internal/kern/asmgen/lanes"
)

// ahead is how many bytes ahead of their use values are fetched from memory.
const ahead = 2048

// A widener transforms blocks of 16-bit floats of two rows at a time, in vectors of eight float32 of
// the one and eight of the other: a block of 128 channels has seven steps, three of them within
// eight lanes.
type widener struct {
	bf16        bool
	block       int
	src, signs  Register
	pitch       Register      // bytes from row to row
	one         VecVirtual    // 1 in every lane
	upper       VecVirtual    // of bfloat16: the mask of odd values
	turns       [3]VecVirtual // the signs of steps within vectors
	least, most VecVirtual
	emitted     []timed

	also *quantizer // of rows before, or nil
}

func (w *widener) write() {
	w.begin()
	dst, row, blocks := Arg("dst"), GP64(), GP64()
	w.src, w.signs = Arg("src"), GP64()
	ends := AllocLocal(512)
	for step := range w.turns {
		w.turns[step] = wide(func(i int) uint32 { return 0x3f800000 | uint32(i>>step&1)<<31 })
	}
	w.one = wide(func(int) uint32 { return 0x3f800000 })
	if w.bf16 {
		w.upper = wide(func(int) uint32 { return 0xffff0000 })
	}
	w.pitch = Load(Param("blocks"), GP64())
	IMUL3Q(U32(uint32(2*w.block)), w.pitch, w.pitch)
	var v, grids, upper Register
	if q := w.also; q != nil {
		v, grids, upper = Arg("v"), Arg("grids"), upperHalf()
		q.codes, q.second, q.factor = Arg("codes"), GP64(), ArgMem("factor")
		q.minimum, q.inv = ZMM(), ZMM()
	}
	XORQ(row, row)
	Label("row")
	Load(Param("blocks"), blocks)
	Load(Param("signs"), w.signs)
	if q := w.also; q != nil {
		q.grid(At(grids, 0), upper)
		advance(grids, 8)
		stride := GP64()
		MOVQ(w.pitch, stride)
		SHRQ(Imm(map[int]uint64{8: 1, 4: 2, 2: 3}[q.bits]), stride)
		MOVQ(q.codes, q.second)
		ADDQ(stride, q.second)
	}
	// As whole numbers, of all with a sign the smallest is the greatest, and of all the largest.
	// Neither is if there is none such, and either is not finite if a value is not: in a block every
	// value becomes part of every other.
	w.least, w.most = ZMM(), wide(func(int) uint32 { return 1 << 31 })
	VPXORD(w.least, w.least, w.least)
	Label("block")
	w.transform(dst)
	if q := w.also; q != nil {
		for i := range w.block / 64 {
			steps := q.group(v, i)
			for k, step := range steps { // all the way but for the beginning
				w.emitted = append(w.emitted, timed{1 + (i*len(steps)+k)*9*64/w.block/len(steps), 2, step})
			}
		}
	}
	w.emit()
	if q := w.also; q != nil {
		advance(v, 8*w.block)
		advance(q.codes, w.block*q.bits/8)
		advance(q.second, w.block*q.bits/8)
	}
	advance(dst, 8*w.block)
	advance(w.src, 2*w.block)
	advance(w.signs, 2*w.block)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VMOVUPS(w.least, ends.Idx(row, 1))
	VMOVUPS(w.most, ends.Offset(256).Idx(row, 1))
	ADDQ(w.pitch, w.src)
	if w.also != nil {
		MOVQ(w.also.second, w.also.codes)
	}
	advance(row, 64)
	CMPQ(row, U32(256))
	JNE(LabelRef("row"))
	w.foldEnds(ends)
}

func (w *widener) begin() {
	const doc = `multiplies eight rows of blocks by signs (+0 or -0) and transforms them. It sets ends to the
		smallest of each row and then the largest, or returns false where one has not numbers of both
		signs. Two rows take turns, eight values each; of bfloat16 eight even ones and eight odd.`
	signature := "func(dst *float32, src, signs *uint16, ends *float32, blocks int"
	if w.also == nil {
		Begin(name("widenHadamard", w.bf16, w.block), signature+") bool", doc)
		return
	}
	what := fmt.Sprintf("widenAndQuantize%d", w.also.bits)
	Begin(name(what, w.bf16, w.block), signature+", codes *byte, v, grids *float32, factor float32) bool",
		doc+` It also quantises eight rows that it has written to v before, on grids. A processor does
		both at once: the one waits for sums, the other has none.`)
}

// A timed emits an instruction of a phase. One half of a block goes a phase ahead of the other, so
// that units that the one needs less are there for the other: a processor does not look so far ahead.
type timed struct {
	phase, half int
	instruction func()
}

// half collects the instructions for half of a block.
type half struct {
	*widener
	number int
	v      []VecVirtual
}

func (h *half) at(phase int, instruction func()) {
	h.emitted = append(h.emitted, timed{phase + h.number, h.number, instruction})
}

// emit emits what at has collected.
func (w *widener) emit() {
	sort.SliceStable(w.emitted, func(i, j int) bool { return w.emitted[i].phase < w.emitted[j].phase })
	for all := w.emitted; len(all) > 0; {
		var streams [3][]timed
		n := 0
		for ; n < len(all) && all[n].phase == all[0].phase; n++ {
			streams[all[n].half] = append(streams[all[n].half], all[n])
		}
		var done [3]int
		for range n { // of the stream that is furthest behind
			next := -1
			for i, s := range streams {
				if done[i] < len(s) && (next < 0 || done[i]*len(streams[next]) < done[next]*len(s)) {
					next = i
				}
			}
			streams[next][done[next]].instruction()
			done[next]++
		}
		all = all[n:]
	}
	w.emitted = nil
}

// transform transforms a block, writes it and looks for its ends.
func (w *widener) transform(dst Register) {
	n := w.block / 16
	var halves [2]half
	for i := range halves {
		h := &halves[i]
		*h = half{widener: w, number: i}
		h.load(i * n)
		h.steps()
	}
	a, b := halves[0].v, halves[1].v
	last := &halves[0]
	for i := range n {
		last.at(9, func() {
			sum, u, s := ZMM(), ZMM(), ZMM()
			VADDPS(b[i], a[i], sum)
			VFNMADD132PS(w.one, a[i], b[i])
			VMOVUPS(sum, At(dst, 64*i))
			VMOVUPS(b[i], At(dst, 64*(i+n)))
			VPMAXUD(b[i], sum, u)
			VPMAXUD(u, w.least, w.least)
			VPMAXSD(b[i], sum, s)
			VPMAXSD(s, w.most, w.most)
		})
	}
}

// load loads the vectors from the first on, times signs. Of bfloat16, two have the even and the odd of
// sixteen values.
func (h *half) load(first int) {
	for i := first; i < first+h.block/16; i += 4 {
		other := At(h.src, 16*i).Idx(h.pitch, 1)
		h.at(0, func() {
			PREFETCHT0(At(h.src, 16*i+ahead))
			PREFETCHT0(other.Offset(ahead))
		})
		if h.bf16 {
			h.loadPairs(i, other)
		} else {
			h.loadEights(i, other)
		}
	}
}

// loadPairs loads 32 values of bfloat16.
func (h *half) loadPairs(i int, other Mem) {
	var even, odd [2]VecVirtual
	for k := range even {
		even[k], odd[k] = ZMM(), ZMM()
		h.v = append(h.v, even[k], odd[k])
	}
	h.at(0, func() {
		flips, a := ZMM(), ZMM()
		VMOVUPS(At(h.signs, 16*i), flips)
		VPXORD(At(h.src, 16*i), flips, a)
		VPXORD(other, flips, flips)
		VINSERTI64X4(Imm(1), flips.AsY(), a, odd[0])
		VSHUFI64X2(Imm(0xee), flips, a, odd[1])
	})
	for k := range even {
		h.at(0, func() {
			VPSLLD(Imm(16), odd[k], even[k])
			VPANDD(h.upper, odd[k], odd[k])
		})
	}
}

// loadEights loads 32 values of binary16.
func (h *half) loadEights(i int, other Mem) {
	for k := range 4 {
		x := ZMM()
		h.v = append(h.v, x)
		h.at(1, func() {
			patterns, flips := YMM(), YMM()
			VBROADCASTI32X4(At(h.src, 16*(i+k)), patterns)
			VINSERTI32X4(Imm(1), other.Offset(16*k), patterns, patterns)
			VBROADCASTI32X4(At(h.signs, 16*(i+k)), flips)
			VPXORD(flips, patterns, patterns)
			VCVTPH2PS(patterns, x)
		})
	}
}

// steps applies the steps to neighbours, then to those further apart, but the last. Half of a
// vector's values turn their signs and the swapped vector is added: a multiply-add by ±1 rounds once,
// as an addition does.
func (h *half) steps() {
	first := 1
	if h.bf16 { // neighbours are in two vectors
		h.between(1, 1)
		first = 2
	}
	swaps := []func(x, to VecVirtual){
		func(x, to VecVirtual) { VPERMILPS(Imm(0xb1), x, to) },
		func(x, to VecVirtual) { VPERMILPS(Imm(0x4e), x, to) },
		func(x, to VecVirtual) { VPERMPD(Imm(0x4e), x, to) },
	}
	for step, swap := range swaps {
		for _, x := range h.v {
			swapped := ZMM()
			h.at(2+step, func() { swap(x, swapped) })
			h.at(2+step, func() { VFMADD132PS(h.turns[step], swapped, x) })
		}
	}
	for phase, width := 5, first; width < len(h.v); phase, width = phase+1, 2*width {
		h.between(phase, width)
	}
}

// between applies a step to vectors so far apart. One result is an addition and one a multiply-add by
// -1, for which processors have different units.
func (h *half) between(phase, width int) {
	for i := range h.v {
		if i&width == 0 {
			a, b, sum := h.v[i], h.v[i+width], ZMM()
			h.at(phase, func() { VADDPS(b, a, sum) })
			h.at(phase, func() { VFNMADD132PS(h.one, a, b) })
			h.v[i] = sum
		}
	}
}

// foldEnds finds the ends of each row, and returns.
func (w *widener) foldEnds(ends Mem) {
	out, r, mixed := Arg("ends"), GP32(), K()
	low, high := fold(VPMAXUD, ends), fold(VPMAXSD, ends.Offset(256))
	VMOVUPS(low, At(out, 0))
	VMOVUPS(high, At(out, 32))
	VPANDND(low, high, low)
	VPTESTMD(D(0x80000000), low, mixed) // by signs
	KMOVW(mixed, r)
	CMPL(r, Imm(0xff))
	ok := GP8()
	SETEQ(ok)
	Store(ok, ReturnIndex(0))
	End()
}

// fold folds each of eight vectors in memory to a lane.
func fold(by func(...Op), m Mem) VecVirtual {
	merge := func(a, b VecVirtual, low, high func(b, a, to VecVirtual)) VecVirtual {
		t := YMM()
		low(b, a, t)
		high(b, a, a)
		by(t, a, a)
		return a
	}
	halves := func(i int) VecVirtual {
		return merge(load(m.Offset(32*i)), load(m.Offset(32*(i+4))),
			func(b, a, to VecVirtual) { VSHUFI64X2(Imm(0), b, a, to) },
			func(b, a, to VecVirtual) { VSHUFI64X2(Imm(3), b, a, to) })
	}
	quarters := func(i int) VecVirtual {
		return merge(halves(i), halves(i+1),
			func(b, a, to VecVirtual) { VPUNPCKLQDQ(b, a, to) },
			func(b, a, to VecVirtual) { VPUNPCKHQDQ(b, a, to) })
	}
	return merge(quarters(0), quarters(2),
		func(b, a, to VecVirtual) { VSHUFPS(Imm(0x88), b, a, to) },
		func(b, a, to VecVirtual) { VSHUFPS(Imm(0xdd), b, a, to) })
}

// load is Reg for any of 32 registers.
func load(m Op) VecVirtual {
	y := YMM()
	VMOVUPS(m, y)
	return y
}
