package nprand

import (
	"fmt"
	"math"
	"math/bits"
)

// Integers returns a uniform integer in [low, high): numpy's integers(low, high) in its default
// type, int64. It panics when the range is empty.
func (g *Generator) Integers(low, high int64) int64 {
	if low >= high {
		panic(fmt.Sprintf("nprand: no integers in [%d, %d)", low, high))
	}
	return low + int64(g.upTo(uint64(high)-uint64(low)-1))
}

// upTo returns a uniform integer in [0, top] by Lemire's method (Fast Random Integer Generation
// in an Interval, 2019), from 32-bit draws where they suffice.
func (g *Generator) upTo(top uint64) uint64 {
	switch {
	case top == 0:
		return 0
	case top == math.MaxUint64:
		return g.Uint64()
	case top == math.MaxUint32:
		return uint64(g.Uint32())
	case top < math.MaxUint32:
		n := top + 1
		m := uint64(g.Uint32()) * n
		if uint64(uint32(m)) < n {
			for floor := (math.MaxUint32 - top) % n; uint64(uint32(m)) < floor; {
				m = uint64(g.Uint32()) * n
			}
		}
		return m >> 32
	}
	n := top + 1
	hi, lo := bits.Mul64(g.Uint64(), n)
	if lo < n {
		for floor := (math.MaxUint64 - top) % n; lo < floor; {
			hi, lo = bits.Mul64(g.Uint64(), n)
		}
	}
	return hi
}

// Shuffle permutes x in place as numpy's shuffle does an array of one dimension.
func (g *Generator) Shuffle(x []int) {
	for i := len(x) - 1; i > 0; i-- {
		j := g.masked(uint64(i))
		x[i], x[j] = x[j], x[i]
	}
}

// masked returns a uniform integer in [0, top] by rejection after masking, which is how numpy's
// shuffle draws.
func (g *Generator) masked(top uint64) uint64 {
	mask := uint64(1)<<bits.Len64(top) - 1
	draw := g.Uint64
	if top <= math.MaxUint32 {
		draw = func() uint64 { return uint64(g.Uint32()) }
	}
	for {
		if v := draw() & mask; v <= top {
			return v
		}
	}
}

func (g *Generator) shuffle(x []int, first int) {
	for i := len(x) - 1; i >= first; i-- {
		j := g.upTo(uint64(i))
		x[i], x[j] = x[j], x[i]
	}
}

// Choice returns size different integers of [0, n) in random order: numpy's choice(n, size,
// replace=False). It panics when there are not so many.
func (g *Generator) Choice(n, size int) []int {
	if size < 0 || size > n {
		panic(fmt.Sprintf("nprand: choice of %d out of %d", size, n))
	}
	if n > 10000 && size > n/50 {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		g.shuffle(all, max(n-size, 1))
		return append([]int(nil), all[n-size:]...)
	}
	// Floyd's sampling (Bentley and Floyd, A Sample of Brilliance, 1987), then a shuffle.
	out := make([]int, 0, size)
	seen := make(map[int]bool, size)
	for j := n - size; j < n; j++ {
		pick := int(g.upTo(uint64(j)))
		if seen[pick] {
			pick = j
		}
		seen[pick] = true
		out = append(out, pick)
	}
	g.shuffle(out, 1)
	return out
}
