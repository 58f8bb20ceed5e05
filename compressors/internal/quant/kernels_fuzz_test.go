package quant

import (
	"slices"
	"testing"

	"kvgauge/compressors/kv"
)

// finitePatterns reads 16-bit floats; those that are not finite lose their highest exponent bit.
func finitePatterns(d kv.DType, data []byte) []uint16 {
	row := make([]uint16, len(data)/2)
	for i := range row {
		row[i] = uint16(data[2*i]) | uint16(data[2*i+1])<<8
		if !d.Finite(row[i]) {
			row[i] &^= 0x4000
		}
	}
	return row
}

func FuzzFloat8(f *testing.F) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		for _, row := range rows(d)[90:] {
			f.Add(patterns(slices.Concat(row, row, row, row, row, row)), uint8(32), d == kv.BF16, d == kv.F16)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8, bf16, wide bool) {
		d, format := kv.F16, E4M3
		if bf16 {
			d = kv.BF16
		}
		if wide {
			format = E5M2
		}
		row := finitePatterns(d, data)
		dim := max(int(size), 1)
		n := len(row) / dim
		row = row[:n*dim]
		both(t, "Float8", func() []byte {
			plain, scaled, scales := make([]byte, len(row)), make([]byte, len(row)), make([]byte, 4*n)
			if !format.Cast(d, plain, row) || !format.ScaleRows(d, scaled, scales, row, dim, Measured) {
				t.Fatal("finite values are refused")
			}
			vals, more := make([]uint16, len(row)), make([]uint16, len(row))
			if !format.Decode(d, vals, plain, true) || !format.RestoreRows(d, more, scaled, scales, dim) {
				t.Fatal("what was encoded does not come back")
			}
			return slices.Concat(plain, scaled, scales, patterns(vals), patterns(more))
		})
	})
}

func FuzzBlocks(f *testing.F) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		row := slices.Concat(rows(d)...)
		for at := 0; at+320 <= len(row); at += 320 {
			f.Add(patterns(row[at:at+320]), d == kv.BF16)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, bf16 bool) {
		d := kv.F16
		if bf16 {
			d = kv.BF16
		}
		for _, b := range []Block{Q8_0, Q4_0, Q4_1, Q5_0, Q5_1} {
			checkBlocks(t, d, b, data)
		}
	})
}

// checkBlocks compresses data as patterns, any of them, and decompresses it as blocks, any of them.
func checkBlocks(t *testing.T, d kv.DType, b Block, data []byte) {
	both(t, "blocks", func() []byte {
		row := finitePatterns(d, data)
		row = row[:len(row)/BlockSize*BlockSize]
		var out []byte
		for range 2 {
			blocks := make([]byte, len(row)/BlockSize*b.Bytes())
			n, ok := b.Compress(d, blocks, row)
			if !ok {
				out = append(out, byte(n/BlockSize))
				blocks = blocks[:n/BlockSize*b.Bytes()]
			}
			back := make([]uint16, len(blocks)/b.Bytes()*BlockSize)
			if !b.Decompress(d, back, blocks) {
				t.Fatalf("type %d: a block that was written does not come back", b)
			}
			out = append(append(out, blocks...), patterns(back)...)
			for i := range row {
				row[i] = uint16(data[2*i]) | uint16(data[2*i+1])<<8 // now infinities as well
			}
		}
		any := make([]uint16, len(data)/b.Bytes()*BlockSize)
		if b.Decompress(d, any, data) {
			out = append(out, patterns(any)...)
		}
		return out
	})
}

func TestBlocksAgreeWithVectors(t *testing.T) {
	for _, d := range []kv.DType{kv.F16, kv.BF16} {
		row := slices.Concat(rows(d)...)
		state := uint64(7)
		for range 3 { // small values of few kinds, so that both signs have the largest magnitude
			for range 4096 {
				state = state*6364136223846793005 + 1442695040888963407
				x := float32(int64(state>>60)-8) / float32(int64(1)<<(state>>40&31))
				row = append(row, d.Bits(x))
			}
		}
		for at := 0; at < len(row); at += 512 {
			data := patterns(row[at:min(at+512, len(row))])
			for _, b := range []Block{Q8_0, Q4_0, Q4_1, Q5_0, Q5_1} {
				checkBlocks(t, d, b, data)
			}
		}
	}
}
