// Command exponents512 writes the AVX-512 forms of the kernels of command exponents, for
// processors that look bytes up in tables of 128 (VBMI). They halve the instructions.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	split()
	splitChunks()
	merge("mergeExponentsVBMI", false)
	merge("mergeExponentsStreamVBMI", true)
	stream()
	count()
	Generate()
}

func ptr(name string) Register { return Load(Param(name), GP64()) }

// splat fills every 32-bit lane with v.
func splat(v uint32) VecVirtual {
	r, z := GP32(), ZMM()
	MOVL(U32(v), r)
	VPBROADCASTD(r, z)
	return z
}

var constants = map[string]Mem{}

// constant returns a register of 64 bytes, byte i of which is f(i).
func constant(name string, f func(i int) int) VecVirtual {
	data, ok := constants[name]
	if !ok {
		data = GLOBL(name, RODATA|NOPTR)
		for i := 0; i < 64; i += 8 {
			x := uint64(0)
			for k := range 8 {
				x |= uint64(f(i+k)) << (8 * k)
			}
			DATA(i, U64(x))
		}
		constants[name] = data
	}
	z := ZMM()
	VMOVDQU64(data, z)
	return z
}

func loop(step int, body func()) {
	n := Load(Param("n"), GP64())
	Label("loop")
	body()
	SUBQ(Imm(uint64(step)), n)
	JNZ(LabelRef("loop"))
}

func advance(p Register, bytes int) { ADDQ(U32(bytes), p) }

// choose returns for each index the byte of two tables of 64 one behind the other.
func choose(index, low, high VecVirtual) VecVirtual {
	z := ZMM()
	VMOVDQA64(index, z)
	VPERMI2B(high, low, z)
	return z
}

// Truth tables of a 3-input function, the first input first: 0xf0, 0xcc, 0xaa are the inputs.
const pick = 0xca // of the second where the first is 1, else of the third

func split() {
	TEXT("splitExponentsVBMI", NOSPLIT,
		"func(rest, index *byte, missed *uint32, src *uint16, n int, table *byte) uint64")
	Pragma("noescape")
	Doc("splitExponentsVBMI is splitExponentsAVX2 with a table of 256 indices, 0x80 for exponents that",
		"have none.")
	s := newSplitter(ptr("rest"), ptr("index"), ptr("missed"))
	loop(64, s.step)
	VZEROUPPER()
	all := GP64()
	KMOVQ(s.all, all)
	Store(all, ReturnIndex(0))
	RET()
}

// soon is how far, in bytes, patterns are fetched before they are read, past the caches that they
// would not stay in: a chunk.
const soon = 2048

// A splitter holds the registers of split.
type splitter struct {
	rest, index, missed, src    Register
	table                       [4]VecVirtual
	evens, odds                 VecVirtual
	sign, nibble, weights, ones VecVirtual
	carry, above, none, all     Register
}

func newSplitter(rest, index, missed Register) *splitter {
	s := &splitter{
		rest: rest, index: index, missed: missed, src: ptr("src"),
		evens: constant("evens", func(i int) int { return 2 * i }),
		odds:  constant("odds", func(i int) int { return 2*i + 1 }),
		sign:  splat(0x80808080), nibble: splat(0x0f0f0f0f), weights: splat(0x10011001),
		ones: splat(0xffffffff), carry: K(), above: K(), none: K(), all: K(),
	}
	base := ptr("table")
	for i := range s.table {
		s.table[i] = ZMM()
		VMOVDQU64(Mem{Base: base, Disp: 64 * i}, s.table[i])
	}
	KXORQ(s.all, s.all, s.all)
	return s
}

// step does 64 patterns.
func (s *splitter) step() {
	a, b, e, r, code := ZMM(), ZMM(), ZMM(), ZMM(), YMM()
	PREFETCHNTA(Mem{Base: s.src, Disp: soon})
	PREFETCHNTA(Mem{Base: s.src, Disp: soon + 64})
	VMOVDQU64(Mem{Base: s.src}, a)
	VMOVDQU64(Mem{Base: s.src, Disp: 64}, b)
	low, high := choose(s.evens, a, b), choose(s.odds, a, b)
	VPMOVB2M(low, s.carry)
	VPADDB(high, high, e)
	VPSUBB(s.ones, e, s.carry, e)
	VMOVDQA64(s.sign, r)
	VPTERNLOGD(U8(pick), low, high, r)
	VMOVDQU64(r, Mem{Base: s.rest})
	x, y := choose(e, s.table[0], s.table[1]), choose(e, s.table[2], s.table[3])
	VPMOVB2M(e, s.above)
	VMOVDQU8(y, s.above, x)
	VPMOVB2M(x, s.none)
	KMOVQ(s.none, Mem{Base: s.missed})
	KORQ(s.none, s.all, s.all)
	VPANDD(s.nibble, x, x)
	VPMADDUBSW(s.weights, x, x)
	VPMOVWB(x, code)
	VMOVDQU(code, Mem{Base: s.index})
	advance(s.src, 128)
	advance(s.rest, 64)
	advance(s.index, 32)
	advance(s.missed, 8)
}

// table16 loads 16 bytes into every quarter of a register.
func table16(base Register, disp int) VecVirtual {
	z := ZMM()
	VBROADCASTI32X4(Mem{Base: base, Disp: disp}, z)
	return z
}

// ahead is how far, in bytes, a chunk's streams are fetched before they are read: they are too
// short for the hardware to see where they go.
const ahead = 3072

func merge(name string, stream bool) {
	TEXT(name, NOSPLIT, "func(dst *uint16, rest, index *byte, n int, book *byte)")
	Pragma("noescape")
	if stream {
		Doc(name + " is mergeExponentsStreamAVX2; dst is a multiple of 64.")
	} else {
		Doc(name + " is mergeExponentsAVX2.")
	}
	suffix := map[bool]string{true: "Stream"}[stream]
	first := constant("first"+suffix, func(i int) int { return i/2 + i%2*64 })
	second := constant("second"+suffix, func(i int) int { return 32 + i/2 + i%2*64 })
	dst, rest, index, base := ptr("dst"), ptr("rest"), ptr("index"), ptr("book")
	halves, odds := table16(base, 0), table16(base, 16)
	sign, nibble := splat(0x80808080), splat(0x0f0f0f0f)
	far := GP64()
	LEAQ(Mem{Base: rest, Disp: ahead}, far)
	loop(64, func() {
		PREFETCHT0(Mem{Base: far})
		PREFETCHT0(Mem{Base: far, Disp: 48})
		advance(far, 96)
		n, t, r, high, low := ZMM(), ZMM(), ZMM(), ZMM(), ZMM()
		VPMOVZXBW(Mem{Base: index}, n)
		VPSLLW(Imm(4), n, t)
		VPORD(t, n, n)
		VPANDD(nibble, n, n)
		VMOVDQU64(Mem{Base: rest}, r)
		VPSHUFB(n, halves, high)
		VPSHUFB(n, odds, low)
		// The sign goes above the exponent's half, the fraction below its last bit.
		VPTERNLOGD(U8(0xf8), r, sign, high) // high or (sign and r)
		VPTERNLOGD(U8(0xf2), r, sign, low)  // low or (r and not sign)
		x, y := choose(first, low, high), choose(second, low, high)
		if stream {
			VMOVNTDQ(x, Mem{Base: dst})
			VMOVNTDQ(y, Mem{Base: dst, Disp: 64})
		} else {
			VMOVDQU64(x, Mem{Base: dst})
			VMOVDQU64(y, Mem{Base: dst, Disp: 64})
		}
		advance(dst, 128)
		advance(rest, 64)
		advance(index, 32)
	})
	VZEROUPPER()
	RET()
}

func stream() {
	TEXT("streamAVX512", NOSPLIT, "func(dst, src *byte, n int)")
	Pragma("noescape")
	Doc("streamAVX512 is streamAVX2; dst is a multiple of 64.")
	dst, src := ptr("dst"), ptr("src")
	loop(64, func() {
		z := ZMM()
		VMOVDQU64(Mem{Base: src}, z)
		VMOVNTDQ(z, Mem{Base: dst})
		advance(src, 64)
		advance(dst, 64)
	})
	VZEROUPPER()
	RET()
}
