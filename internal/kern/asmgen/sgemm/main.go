// Command sgemm writes the float32 matrix kernels of package kern: register tiles of the product
// of a row-major matrix with 16-column panels, for AVX2+FMA (16 columns) and AVX-512 (32).
//
// Every element of a tile is one chain of fused multiply-adds over k, in order, whatever the
// tile's height. So a row's result does not depend on the rows beside it.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	for _, rows := range []int{6, 4, 2, 1} {
		tile("AVX2", rows, 8)
	}
	for _, rows := range []int{12, 8, 4, 2, 1} {
		tile("AVX512", rows, 16)
	}
	Generate()
}

// vectors is how many vector registers a tile is wide.
const vectors = 2

type kernel struct {
	rows, lanes int
	ldx, ldb    Register // bytes between rows of x and of b
	step        Register // bytes from the first to the second vector of b
	x           []Register
	b, k        Register
	acc         [][vectors]VecVirtual
}

func tile(isa string, rows, lanes int) {
	name := fmt.Sprintf("gemm%dx%d%s", rows, vectors*lanes, isa)
	TEXT(name, NOSPLIT,
		"func(dst *float32, ldd int, x *float32, ldx int, b *float32, ldb, step, k int)")
	what := "%s sets dst[i*ldd+j] = Σ x[i*ldx+l]·b[l*ldb+j], %d × %d of them, where"
	Doc(fmt.Sprintf(what, name, rows, vectors*lanes),
		fmt.Sprintf("columns from %d on lie step floats further in b. k is at least 1.", lanes))
	kn := &kernel{rows: rows, lanes: lanes}
	kn.load()
	kn.loop()
	kn.store()
	VZEROUPPER()
	RET()
}

func (kn *kernel) vector() VecVirtual {
	if kn.lanes == 16 {
		return ZMM()
	}
	return YMM()
}

// load reads the arguments. Rows of x are addressed from every third row's pointer.
func (kn *kernel) load() {
	bytes := func(arg string) Register {
		r := Load(Param(arg), GP64())
		SHLQ(Imm(2), r)
		return r
	}
	kn.ldx, kn.ldb, kn.step = bytes("ldx"), bytes("ldb"), bytes("step")
	kn.b = Load(Param("b"), GP64())
	kn.k = Load(Param("k"), GP64())
	kn.x = append(kn.x, Load(Param("x"), GP64()))
	for i := 3; i < kn.rows; i += 3 {
		p := GP64()
		LEAQ(Mem{Base: kn.x[len(kn.x)-1], Index: kn.ldx, Scale: 2}, p)
		ADDQ(kn.ldx, p)
		kn.x = append(kn.x, p)
	}
	for range kn.rows {
		var row [vectors]VecVirtual
		for v := range row {
			row[v] = kn.vector()
			if kn.lanes == 16 {
				VPXORQ(row[v], row[v], row[v])
			} else {
				VXORPS(row[v], row[v], row[v])
			}
		}
		kn.acc = append(kn.acc, row)
	}
}

func (kn *kernel) at(row int) Mem {
	m := Mem{Base: kn.x[row/3]}
	if r := row % 3; r > 0 {
		m.Index, m.Scale = kn.ldx, uint8(r)
	}
	return m
}

func (kn *kernel) loop() {
	Label("loop")
	b := [vectors]VecVirtual{kn.vector(), kn.vector()}
	VMOVUPS(Mem{Base: kn.b}, b[0])
	VMOVUPS(Mem{Base: kn.b, Index: kn.step, Scale: 1}, b[1])
	for i := range kn.rows {
		x := kn.vector()
		VBROADCASTSS(kn.at(i), x)
		for v := range vectors {
			VFMADD231PS(b[v], x, kn.acc[i][v])
		}
	}
	ADDQ(kn.ldb, kn.b)
	for _, p := range kn.x {
		ADDQ(Imm(4), p)
	}
	DECQ(kn.k)
	JNZ(LabelRef("loop"))
}

func (kn *kernel) store() {
	dst := Load(Param("dst"), GP64())
	ldd := Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	for i := range kn.rows {
		for v := range vectors {
			VMOVUPS(kn.acc[i][v], Mem{Base: dst, Disp: v * kn.lanes * 4})
		}
		if i+1 < kn.rows {
			ADDQ(ldd, dst)
		}
	}
}
