package quant

import (
	"encoding/binary"

	"kvgauge/internal/kern"
)

// runBlocks is how many blocks of floats are done together.
const runBlocks = 16

// A blockRun is blocks on their way: their codes, and what each has one of.
type blockRun struct {
	codes          [runBlocks * BlockSize]byte
	low, high, inv [runBlocks]float32
}

// half is what is added to the numbers of a type without a minimum before they are codes.
func (b Block) half() float32 {
	switch b {
	case Q8_0:
		return 128
	case Q4_0:
		return 8
	case Q5_0:
		return 16
	}
	return 0
}

// top is the greatest code of a type other than Q8_0.
func (b Block) top() int {
	if b == Q5_0 || b == Q5_1 {
		return 31
	}
	return 15
}

// run is CompressFloats of no more than runBlocks blocks by vectors.
func (b Block) run(out []byte, x []float32) bool {
	var r blockRun
	n, ok := len(x)/BlockSize, true
	low, high, inv := r.low[:n], r.high[:n], r.inv[:n]
	if b == Q4_1 || b == Q5_1 {
		kern.BlockRanges(low, high, x)
		for i := range low {
			block, d := out[i*b.Bytes():], (high[i]-low[i])/float32(b.top())
			ok = scale16(block, d) && scale16(block[2:], low[i]) && ok
			inv[i] = reciprocal(d)
		}
		kern.BlockCodes(r.codes[:], x, low, inv, 0.5, b.top())
	} else {
		kern.Extremes(high, x)
		for i, extreme := range high {
			d := extreme / -b.half()
			if b == Q8_0 {
				d = max(extreme, -extreme) / 127
			}
			ok = scale16(out[i*b.Bytes():], d) && ok
			inv[i] = reciprocal(d)
		}
		if b == Q8_0 {
			kern.BlockRounds(r.codes[:], x, inv)
		} else {
			kern.BlockCodes(r.codes[:], x, low, inv, b.half()+0.5, b.top())
		}
	}
	for i := range n {
		codes := (*[BlockSize]byte)(r.codes[i*BlockSize:])
		b.put(out[i*b.Bytes()+b.ScaleBytes():(i+1)*b.Bytes()], codes)
	}
	return ok
}

// put writes codes behind a block's scales.
func (b Block) put(out []byte, codes *[BlockSize]byte) {
	if b == Q8_0 {
		copy(out, codes[:])
		return
	}
	var c [4]uint64
	for i := range c {
		c[i] = binary.LittleEndian.Uint64(codes[8*i:])
	}
	if b == Q5_0 || b == Q5_1 {
		var fifth uint32
		for i, x := range c {
			fifth |= uint32(x>>4&ones*gather>>56) << (8 * i)
		}
		binary.LittleEndian.PutUint32(out, fifth)
		out = out[4:]
	}
	const nibbles = 15 * ones
	binary.LittleEndian.PutUint64(out, c[0]&nibbles|c[2]&nibbles<<4)
	binary.LittleEndian.PutUint64(out[8:], c[1]&nibbles|c[3]&nibbles<<4)
}

// ones has the lowest bit of every byte set; a product with gather brings these to the highest byte.
const ones, gather = 0x0101010101010101, 0x0102040810204080

// get undoes put; codes of Q8_0 are 128 more, so that they are not negative.
func (b Block) get(codes *[BlockSize]byte, in []byte) {
	var fifth uint32
	switch b {
	case Q8_0:
		for i := 0; i < BlockSize; i += 8 {
			binary.LittleEndian.PutUint64(codes[i:], binary.LittleEndian.Uint64(in[i:])^128*ones)
		}
		return
	case Q5_0, Q5_1:
		fifth = binary.LittleEndian.Uint32(in)
		in = in[4:]
	}
	const nibbles = 15 * ones
	for i := 0; i < BlockSize/2; i += 8 {
		x := binary.LittleEndian.Uint64(in[i:])
		low, high := x&nibbles, x>>4&nibbles
		if fifth != 0 {
			low |= spread(fifth>>i) << 4
			high |= spread(fifth>>(i+16)) << 4
		}
		binary.LittleEndian.PutUint64(codes[i:], low)
		binary.LittleEndian.PutUint64(codes[i+16:], high)
	}
}

// spread puts bit i of the lowest eight into byte i.
func spread(bits uint32) uint64 {
	x := uint64(bits&0xff) * ones & 0x8040201008040201
	return (x + 0x7f*ones) >> 7 & ones // a byte is 0 or a power of two
}

// unrun is DecompressFloats of no more than runBlocks blocks by vectors.
func (b Block) unrun(x []float32, in []byte) bool {
	var r blockRun
	n, ok := len(x)/BlockSize, true
	for i := range n {
		block := in[i*b.Bytes() : (i+1)*b.Bytes()]
		r.inv[i] = kern.F16ToF32(binary.LittleEndian.Uint16(block))
		if b == Q4_1 || b == Q5_1 {
			r.low[i] = kern.F16ToF32(binary.LittleEndian.Uint16(block[2:]))
		}
		ok = ok && finite(r.inv[i]) && finite(r.low[i])
		b.get((*[BlockSize]byte)(r.codes[i*BlockSize:]), block[b.ScaleBytes():])
	}
	kern.BlockValues(x, r.codes[:], r.inv[:n], r.low[:n], b.half())
	return ok
}
