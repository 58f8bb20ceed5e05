// Package rotated writes kernels of rows that a Hadamard matrix has turned, for the generators of
// several sets of instructions.
package rotated

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A layout is a block of words in vectors of sixteen, and which bit of a channel's number tells
// vectors apart and which lanes. A step of the transform is an addition and a subtraction of vectors
// that differ in its bit, so bits take turns: an exchange swaps one of the vectors' with one of the
// lanes', two shuffles for two vectors.
type layout struct {
	v     []VecVirtual
	bits  []int  // of the vectors' indices, the lowest first
	lanes [4]int // of the lanes' numbers

	late   []int // bits brought among the vectors' that have no step yet
	AVX512 bool  // any of 32 registers
}

// step transforms by a bit that tells vectors apart.
func (l *layout) step(bit int) {
	l.pairs(bit, func(a, b VecVirtual) (VecVirtual, VecVirtual) {
		sum := YMM()
		VPADDW(b, a, sum)
		VPSUBW(b, a, b)
		return sum, b
	})
}

func (l *layout) pairs(bit int, f func(a, b VecVirtual) (VecVirtual, VecVirtual)) {
	width := 1 << l.index(bit)
	for i := range l.v {
		if i&width == 0 {
			l.v[i], l.v[i+width] = f(l.v[i], l.v[i+width])
		}
	}
}

func (l *layout) index(bit int) int {
	for j, b := range l.bits {
		if b == bit {
			return j
		}
	}
	panic("no such bit")
}

// A shuffle makes two vectors of two: of their elements whose lane has a 0 in one bit, and of the
// others.
type shuffle func(a, b, low, high VecVirtual)

// exchange brings a bit into the lanes' numbers at a place, for one that it returns. The vectors'
// bit takes the place of the lanes'.
func (l *layout) exchange(bit, place int) (out int) {
	at := l.index(bit)
	var by shuffle
	switch place {
	case 1: // what was there moves up a place
		by = func(a, b, low, high VecVirtual) { VPUNPCKLDQ(b, a, low); VPUNPCKHDQ(b, a, high) }
		out = l.lanes[2]
		l.lanes[2] = l.lanes[1]
	case 2:
		by = func(a, b, low, high VecVirtual) { VPUNPCKLQDQ(b, a, low); VPUNPCKHQDQ(b, a, high) }
		out = l.lanes[2]
	case 3:
		by = func(a, b, low, high VecVirtual) {
			if l.AVX512 {
				VSHUFI64X2(Imm(0), b, a, low)
				VSHUFI64X2(Imm(3), b, a, high)
				return
			}
			VINSERTI128(Imm(1), b.AsX(), a, low)
			VPERM2I128(Imm(0x31), b, a, high)
		}
		out = l.lanes[3]
	}
	l.pairs(bit, func(a, b VecVirtual) (VecVirtual, VecVirtual) {
		low, high := YMM(), YMM()
		by(a, b, low, high)
		return low, high
	})
	l.lanes[place], l.bits[at] = bit, out
	return out
}

// bring brings one of the bits 0, 1 and 2 into the lanes' numbers, unless it is there.
func (l *layout) bring(bit int) {
	if l.lanes[bit+1] != bit {
		l.late = append(l.late, l.exchange(bit, bit+1))
	}
}

// catchUp transforms by the bits that bring has replaced.
func (l *layout) catchUp() {
	for _, bit := range l.late {
		l.step(bit)
	}
	l.late = nil
}

// check makes sure that channels are where they are written from: bit 3 the lowest of the lanes'.
func (l *layout) check() {
	if l.lanes != [4]int{3, 0, 1, 2} {
		panic("words have gone astray")
	}
}

// channel returns the first channel of a vector, when finish is done.
func (l *layout) channel(i int) int {
	c := 0
	for j, bit := range l.bits {
		c |= i >> j & 1 << bit
	}
	return c
}

// at returns the index of the vector that begins at a channel.
func (l *layout) at(channel int) int {
	for i := range l.v {
		if l.channel(i) == channel {
			return i
		}
	}
	panic("no such channel")
}
