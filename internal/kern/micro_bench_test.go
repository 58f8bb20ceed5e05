package kern

import "testing"

func BenchmarkMicro(b *testing.B) {
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
		bf := i == 1
		run("nvfp4/"+t, func() { NVFP4.Compress(bf, codes, scales, src, nil, MicroScale{Tensor: 0.0007, Limit: 0.0042}) })
		run("mxfp4/"+t, func() { MXFP4.Compress(bf, codes, scales, src, nil, MicroScale{Down: 2, Limit: 6}) })
		run("mxfp8/"+t, func() { MXFP8.Compress(bf, codes, scales, src, nil, MicroScale{Down: 8, Limit: 6}) })
		run("q8/"+t, func() { Q8_0.Compress(bf, codes, src[:1<<13]) })
		run("q4/"+t, func() { Q4_0.Compress(bf, codes, src[:1<<13]) })
	}
}

func BenchmarkTopFromMemory(b *testing.B) {
	src, dst := make([]uint16, 1<<27), make([]uint16, 1<<27)
	for i := range src {
		src[i], dst[i] = uint16(i), 1
	}
	b.Run("top", func(b *testing.B) {
		b.SetBytes(2 << 27)
		for b.Loop() {
			AbsMaxBits(src)
		}
	})
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(2 << 27)
		for b.Loop() {
			copy(dst, src)
		}
	})
}
