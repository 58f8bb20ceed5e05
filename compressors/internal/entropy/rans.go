package entropy

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// Lanes is the number of interleaved states: symbol i goes through state i mod Lanes. A state has
// 32 bits and is kept at or above 1<<16 by moving 16 bits at a time.
const Lanes = 8

const lowest = 1 << 16

// ErrStream is returned for bytes that no encoder wrote.
var ErrStream = errors.New("bad rANS stream")

// An Encoder codes symbols with one frequency table. It is a value to be reused: Init sets it.
type Encoder struct {
	rcp  [MaxSymbols]uint64 // ceil(2^64 / f)
	top  [MaxSymbols]uint64 // states at or above this move 16 bits out first
	bias [MaxSymbols]uint32
	step [MaxSymbols]uint32 // Total − f
}

// Init prepares the encoder for freq, which adds up to Total. Symbols of frequency 0 must not be
// coded.
func (e *Encoder) Init(freq []uint16) {
	cum := uint32(0)
	for s, f := range freq {
		e.top[s] = uint64(f) << (32 - Bits)
		e.step[s] = Total - uint32(f)
		e.bias[s] = cum
		switch f {
		case 0:
			e.rcp[s] = 0
		case 1: // 2^64/1 does not fit: one less in the quotient, made up for in the bias
			e.rcp[s] = ^uint64(0)
			e.bias[s] = cum + Total - 1
		default:
			e.rcp[s] = ^uint64(0)/uint64(f) + 1
		}
		cum += uint32(f)
	}
}

// Append appends the coded symbols to dst: Lanes states of 32 bits, then 16-bit words, all
// little-endian.
func (e *Encoder) Append(dst []byte, symbols []byte) []byte {
	start := len(dst)
	// Words come out in reverse: write them backwards from the end of the room that the worst
	// case takes, two bytes a symbol, then close the gap.
	room := 4*Lanes + 2*len(symbols)
	dst = append(dst, make([]byte, room)...)
	out := dst[start:]
	at := room
	var x [Lanes]uint32
	for i := range x {
		x[i] = lowest
	}
	for i := len(symbols) - 1; i >= 0; i-- {
		s, v := symbols[i], x[i%Lanes]
		if uint64(v) >= e.top[s] {
			at -= 2
			binary.LittleEndian.PutUint16(out[at:], uint16(v))
			v >>= 16
		}
		q, _ := bits.Mul64(uint64(v), e.rcp[s])
		x[i%Lanes] = v + e.bias[s] + uint32(q)*e.step[s]
	}
	for i, v := range x {
		binary.LittleEndian.PutUint32(out[4*i:], v)
	}
	n := copy(out[4*Lanes:], out[at:])
	return dst[:start+4*Lanes+n]
}

// A Decoder undoes an Encoder with the same table.
type Decoder struct {
	sym  [Total]byte
	freq [MaxSymbols]uint32
	cum  [MaxSymbols]uint32
}

// Init prepares the decoder for freq, which adds up to Total.
func (d *Decoder) Init(freq []uint16) {
	cum := uint32(0)
	for s, f := range freq {
		d.freq[s], d.cum[s] = uint32(f), cum
		for i := range uint32(f) {
			d.sym[cum+i] = byte(s)
		}
		cum += uint32(f)
	}
}

// Decode fills symbols from the front of src and returns how many bytes it took.
func (d *Decoder) Decode(symbols, src []byte) (int, error) {
	if len(src) < 4*Lanes {
		return 0, ErrStream
	}
	var x [Lanes]uint32
	for i := range x {
		if x[i] = binary.LittleEndian.Uint32(src[4*i:]); x[i] < lowest {
			return 0, ErrStream
		}
	}
	at, i := 4*Lanes, 0
	// While at least a word per lane is left, no step needs to look.
	for ; i+Lanes <= len(symbols) && at+2*Lanes <= len(src); i += Lanes {
		out := symbols[i : i+Lanes : i+Lanes]
		for k := range x {
			v := x[k]
			slot := v & (Total - 1)
			s := d.sym[slot]
			v = d.freq[s]*(v>>Bits) + slot - d.cum[s]
			if v < lowest {
				v = v<<16 | uint32(binary.LittleEndian.Uint16(src[at:]))
				at += 2
			}
			out[k], x[k] = s, v
		}
	}
	for ; i < len(symbols); i++ {
		v := x[i%Lanes]
		slot := v & (Total - 1)
		s := d.sym[slot]
		v = d.freq[s]*(v>>Bits) + slot - d.cum[s]
		if v < lowest {
			if at+2 > len(src) {
				return 0, ErrStream
			}
			v = v<<16 | uint32(binary.LittleEndian.Uint16(src[at:]))
			at += 2
		}
		symbols[i], x[i%Lanes] = s, v
	}
	for _, v := range x { // a whole stream ends where the encoder began
		if v != lowest {
			return 0, ErrStream
		}
	}
	return at, nil
}
