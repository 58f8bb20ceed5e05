package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// rows is how many groups make a block: their grids are vectors.
const rows = 8

// A walk goes over blocks: it looks for the extents of one, fits their grids, and writes the codes.
// The first look reads from memory in one run, which does best where little else is done; the second
// finds the values in the first-level cache, and fetches what the first will need.
type walk struct {
	kernel
	codes, scales, minima Register
	src, ahead            Register // of the values to code, and of those to see
	left                  Register // blocks
	far                   Register // how far from src, in bytes, lines are fetched
	seen                  Register // where extents are kept: rows times the greatest as signed, then as unsigned
	grids                 Mem      // minima, reciprocals
	greatest, least       VecVirtual
	minimum, inverse      VecVirtual
	places, most          VecVirtual
	mask, one             VecVirtual
}

func quantizeGroups(k kernel) {
	TEXT(k.name("quantizeGroups"), 0, "func(codes, scales, minima *byte, src *uint16, n, blocks int) int")
	Pragma("noescape")
	Doc(k.name("quantizeGroups")+" quantises blocks of eight groups of n neighbouring values, n a multiple of 64,",
		"and returns how many blocks it did before one whose grid cannot be stored.")
	w := newWalk(k)
	MOVQ(w.src, w.ahead)
	Label("block")
	w.see()
	w.fit()
	w.encodeBlock()
	DECQ(w.left)
	JNZ(LabelRef("block"))
	Label("done")
	done := ptr("blocks")
	SUBQ(w.left, done)
	Store(done, ReturnIndex(0))
	VZEROUPPER()
	if k.around {
		SFENCE()
	}
	RET()
}

// leastFar is how far ahead lines are fetched at least: nearer, they come too late.
const leastFar = 4096

func newWalk(k kernel) *walk {
	w := &walk{kernel: k, codes: ptr("codes"), scales: ptr("scales"), minima: ptr("minima"), src: ptr("src"),
		ahead: GP64(), left: ptr("blocks"), far: ptr("n"), seen: GP64(),
		greatest: ZMM(), least: ZMM(), minimum: ZMM(), inverse: ZMM()}
	SHLQ(Imm(4), w.far) // a block
	enough := GP64()
	MOVQ(U32(leastFar), enough)
	CMPQ(w.far, enough)
	CMOVQLT(enough, w.far)
	w.grids = AllocLocal(2 * 4 * rows)
	LEAQ(AllocLocal(64*2*rows+64), w.seen)
	ADDQ(Imm(63), w.seen)
	ANDQ(I32(-64), w.seen)
	w.places = load(bytesOf(k.name("Place"), k.place))
	w.most = load(dword([...]string{2: "Code2", 4: "Code4", 8: "Code8"}[k.bits], k.top()*0x01010101))
	w.mask = load(upperHalf())
	w.one = load(dword("One", 0x3f800000))
	return w
}

// see looks for the extents of the block at ahead.
func (w *walk) see() {
	row, left := GP64(), GP64()
	MOVQ(w.seen, row)
	Label("seeRow")
	VMOVDQU64(dword("Signed", 0x80008000), w.greatest)
	VPXORD(w.least, w.least, w.least)
	Load(Param("n"), left)
	Label("seeValues")
	for disp := 0; disp < 128; disp += 64 {
		x := load(Mem{Base: w.ahead, Disp: disp}) // once: it comes from memory
		VPMAXSW(x, w.greatest, w.greatest)
		VPMAXUW(x, w.least, w.least)
	}
	advance(w.ahead, 128)
	SUBQ(Imm(64), left)
	JNZ(LabelRef("seeValues"))
	VMOVDQA64(w.greatest, Mem{Base: row})
	VMOVDQA64(w.least, Mem{Base: row, Disp: 64 * rows})
	ADDQ(Imm(64), row)
	MOVQ(row, left)
	SUBQ(w.seen, left)
	CMPQ(left, U32(64*rows))
	JNE(LabelRef("seeRow"))
}

// encodeBlock writes the codes of a block.
func (w *walk) encodeBlock() {
	row, left := GP64(), GP64()
	XORQ(row, row)
	Label("row")
	VBROADCASTSS(w.grids.Idx(row, 4), w.minimum)
	VBROADCASTSS(w.grids.Idx(row, 4).Offset(4*rows), w.inverse)
	Load(Param("n"), left)
	Label("values")
	w.encode()
	SUBQ(Imm(64), left)
	JNZ(LabelRef("values"))
	INCQ(row)
	CMPQ(row, Imm(rows))
	JNE(LabelRef("row"))
}

// encode writes the codes of 64 values.
func (w *walk) encode() {
	var words [2]VecVirtual
	for disp := 0; disp < 128; disp += 64 {
		PREFETCHNTA(Mem{Base: w.src, Index: w.far, Scale: 1, Disp: disp})
	}
	for i := range words {
		x, y := w.widen(Mem{Base: w.src, Disp: 64 * i})
		VFMSUB213PS(w.minimum, w.one, x) // x·1 − minimum, rounded once: adders have more to do than multipliers
		VSUBPS(w.minimum, y, y)
		for _, v := range []VecVirtual{x, y} {
			VMULPS(w.inverse, v, v)
			VCVTPS2DQ(v, v)
		}
		VPACKUSDW(y, x, x)
		words[i] = x
	}
	z := words[0]
	VPACKUSWB(words[1], z, z)
	w.pack(z)
	advance(w.src, 128)
	advance(w.codes, 8*w.bits)
}

// widen returns 32 values at m: the first and the second 16, or for bfloat16 the even and the odd
// ones.
func (w *walk) widen(m Mem) (x, y VecVirtual) {
	x, y = ZMM(), ZMM()
	if w.bf16 {
		VMOVDQU64(m, y)
		VPSLLD(Imm(16), y, x)
		VPANDD(y, w.mask, y)
	} else {
		VCVTPH2PS(m, x)
		VCVTPH2PS(m.Offset(32), y)
	}
	return x, y
}

// place is where encode leaves code i of 64, and after packing every byte: in byte i of the result
// the place of the byte that belongs there.
func (k kernel) place(i int) byte {
	if i *= 8 / k.bits; i >= 64 {
		return 0
	}
	half, in := i/32, i%32 // of the 64, and in it
	if k.bf16 {            // in each quarter of a vector, four even ones, four odd ones, of both halves
		return byte(in/8*16 + half*8 + in%2*4 + in%8/2)
	}
	return byte(in%16/4*16 + half*8 + in/16*4 + in%4) // four of each sixteen
}

// pack packs 64 codes and stores them.
func (w *walk) pack(z VecVirtual) {
	if w.bits < 8 {
		VPMINUB(w.most, z, z)
	}
	switch {
	case w.bits < 8 && w.bf16: // every odd code above the even one before it
		t := ZMM()
		VPSRLQ(Imm(uint64(32-w.bits)), z, t)
		VPORD(t, z, z)
		if w.bits == 2 {
			VPMADDUBSW(dword("Pairs4", 0x10011001), z, z)
		}
	case w.bits == 4:
		VPMADDUBSW(dword("Pairs4", 0x10011001), z, z)
	case w.bits == 2:
		VPMADDUBSW(dword("Pairs2", 0x04010401), z, z)
		VPMADDWD(dword("Quads2", 0x00100001), z, z)
	}
	VPERMB(z, w.places, z)
	m := Mem{Base: w.codes}
	var out Op = z
	switch w.bits {
	case 4:
		out = z.AsY()
	case 2:
		out = z.AsX()
	}
	if w.around {
		VMOVNTDQ(out, m)
	} else {
		VMOVDQU64(out, m)
	}
}
