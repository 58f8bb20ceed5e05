// Command stream writes the copy that goes around the caches.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

func main() {
	TEXT("streamAVX2", NOSPLIT, "func(dst, src *byte, n int)")
	Pragma("noescape")
	Doc("streamAVX2 copies n bytes, a positive multiple of 64, to dst, a multiple of 32, by stores",
		"that fetch no line of dst. They are in no order with others before streamFence.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	a, b := YMM(), YMM()
	Label("loop")
	VMOVDQU(Mem{Base: src}, a)
	VMOVDQU(Mem{Base: src, Disp: 32}, b)
	VMOVNTDQ(a, Mem{Base: dst})
	VMOVNTDQ(b, Mem{Base: dst, Disp: 32})
	ADDQ(Imm(64), src)
	ADDQ(Imm(64), dst)
	SUBQ(Imm(64), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()

	TEXT("fetchPages", NOSPLIT, "func(p *byte, n int)")
	Pragma("noescape")
	Doc("fetchPages fetches a line of each of n pages from p on, n positive.")
	p, pages := Load(Param("p"), GP64()), Load(Param("n"), GP64())
	Label("page")
	PREFETCHNTA(Mem{Base: p})
	ADDQ(U32(4096), p)
	DECQ(pages)
	JNZ(LabelRef("page"))
	RET()

	TEXT("streamFence", NOSPLIT, "func()")
	Doc("streamFence orders the stores of streamAVX2 before all that follow.")
	SFENCE()
	RET()
	Generate()
}
