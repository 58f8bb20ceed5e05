package compressors

import (
	"encoding/binary"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// polarTree is polarBooks for kernels.
var polarTree kern.Polar

func init() {
	for l := range polarBooks {
		polarTree.Tan[l] = polarBooks[l].tan
		if l > 0 {
			polarTree.Levels[l-1] = [2][4]float32{polarBooks[l].cos, polarBooks[l].sin}
		}
	}
	for code := range polarTree.Circle[0] {
		polarTree.Circle[0][code], polarTree.Circle[1][code] = polarBooks[0].point(byte(code), 1)
	}
}

// polarScratch is what kernels make of rows: a word for each block.
type polarScratch struct {
	first, rest []uint32
	norms       []uint16
}

func (s *polarScratch) room(blocks int) {
	s.first, s.rest, s.norms = growTo(s.first, blocks), growTo(s.rest, blocks), growTo(s.norms, blocks)
}

// compressRows implements manyRows.
func (p *polarRows) compressRows(d kv.DType, dim int, scales, codes []byte, rows []uint16) int {
	return compressTurned(p, d, dim, scales, codes, rows)
}

// decompressRows implements manyRows.
func (p *polarRows) decompressRows(d kv.DType, dim int, rows []uint16, scales, codes []byte) int {
	return decompressTurned(p, d, dim, rows, scales, codes)
}

func (p *polarRows) compressVals(w *rowScratch, dim int, scales, codes []byte) bool {
	w.more = growTo(w.more, len(w.vals))
	haar(dim, p.seed).Forward(w.more, w.vals)
	blocks, perRow := len(w.vals)/polarBlock, dim/polarBlock
	_, nc := p.rowBytes(kv.K, dim)
	s := &w.polar
	s.room(blocks)
	from := polarTree.Codes(s.first, s.rest, s.norms, w.more)
	for b := from; b < blocks; b++ {
		if !s.block(b, w.more[b*polarBlock:(b+1)*polarBlock]) {
			return false
		}
	}
	for b, n := range s.norms {
		binary.LittleEndian.PutUint16(scales[2*b:], n)
	}
	for at := 0; at < blocks; at += perRow {
		row := codes[at/perRow*nc:][:nc]
		for i, c := range s.first[at : at+perRow] {
			binary.LittleEndian.PutUint32(row[4*i:], c)
		}
		packFourteen(row[4*perRow:], s.rest[at:at+perRow])
	}
	return true
}

// packFourteen packs the low fourteen bits of words.
func packFourteen(dst []byte, words []uint32) {
	var acc uint64
	n := 0
	for _, x := range words {
		acc |= uint64(x) << n
		for n += 14; n >= 8; n -= 8 {
			dst[0], dst = byte(acc), dst[1:]
			acc >>= 8
		}
	}
	if n > 0 {
		dst[0] = byte(acc)
	}
}

// unpackFourteen undoes packFourteen.
func unpackFourteen(words []uint32, src []byte) {
	var acc uint64
	n := 0
	for i := range words {
		for ; n < 14; n += 8 {
			acc |= uint64(src[0]) << n
			src = src[1:]
		}
		words[i] = uint32(acc & (1<<14 - 1))
		acc >>= 14
		n -= 14
	}
}

// block codes one block, which it changes; it returns false if its radius is beyond binary16.
func (s *polarScratch) block(b int, block []float32) bool {
	s.first[b], s.rest[b] = 0, 0
	for i := range 8 {
		s.first[b] |= uint32(polarBooks[0].circle(block[2*i], block[2*i+1])) << (4 * i)
		block[i] = hypot(block[2*i], block[2*i+1])
	}
	shift := 0
	for l, n := 1, 4; n > 0; l, n = l+1, n/2 {
		for i := range n {
			s.rest[b] |= uint32(polarBooks[l].code(block[2*i], block[2*i+1])) << shift
			shift += 2
			block[i] = hypot(block[2*i], block[2*i+1])
		}
	}
	var norm [2]byte
	_, ok := putNorm(norm[:], block[0])
	s.norms[b] = binary.LittleEndian.Uint16(norm[:])
	return ok
}

// point sets a block from its codes and radius.
func (s *polarScratch) point(block []float32, b int) {
	block[0] = kern.F16ToF32(s.norms[b])
	for l, n := polarLevels-1, 1; n < 8; l, n = l-1, 2*n {
		for i := n - 1; i >= 0; i-- {
			code := byte(s.rest[b]>>(2*(8-2*n+i))) & 3
			block[2*i], block[2*i+1] = polarBooks[l].point(code, block[i])
		}
	}
	for i := 7; i >= 0; i-- {
		block[2*i], block[2*i+1] = polarBooks[0].point(byte(s.first[b]>>(4*i))&15, block[i])
	}
}

func (p *polarRows) decompressVals(w *rowScratch, dim int, scales, codes []byte) bool {
	blocks, perRow := len(w.vals)/polarBlock, dim/polarBlock
	_, nc := p.rowBytes(kv.K, dim)
	s := &w.polar
	s.room(blocks)
	for b := range s.norms {
		if s.norms[b] = binary.LittleEndian.Uint16(scales[2*b:]); s.norms[b] >= 0x7c00 {
			return false
		}
	}
	for at := 0; at < blocks; at += perRow {
		row := codes[at/perRow*nc:][:nc]
		for i := range s.first[at : at+perRow] {
			s.first[at+i] = binary.LittleEndian.Uint32(row[4*i:])
		}
		unpackFourteen(s.rest[at:at+perRow], row[4*perRow:])
	}
	w.more = growTo(w.more, len(w.vals))
	for b := polarTree.Points(w.more, s.first, s.rest, s.norms); b < blocks; b++ {
		s.point(w.more[b*polarBlock:(b+1)*polarBlock], b)
	}
	haar(dim, p.seed).Inverse(w.vals, w.more)
	return true
}
