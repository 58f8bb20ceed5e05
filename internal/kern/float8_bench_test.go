package kern

import "testing"

func BenchmarkFloat8(b *testing.B) {
	src, codes, scales := make([]uint16, 1<<14), make([]byte, 1<<14), make([]byte, 1<<12)
	for i := range src {
		src[i] = 0x3c00 + uint16(i*37&0x80ff)
	}
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(2 << 14)
			for b.Loop() {
				f()
			}
		})
	}
	for i, t := range []string{"f16", "bf16"} {
		run("cast/"+t, func() { E4M3.Cast(i == 1, codes, src) })
		run("scale/"+t, func() { E4M3.Scale(i == 1, codes, src, nil, 1.3) })
		run("scalerows/"+t, func() { E4M3.ScaleRows(i == 1, codes, scales, src, 128, RowScales{}) })
		run("absmax/"+t, func() { AbsMaxBits(src) })
		E4M3.ScaleRows(i == 1, codes, scales, src, 128, RowScales{})
		run("decode/"+t, func() { E4M3.Decode(i == 1, src, codes, false) })
		run("restore/"+t, func() { E4M3.RestoreRows(i == 1, src, codes, scales, 128, 0x42000000) })
	}
}
