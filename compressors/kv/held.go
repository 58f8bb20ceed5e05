package kv

import (
	"fmt"
	"math"
)

// Held is the 8-bit type in which a deployment holds a cache whose values a tensor has in 16 bits; ""
// where it holds them in 16.
type Held string

// The types, as OCP's 8-bit floating point specification has them (arXiv 2209.05433).
const (
	HeldE4M3 Held = "f8_e4m3" // no infinities; NaN is all ones
	HeldE5M2 Held = "f8_e5m2" // binary16's first byte
)

// ParseHeld reads "f8_e4m3", "f8_e5m2" or "".
func ParseHeld(s string) (Held, error) {
	switch h := Held(s); h {
	case "", HeldE4M3, HeldE5M2:
		return h, nil
	}
	return "", fmt.Errorf("held is %.40q, want %s or %s", s, HeldE4M3, HeldE5M2)
}

// Patterns returns the pattern in d of each of h's 256 codes: exactly its value, and for no two codes
// the same. h may not be "".
func (h Held) Patterns(d DType) *[256]uint16 {
	var out [256]uint16
	for code := range out {
		fraction, exponents, bias := 3, 15, 7
		if h == HeldE5M2 {
			fraction, exponents, bias = 2, 31, 15
		}
		sign := uint16(code) & 0x80 << 8
		e, f := code&0x7f>>fraction, code&(1<<fraction-1)
		switch {
		case h == HeldE4M3 && e == exponents && f == 7:
			out[code] = sign | d.infinity() | d.infinity()>>1&^d.infinity() // quiet
		case h == HeldE5M2 && e == exponents && d == F16:
			out[code] = uint16(code) << 8
		case h == HeldE5M2 && e == exponents:
			out[code] = sign | d.infinity() | uint16(f)<<5
		case e == 0:
			out[code] = sign | d.Bits(float32(math.Ldexp(float64(f), 1-bias-fraction)))
		default:
			out[code] = sign | d.Bits(float32(math.Ldexp(float64(f+1<<fraction), e-bias-fraction)))
		}
	}
	return &out
}

// infinity is the pattern of +Inf.
func (d DType) infinity() uint16 {
	if d == BF16 {
		return 0x7f80
	}
	return 0x7c00
}

// Holds says whether t has its values, and every one is one of h's.
func (h Held) Holds(t Tensor) bool {
	var known [1 << 16]bool
	for _, b := range h.Patterns(t.DType) {
		known[b] = true
	}
	for _, side := range Sides {
		for l := range t.Layers {
			for head := range t.Heads {
				if t.Dim(side) == 0 {
					continue
				}
				if t.Bits[side] == nil {
					return false
				}
				for _, b := range t.Plane(side, l, head) {
					if !known[b] {
						return false
					}
				}
			}
		}
	}
	return true
}

// Held returns in what the deployment holds the cache.
func (t Tensor) Held() Held {
	if t.Meta == nil {
		return ""
	}
	return t.Meta.Held
}

// HeldBytes is the size of the cache as the deployment holds it, and so ships it uncompressed: a byte
// a value if that is in 8 bits, and RawBytes otherwise. Scales are not counted.
func (t Tensor) HeldBytes() int {
	if t.Held() != "" {
		return t.RawBytes() / 2
	}
	return t.RawBytes()
}
