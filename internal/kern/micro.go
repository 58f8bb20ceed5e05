package kern

import (
	"encoding/binary"
	"math"
)

// A Micro is a format of small blocks, each under a scale of 8 bits.
type Micro uint8

// The formats that have kernels.
const (
	NVFP4   Micro = iota // blocks of 16 of E2M1 under E4M3, and a float32 for all
	FourSix              // NVFP4 with the better of two scales
	MXFP4                // blocks of 32 of E2M1 under a power of two
	MXFP8                // blocks of 32 of E4M3 under a power of two
	FP4                  // blocks of 16 of E2M1 under 2^-33 or more; ties go up, -0 becomes 0
)

// Size returns how many values a block has.
func (m Micro) Size() int { return [...]int{16, 16, 32, 32, 16}[m] }

// CodeBytes returns how many bytes the codes of a block take.
func (m Micro) CodeBytes() int { return [...]int{8, 8, 16, 32, 8}[m] }

// A MicroScale says how scales are made. Of NVFP4 a block's is E4M3(amax/Limit), and its codes are of
// the quotient by what that means times Tensor; FourSix compares it with E4M3(amax/(4·Tensor)), by
// the squared error in float64, summed as four sums of every fourth pair. Of the others it is 2^e
// with e the exponent of amax less Down, and one more if amax is beyond Limit·2^e.
type MicroScale struct {
	Tensor, Limit float32
	Down          uint32
}

// Compress writes the scales and codes of the front part of src, and returns the greatest pattern
// there without its sign and how many blocks it did. It may stop early, and may search ahead.
func (m Micro) Compress(bf16 bool, codes, scales []byte, src []uint16, ahead *Ahead, s MicroScale) (top uint16,
	blocks int) {
	if blocks = len(src) / m.Size() &^ 7; blocks == 0 || level < AVX2 {
		return 0, 0
	}
	_, _ = codes[blocks*m.CodeBytes()-1], scales[blocks-1]
	for done := 0; ; {
		var most uint16
		n, did := blocks-done, 0
		to, under, from := codes[done*m.CodeBytes():], scales[done:], src[done*m.Size():]
		if n >= 16 && vbmi() {
			most, did = m.compress512(bf16, to, under, from, ahead, n&^15, s)
			top = max(top, most)
			n = min(n, 16) // the few that it would not do, or is done with
		}
		if did == 0 && n > 0 {
			most, did = m.compress256(bf16, to, under, from, n, s)
			if top = max(top, most); did < n {
				return top, done + did
			}
		}
		if done += did; done == blocks {
			return top, done
		}
	}
}

func (m Micro) compress256(bf16 bool, codes, scales []byte, src []uint16, blocks int,
	s MicroScale) (uint16, int) {
	down := math.Float32frombits(s.Down << 23) // an exponent in its place
	var left int
	var t uint32
	switch { // by name: through a variable the arguments would escape
	case m == NVFP4 && bf16:
		left, t = compressNVFP4BF16AVX2(&codes[0], &scales[0], &src[0], blocks, s.Tensor, s.Limit)
	case m == NVFP4:
		left, t = compressNVFP4F16AVX2(&codes[0], &scales[0], &src[0], blocks, s.Tensor, s.Limit)
	case m == FourSix && bf16:
		left, t = compressFourSixBF16AVX2(&codes[0], &scales[0], &src[0], blocks, s.Tensor, s.Limit)
	case m == FourSix:
		left, t = compressFourSixF16AVX2(&codes[0], &scales[0], &src[0], blocks, s.Tensor, s.Limit)
	case m == MXFP4 && bf16:
		left, t = compressMXFP4BF16AVX2(&codes[0], &scales[0], &src[0], blocks, down, s.Limit)
	case m == MXFP4:
		left, t = compressMXFP4F16AVX2(&codes[0], &scales[0], &src[0], blocks, down, s.Limit)
	case m == MXFP8 && bf16:
		left, t = compressMXFP8BF16AVX2(&codes[0], &scales[0], &src[0], blocks, down, s.Limit)
	case m == MXFP8:
		left, t = compressMXFP8F16AVX2(&codes[0], &scales[0], &src[0], blocks, down, s.Limit)
	case m == FP4 && bf16:
		left, t = compressFP4BF16AVX2(&codes[0], &scales[0], &src[0], blocks, down, s.Limit)
	default:
		left, t = compressFP4F16AVX2(&codes[0], &scales[0], &src[0], blocks, down, s.Limit)
	}
	return uint16(t), blocks - left
}

func (m Micro) compress512(bf16 bool, codes, scales []byte, src []uint16, ahead *Ahead, blocks int,
	s MicroScale) (top uint16, done int) {
	down := math.Float32frombits(s.Down << 23)
	var later *uint16
	step := 0
	if m <= FourSix {
		later, step = ahead.at(m.Size() * blocks)
	}
	c, e, p := &codes[0], &scales[0], &src[0]
	var left int
	var t, u uint32
	switch {
	case m == NVFP4 && bf16:
		left, t, u = compressNVFP4BF16AVX512(c, e, p, later, step, blocks, s.Tensor, s.Limit)
	case m == NVFP4:
		left, t, u = compressNVFP4F16AVX512(c, e, p, later, step, blocks, s.Tensor, s.Limit)
	case m == FourSix && bf16:
		left, t, u = compressFourSixBF16AVX512(c, e, p, later, step, blocks, s.Tensor, s.Limit)
	case m == FourSix:
		left, t, u = compressFourSixF16AVX512(c, e, p, later, step, blocks, s.Tensor, s.Limit)
	case m == MXFP4 && bf16:
		left, t, u = compressMXFP4BF16AVX512(c, e, p, nil, 0, blocks, down, s.Limit)
	case m == MXFP4:
		left, t, u = compressMXFP4F16AVX512(c, e, p, nil, 0, blocks, down, s.Limit)
	case m == MXFP8 && bf16:
		left, t, u = compressMXFP8BF16AVX512(c, e, p, nil, 0, blocks, down, s.Limit)
	case m == MXFP8:
		left, t, u = compressMXFP8F16AVX512(c, e, p, nil, 0, blocks, down, s.Limit)
	case bf16:
		left, t, u = compressFP4BF16AVX512(c, e, p, nil, 0, blocks, down, s.Limit)
	default:
		left, t, u = compressFP4F16AVX512(c, e, p, nil, 0, blocks, down, s.Limit)
	}
	if done = blocks - left; later != nil {
		ahead.skip(m.Size()*done, u)
	}
	return uint16(t), done
}

// Restore sets the front part of dst to the patterns of blocks and returns how many these are. It
// stops before eight of which one has a scale that none writes, or is of values beyond limit times
// the scale, where they might have to be cut. Of NVFP4 tensor is the scale of all. With stream it
// may write around the caches, as StreamCopy does.
func (m Micro) Restore(bf16 bool, dst []uint16, codes, scales []byte, tensor, limit float32,
	stream bool) (blocks int) {
	if blocks = len(dst) / m.Size() &^ 7; blocks == 0 || level < AVX2 {
		return 0
	}
	_, _ = codes[blocks*m.CodeBytes()-1], scales[blocks-1]
	for done := 0; ; {
		n, did := blocks-done, 0
		at, from := dst[done*m.Size():], codes[done*m.CodeBytes():]
		if n >= 16 && vbmi() && (m != MXFP8 || bf16) {
			did = m.restore512(bf16, at, from, scales[done:], n&^15, tensor, limit, stream)
			n = min(n, 16) // the few that it would not do, or is done with
		}
		if did == 0 && n > 0 {
			did = m.restore256(bf16, at, from, scales[done:], n, tensor, limit)
			if did < n {
				return done + did
			}
		}
		if done += did; done == blocks {
			return done
		}
	}
}

func (m Micro) restore256(bf16 bool, dst []uint16, codes, scales []byte, blocks int,
	tensor, limit float32) int {
	left := 0
	switch {
	case m == MXFP8:
		return restoreMXFP8(bf16, dst, codes, scales[:blocks], limit)
	case m <= FourSix && bf16:
		left = restoreNVFP4BF16AVX2(&dst[0], &codes[0], &scales[0], blocks, tensor, limit)
	case m <= FourSix:
		left = restoreNVFP4F16AVX2(&dst[0], &codes[0], &scales[0], blocks, tensor, limit)
	case m == MXFP4 && bf16:
		left = restoreMXFP4BF16AVX2(&dst[0], &codes[0], &scales[0], blocks, tensor, limit)
	case m == MXFP4:
		left = restoreMXFP4F16AVX2(&dst[0], &codes[0], &scales[0], blocks, tensor, limit)
	case bf16:
		left = restoreFP4BF16AVX2(&dst[0], &codes[0], &scales[0], blocks, tensor, limit)
	default:
		left = restoreFP4F16AVX2(&dst[0], &codes[0], &scales[0], blocks, tensor, limit)
	}
	return blocks - left
}

func (m Micro) restore512(bf16 bool, dst []uint16, codes, scales []byte, blocks int,
	tensor, limit float32, stream bool) int {
	left, around := 0, streams(stream, &dst[0], 64)
	switch {
	case m == MXFP8:
		left = restoreMXFP8BF16AVX512(&dst[0], &codes[0], &scales[0], blocks, limit, around)
	case m <= FourSix && bf16:
		left = restoreNVFP4BF16AVX512(&dst[0], &codes[0], &scales[0], blocks, tensor, limit, around)
	case m <= FourSix:
		left = restoreNVFP4F16AVX512(&dst[0], &codes[0], &scales[0], blocks, tensor, limit, around)
	case m == MXFP4 && bf16:
		left = restoreMXFP4BF16AVX512(&dst[0], &codes[0], &scales[0], blocks, tensor, limit, around)
	case m == MXFP4:
		left = restoreMXFP4F16AVX512(&dst[0], &codes[0], &scales[0], blocks, tensor, limit, around)
	case bf16:
		left = restoreFP4BF16AVX512(&dst[0], &codes[0], &scales[0], blocks, tensor, limit, around)
	default:
		left = restoreFP4F16AVX512(&dst[0], &codes[0], &scales[0], blocks, tensor, limit, around)
	}
	return blocks - left
}

// restoreMXFP8 is Restore by way of rows with float32 scales.
func restoreMXFP8(bf16 bool, dst []uint16, codes, scales []byte, limit float32) (blocks int) {
	var room [4 * 64]byte
	for blocks < len(scales) {
		n := min(len(scales)-blocks, len(room)/4)
		for i, e := range scales[blocks : blocks+n] {
			binary.LittleEndian.PutUint32(room[4*i:], max(uint32(e)<<23, 1<<22))
		}
		from := 32 * blocks
		top, did := E4M3.RestoreRows(bf16, dst[from:from+32*n], codes[from:], room[:4*n], 32,
			math.Float32bits(limit))
		if top == 0x7f {
			break // not a number: the caller finds out where
		}
		if blocks += did; did < n {
			break
		}
	}
	return blocks
}
