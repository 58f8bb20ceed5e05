// Package nprand draws numpy's random numbers: what numpy.random.default_rng(seed) draws, to the
// bit, on every platform. Seeded caches of other people's studies can then be drawn again, and
// a run's own draws are equal wherever it is repeated.
//
// The generator is PCG64 (O'Neill, PCG: A Family of Simple Fast Space-Efficient Statistically
// Good Algorithms for Random Number Generation, 2014; the XSL-RR 128/64 member), seeded through
// numpy's SeedSequence; normal and exponential variates are ziggurats with 256 layers.
package nprand

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// A Generator is numpy's Generator over PCG64. It is not safe for concurrent use.
type Generator struct {
	hi, lo       uint64 // state
	incHi, incLo uint64
	half         uint32 // upper half of a 64-bit draw, kept for the next 32-bit one
	hasHalf      bool
}

// The multiplier of the 128-bit linear congruential generator.
const (
	mulHi = 2549297995355413924
	mulLo = 4865540595714422341
)

// New returns the generator that default_rng(seed) returns.
func New(seed uint64) *Generator {
	return fromEntropy([]uint32{uint32(seed), uint32(seed >> 32)})
}

// Stream returns the generator of one named purpose within a run. Streams of different names
// are independent, so that a new consumer of random numbers does not move the others.
func Stream(seed uint64, name string) *Generator {
	sum := sha256.Sum256([]byte(name))
	entropy := []uint32{uint32(seed), uint32(seed >> 32)}
	for i := 0; i < 16; i += 4 {
		entropy = append(entropy, binary.LittleEndian.Uint32(sum[i:]))
	}
	return fromEntropy(entropy)
}

func fromEntropy(entropy []uint32) *Generator {
	s := seedState(entropy)
	g := &Generator{incHi: s[2]<<1 | s[3]>>63, incLo: s[3]<<1 | 1}
	g.step()
	var carry uint64
	g.lo, carry = bits.Add64(g.lo, s[1], 0)
	g.hi, _ = bits.Add64(g.hi, s[0], carry)
	g.step()
	return g
}

func (g *Generator) step() {
	hi, lo := bits.Mul64(g.lo, mulLo)
	hi += g.hi*mulLo + g.lo*mulHi
	var carry uint64
	g.lo, carry = bits.Add64(lo, g.incLo, 0)
	g.hi, _ = bits.Add64(hi, g.incHi, carry)
}

// Uint64 returns the next 64 random bits.
func (g *Generator) Uint64() uint64 {
	g.step()
	return bits.RotateLeft64(g.hi^g.lo, -int(g.hi>>58))
}

// Uint32 returns 32 random bits: one 64-bit draw serves two calls, lower half first.
func (g *Generator) Uint32() uint32 {
	if g.hasHalf {
		g.hasHalf = false
		return g.half
	}
	u := g.Uint64()
	g.half, g.hasHalf = uint32(u>>32), true
	return uint32(u)
}

// Float64 returns a uniform number in [0, 1), a multiple of 2^-53: numpy's random().
func (g *Generator) Float64() float64 { return float64(g.Uint64()>>11) * 0x1p-53 }
