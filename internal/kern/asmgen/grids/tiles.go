package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	common "kvgauge/internal/kern/asmgen/lanes"
)

// quantizeTiles takes 32 channels at a time, so that grids lie in the lanes in which values do.
func (k kernel) quantizeTiles() {
	TEXT(k.name("quantizeTiles"), 0,
		"func(codes, scales, minima *byte, src *uint16, dim, rows, blocks int) int")
	Pragma("noescape")
	Doc(k.name("quantizeTiles")+" quantises tiles of rows by dim values with a grid for every column, dim a",
		"multiple of 32, and returns how many tiles it did before one with a grid that cannot be stored.")
	codes, scales, minima, src := ptr("codes"), ptr("scales"), ptr("minima"), ptr("src")
	blocks := ptr("blocks")
	grids := AllocLocal(8 * 32) // minima and reciprocals of four vectors
	w := newTileWalk(k, src, codes)
	w.findWide()

	Label("tile")
	w.startTile()
	Label("columns")
	in, left := w.startColumns()
	SUBQ(Imm(1), left)
	e, f := newExtent(load(Mem{Base: in})), newExtent(load(Mem{Base: in, Disp: 32}))
	JZ(LabelRef("extentDone"))
	Label("extent")
	ADDQ(w.stride, in)
	e.add(load(Mem{Base: in}))
	f.add(load(Mem{Base: in, Disp: 32}))
	DECQ(left)
	JNZ(LabelRef("extent"))
	Label("extentDone")
	k.fitColumns(e, scales, minima, 0, grids)
	k.fitColumns(f, scales, minima, 32, grids.Offset(128))
	advance(scales, 64)
	advance(minima, 64)

	var g [8]VecVirtual
	for i := range g {
		g[i] = load(grids.Offset(32 * i))
	}
	in, left = w.startColumns()
	out := w.codesHere()
	Label("row")
	w.fetchWide(Mem{Base: in, Disp: 64})
	x := k.codes32(Mem{Base: in}, func(i int) (low, inv Op) { return g[2*i], g[2*i+1] })
	k.finish(x, Mem{Base: out})
	ADDQ(w.stride, in)
	ADDQ(w.codeStride, out)
	DECQ(left)
	JNZ(LabelRef("row"))

	w.nextColumns("columns")
	w.nextTile()
	DECQ(blocks)
	JNZ(LabelRef("tile"))
	Label("done")
	k.returnDone(blocks)
}

// A tileWalk goes over tiles, and in each over blocks of 32 columns.
type tileWalk struct {
	kernel
	src, codes         Register // of the block of columns
	stride, codeStride Register // from row to row, in bytes
	columns            Register // left, in blocks of 32
	ahead, codesAhead  Register // what to fetch, a tile ahead
	wide               Mem      // of fetchWide
}

// wideTile is the bytes of a tile from which on it is one that is wide.
const wideTile = 12 << 10

func newTileWalk(k kernel, src, codes Register) tileWalk {
	w := tileWalk{k, src, codes, ptr("dim"), GP64(), GP64(), ptr("rows"), ptr("rows"), Mem{}}
	MOVQ(w.stride, w.codeStride)
	SHRQ(Imm([...]uint64{2: 2, 4: 1, 8: 0}[k.bits]), w.codeStride)
	SHLQ(Imm(1), w.stride)
	IMULQ(w.stride, w.ahead)
	IMULQ(w.codeStride, w.codesAhead)
	ADDQ(src, w.ahead)
	ADDQ(codes, w.codesAhead)
	return w
}

// fetch begins to load what lies a tile ahead, in its order in memory: the walk itself strides.
func (w tileWalk) fetch() {
	PREFETCHT0(Mem{Base: w.ahead})
	PREFETCHT0(Mem{Base: w.codesAhead})
	advance(w.ahead, 64)
	advance(w.codesAhead, 4*w.bits)
}

// findWide finds out whether a tile and the next are more than the first-level cache holds well.
func (w *tileWalk) findWide() {
	w.wide = AllocLocal(8)
	rows, t := ptr("rows"), GP64()
	MOVQ(w.stride, t)
	IMULQ(rows, t)
	SUBQ(U32(wideTile), t)
	NOTQ(t)
	SHRQ(Imm(63), t)
	MOVQ(t, w.wide)
}

// fetchWide is fetch, but of wide tiles what lies ahead goes to the second level, and what follows in
// the row, at next, to the first. Where values are written it does not pay.
func (w tileWalk) fetchWide(next Mem) {
	CMPQ(w.wide, Imm(0))
	JNE(LabelRef("wide"))
	w.fetch()
	JMP(LabelRef("fetched"))
	Label("wide")
	PREFETCHT1(Mem{Base: w.ahead})
	PREFETCHT1(Mem{Base: w.codesAhead})
	PREFETCHT0(next)
	advance(w.ahead, 64)
	advance(w.codesAhead, 4*w.bits)
	Label("fetched")
}

func (w tileWalk) startTile() {
	Load(Param("dim"), w.columns)
	SHRQ(Imm(5), w.columns)
}

// startColumns returns where the first row of a block of columns is, and how many rows there are.
func (w tileWalk) startColumns() (src, rows Register) {
	src = GP64()
	MOVQ(w.src, src)
	return src, ptr("rows")
}

func (w tileWalk) codesHere() Register {
	codes := GP64()
	MOVQ(w.codes, codes)
	return codes
}

func (w tileWalk) nextColumns(label string) {
	advance(w.src, 64)
	advance(w.codes, 4*w.bits)
	DECQ(w.columns)
	JNZ(LabelRef(label))
}

// nextTile skips the rows of a tile but the first, which has been passed.
func (w tileWalk) nextTile() {
	rows := ptr("rows")
	DECQ(rows)
	t := GP64()
	MOVQ(rows, t)
	IMULQ(w.stride, t)
	ADDQ(t, w.src)
	IMULQ(w.codeStride, rows)
	ADDQ(rows, w.codes)
}

// fitColumns fits and stores the grids of sixteen columns, or jumps to done. Of two vectors the
// first has the first eight columns, or for bfloat16 the even ones.
func (k kernel) fitColumns(e extent, scales, minima Register, at int, grids Mem) {
	mask := YMM()
	VPSRAW(Imm(15), e.umin, mask)
	VPBLENDVB(mask, e.umin, e.smax, e.smax)
	VPSRAW(Imm(15), e.umax, mask)
	VPBLENDVB(mask, e.umax, e.umin, e.umin)
	low, high := e.umin, e.smax
	if !k.bf16 {
		VMOVDQU(low, Mem{Base: minima, Disp: at})
	}
	var f [2]fit
	for i := range f {
		f[i] = k.fitGrids(k.half(low, i), k.half(high, i))
		VMOVUPS(f[i].low, grids.Offset(64*i))
		VMOVUPS(f[i].inv, grids.Offset(64*i+32))
	}
	VANDPS(f[1].good, f[0].good, f[0].good)
	unlessGood(f[0].good, "done")
	k.store16(f[0].scale16, f[1].scale16, Mem{Base: scales, Disp: at})
	if k.bf16 {
		k.store16(f[0].least16, f[1].least16, Mem{Base: minima, Disp: at})
	}
}

// half widens the first or second eight of sixteen values; for bfloat16 the even or odd ones.
func (k kernel) half(x VecVirtual, i int) VecVirtual {
	y := YMM()
	switch {
	case k.bf16 && i == 0:
		VPSLLD(Imm(16), x, y)
	case k.bf16:
		VPAND(upperHalf(), x, y)
	case i == 0:
		VCVTPH2PS(x.AsX(), y)
	default:
		VEXTRACTI128(Imm(1), x, y.AsX())
		VCVTPH2PS(y.AsX(), y)
	}
	return y
}

// store16 stores words that belong to what half returned.
func (k kernel) store16(a, b VecVirtual, m Mem) {
	if k.bf16 {
		t := XMM()
		VPUNPCKLWD(b, a, t)
		VPUNPCKHWD(b, a, b)
		a = t
	}
	VMOVDQU(a, m)
	VMOVDQU(b, m.Offset(16))
}

// dequantizeTiles undoes quantizeTiles.
func (k kernel) dequantizeTiles() {
	TEXT(k.name("dequantizeTiles"), NOSPLIT,
		"func(dst *uint16, codes, scales, minima *byte, dim, rows, blocks int) int")
	Pragma("noescape")
	Doc(k.name("dequantizeTiles")+" undoes quantizeTiles. It stops before a tile with a scale or minimum that is none,",
		"or values beyond the type.")
	dst, codes, scales, minima := ptr("dst"), ptr("codes"), ptr("scales"), ptr("minima")
	blocks := ptr("blocks")
	w := newTileWalk(k, dst, codes)

	Label("tile")
	w.startTile()
	Label("columns")
	var scale, low [4]VecVirtual
	for i := range 2 {
		s, m := load(Mem{Base: scales, Disp: 32 * i}), load(Mem{Base: minima, Disp: 32 * i})
		common.UnlessNumbers(s, m, "done")
		scale[2*i], scale[2*i+1] = k.widenGrids(s)
		low[2*i], low[2*i+1] = k.widenGrids(m)
		k.unlessFits(scale[2*i], low[2*i])
		k.unlessFits(scale[2*i+1], low[2*i+1])
	}
	advance(scales, 64)
	advance(minima, 64)
	out, left := w.startColumns()
	in := w.codesHere()
	Label("row")
	w.fetch()
	for i := range 2 {
		x, y := k.spread(Mem{Base: in, Disp: 2 * k.bits * i})
		value(x, scale[2*i], low[2*i])
		value(y, scale[2*i+1], low[2*i+1])
		if k.bf16 {
			VMOVDQU(alternate(x, y), Mem{Base: out, Disp: 32 * i})
		} else {
			VCVTPS2PH(Imm(0), x, Mem{Base: out, Disp: 32 * i})
			VCVTPS2PH(Imm(0), y, Mem{Base: out, Disp: 32*i + 16})
		}
	}
	ADDQ(w.stride, out)
	ADDQ(w.codeStride, in)
	DECQ(left)
	JNZ(LabelRef("row"))

	w.nextColumns("columns")
	w.nextTile()
	DECQ(blocks)
	JNZ(LabelRef("tile"))
	Label("done")
	k.returnDone(blocks)
}

// widenGrids widens sixteen binary16, in the order in which spread has the codes.
func (k kernel) widenGrids(x VecVirtual) (a, b VecVirtual) {
	if k.bf16 {
		VPSHUFB(data("parity", 0x05040100, 0x0d0c0908, 0x07060302, 0x0f0e0b0a), x, x)
		VPERMQ(Imm(0xd8), x, x)
	}
	a, b = YMM(), YMM()
	VEXTRACTI128(Imm(1), x, b.AsX())
	VCVTPH2PS(b.AsX(), b)
	VCVTPH2PS(x.AsX(), a)
	return a, b
}

// spread returns sixteen codes at m: the first and the second eight, or for bfloat16 the even and
// the odd ones.
func (k kernel) spread(m Mem) (x, y VecVirtual) {
	x, y = YMM(), YMM()
	code := data([...]string{2: "lowest2", 4: "lowest4", 8: "lowest8"}[k.bits], k.top())
	switch {
	case k.bits == 8 && k.bf16:
		VPMOVZXWD(m, y)
		VPAND(code, y, x)
		VPSRLD(Imm(8), y, y)
	case k.bits == 8:
		VPMOVZXBD(m, x)
		VPMOVZXBD(m.Offset(8), y)
	case k.bits == 4 && k.bf16:
		VPMOVZXBD(m, y)
		VPAND(code, y, x)
		VPSRLD(Imm(4), y, y)
	case k.bits == 4:
		each := shifts("each4", 0, 4)
		for i, v := range []VecVirtual{x, y} {
			VPBROADCASTD(m.Offset(4*i), v)
			VPSRLVD(each, v, v)
			VPAND(code, v, v)
		}
	default:
		first, second := shifts("each2", 0, 2), shifts("each2high", 16, 2)
		if k.bf16 {
			first, second = shifts("evens2", 0, 4), shifts("odds2", 2, 4)
		}
		VPBROADCASTD(m, y)
		VPSRLVD(first, y, x)
		VPSRLVD(second, y, y)
		VPAND(code, x, x)
		VPAND(code, y, y)
	}
	return x, y
}
