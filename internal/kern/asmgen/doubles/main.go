// Command doubles writes the AVX2 forms of the float64 kernels of which eigenvectors are made.
// Nothing is fused: every product is rounded before it is added.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	tile()
	reflect()
	apply()
	scaled()
	turn()
	Generate()
}

func ptr(name string) Register { return Load(Param(name), GP64()) }

// strideOf loads a stride and makes it one of bytes.
func strideOf(name string) Register {
	r := ptr(name)
	SHLQ(Imm(3), r)
	return r
}

// columns runs body for every 8 columns of the argument "cols", a multiple of 8. advance moves the
// pointers that walk along a row.
func columns(body func(), along ...Register) {
	n := ptr("cols")
	Label("columns")
	body()
	for _, p := range along {
		ADDQ(Imm(64), p)
	}
	SUBQ(Imm(8), n)
	JNZ(LabelRef("columns"))
}

func pair() [2]VecVirtual { return [2]VecVirtual{YMM(), YMM()} }

func load(m Register, y [2]VecVirtual) {
	VMOVUPD(Mem{Base: m}, y[0])
	VMOVUPD(Mem{Base: m, Disp: 32}, y[1])
}

func store(y [2]VecVirtual, m Register) {
	VMOVUPD(y[0], Mem{Base: m})
	VMOVUPD(y[1], Mem{Base: m, Disp: 32})
}

// broadcast returns a factor in every lane.
func broadcast(name string) VecVirtual {
	x, y := XMM(), YMM()
	Load(Param(name), x)
	VBROADCASTSD(x, y)
	return y
}

func tile() {
	TEXT("tile4x8x64AVX2", NOSPLIT,
		"func(dst *float64, ldd int, a *float64, ai, ak int, b *float64, ldb, k int)")
	Pragma("noescape")
	Doc("tile4x8x64AVX2 sets dst[i*ldd+j] to the sum of a[i*ai+l*ak]·b[l*ldb+j] in order of l < k, for",
		"i < 4 and j < 8; k is at least 1.")
	dst, a, b, n := ptr("dst"), ptr("a"), ptr("b"), ptr("k")
	ai, ak, ldb := strideOf("ai"), strideOf("ak"), strideOf("ldb")
	ai3 := GP64()
	LEAQ(Mem{Base: ai, Index: ai, Scale: 2}, ai3)
	var acc [4][2]VecVirtual
	for i := range acc {
		acc[i] = pair()
		VXORPD(acc[i][0], acc[i][0], acc[i][0])
		VXORPD(acc[i][1], acc[i][1], acc[i][1])
	}
	y, x, t := pair(), YMM(), pair()
	Label("loop")
	load(b, y)
	for i, m := range []Mem{{Base: a}, {Base: a, Index: ai, Scale: 1}, {Base: a, Index: ai, Scale: 2},
		{Base: a, Index: ai3, Scale: 1}} {
		VBROADCASTSD(m, x)
		for h := range 2 {
			VMULPD(x, y[h], t[h])
			VADDPD(t[h], acc[i][h], acc[i][h])
		}
	}
	ADDQ(ak, a)
	ADDQ(ldb, b)
	DECQ(n)
	JNZ(LabelRef("loop"))
	ldd := strideOf("ldd")
	for i := range acc {
		store(acc[i], dst)
		if i < 3 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}

func reflect() {
	TEXT("reflect64AVX2", NOSPLIT,
		"func(a *float64, lda, rows, cols int, rv, rp, rn, p, v, acc *float64)")
	Pragma("noescape")
	Doc("reflect64AVX2 sets row i of a to a - rv[i]·p - rp[i]·v and adds rn[i] times that to acc;",
		"cols is a positive multiple of 8, rows is positive.")
	a, rv, rp, rn := ptr("a"), ptr("rv"), ptr("rp"), ptr("rn")
	p, v, acc, lda := ptr("p"), ptr("v"), ptr("acc"), strideOf("lda")
	ps, vs, sum, row, t := pair(), pair(), pair(), pair(), pair()
	x, y, z := YMM(), YMM(), YMM()
	i, at, rows := GP64(), GP64(), GP64()
	columns(func() {
		load(p, ps)
		load(v, vs)
		load(acc, sum)
		MOVQ(a, at)
		XORQ(i, i)
		Load(Param("rows"), rows)
		Label("rows")
		VBROADCASTSD(Mem{Base: rv, Index: i, Scale: 8}, x)
		VBROADCASTSD(Mem{Base: rp, Index: i, Scale: 8}, y)
		VBROADCASTSD(Mem{Base: rn, Index: i, Scale: 8}, z)
		load(at, row)
		for h := range 2 {
			VMULPD(ps[h], x, t[h])
			VSUBPD(t[h], row[h], row[h])
			VMULPD(vs[h], y, t[h])
			VSUBPD(t[h], row[h], row[h])
			VMULPD(row[h], z, t[h])
			VADDPD(t[h], sum[h], sum[h])
		}
		store(row, at)
		ADDQ(lda, at)
		INCQ(i)
		CMPQ(i, rows)
		JNE(LabelRef("rows"))
		store(sum, acc)
	}, a, p, v, acc)
	VZEROUPPER()
	RET()
}

func apply() {
	TEXT("apply64AVX2", NOSPLIT, "func(a *float64, lda, rows, cols int, rz, rn, z, acc *float64)")
	Pragma("noescape")
	Doc("apply64AVX2 sets row i of a to a - rz[i]·z and adds rn[i] times that to acc; cols is a",
		"positive multiple of 8, rows is positive.")
	a, rz, rn := ptr("a"), ptr("rz"), ptr("rn")
	z, acc, lda := ptr("z"), ptr("acc"), strideOf("lda")
	zs, sum, row, t := pair(), pair(), pair(), pair()
	x, y := YMM(), YMM()
	i, at, rows := GP64(), GP64(), GP64()
	columns(func() {
		load(z, zs)
		load(acc, sum)
		MOVQ(a, at)
		XORQ(i, i)
		Load(Param("rows"), rows)
		Label("rows")
		VBROADCASTSD(Mem{Base: rz, Index: i, Scale: 8}, x)
		VBROADCASTSD(Mem{Base: rn, Index: i, Scale: 8}, y)
		load(at, row)
		for h := range 2 {
			VMULPD(zs[h], x, t[h])
			VSUBPD(t[h], row[h], row[h])
			VMULPD(row[h], y, t[h])
			VADDPD(t[h], sum[h], sum[h])
		}
		store(row, at)
		ADDQ(lda, at)
		INCQ(i)
		CMPQ(i, rows)
		JNE(LabelRef("rows"))
		store(sum, acc)
	}, a, z, acc)
	VZEROUPPER()
	RET()
}

func scaled() {
	TEXT("scaledSumsAVX2", NOSPLIT,
		"func(sum, square *float64, x *float32, scale *float64, step, stride, cols, rows int)")
	Pragma("noescape")
	Doc("scaledSumsAVX2 adds x[r/step*stride+j]·scale[r] to sum[j], and its square to square[j], for every",
		"step-th r below rows; cols is a positive multiple of 8, rows and step are positive.")
	sum, square, x := ptr("sum"), ptr("square"), ptr("x")
	step, stride := strideOf("step"), ptr("stride")
	scale := ptr("scale")
	SHLQ(Imm(2), stride)
	sums, squares, v, t, f := pair(), pair(), pair(), pair(), YMM()
	i, at, rows := GP64(), GP64(), GP64()
	columns(func() {
		load(sum, sums)
		load(square, squares)
		MOVQ(x, at)
		XORQ(i, i)
		Load(Param("rows"), rows)
		SHLQ(Imm(3), rows)
		Label("rows")
		VBROADCASTSD(Mem{Base: scale, Index: i, Scale: 1}, f)
		for h := range 2 {
			VCVTPS2PD(Mem{Base: at, Disp: 16 * h}, v[h])
			VMULPD(f, v[h], v[h])
			VADDPD(v[h], sums[h], sums[h])
			VMULPD(v[h], v[h], t[h])
			VADDPD(t[h], squares[h], squares[h])
		}
		ADDQ(stride, at)
		ADDQ(step, i)
		CMPQ(i, rows)
		JLT(LabelRef("rows"))
		store(sums, sum)
		store(squares, square)
		ADDQ(Imm(32), x)
	}, sum, square)
	VZEROUPPER()
	RET()
}

func turn() {
	TEXT("turn64AVX2", NOSPLIT, "func(a, b *float64, s, c float64, cols int)")
	Pragma("noescape")
	Doc("turn64AVX2 sets a to c·a - s·b and b to s·a + c·b; cols is a positive multiple of 8.")
	a, b := ptr("a"), ptr("b")
	s, c := broadcast("s"), broadcast("c")
	x, y, t, u := pair(), pair(), pair(), pair()
	columns(func() {
		load(a, x)
		load(b, y)
		for h := range 2 {
			VMULPD(s, x[h], t[h])
			VMULPD(c, y[h], u[h])
			VADDPD(u[h], t[h], t[h])
			VMULPD(c, x[h], x[h])
			VMULPD(s, y[h], y[h])
			VSUBPD(y[h], x[h], x[h])
		}
		store(x, a)
		store(t, b)
	}, a, b)
	VZEROUPPER()
	RET()
}
