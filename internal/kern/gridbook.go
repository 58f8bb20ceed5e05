package kern

// A BookGrid is where eight neighbouring numbers lie under a code book: number i is coded as
// (x − Off[i])·Inv[i], and comes back as its level times Half[i], plus Off[i]; below Lo[i] and above
// Hi[i] it is not coded.
type BookGrid struct{ Off, Half, Inv, Lo, Hi [8]float32 }

// gridStep returns how many bytes the grid of the next eight numbers is behind that of eight.
func gridStep(grids []BookGrid) int {
	if len(grids) == 1 {
		return 0
	}
	return 5 * 32
}

// GridCodes sets codes to those of v, under a grid for every eight numbers or one for all, and the bits
// of apart, from the lowest of each byte, to which are not coded, where the code is 0. It adds to
// missed[i mod 8] the squares of what the others come back as less than they are, and to power[i mod 8]
// those of all, every step rounded, in order. Every book has sixteen levels here.
func (b *Book) GridCodes(codes, apart []byte, missed, power *[8]float32, v []float32, grids []BookGrid) {
	codes, apart = codes[:len(v)], apart[:(len(v)+7)/8]
	n := 0
	if level >= AVX2 && len(v) >= 8 {
		n = len(v) &^ 7
		sums := [2][8]float32{*missed, *power}
		_ = grids[min(n/8, len(grids))-1]
		gridCodesAVX2(&codes[0], &apart[0], &sums[0][0], &v[0], &grids[0].Off[0], &b.tree[0], &b.Levels[0], n,
			gridStep(grids))
		*missed, *power = sums[0], sums[1]
	}
	for ; n < len(v); n++ {
		x, g, i := v[n], &grids[min(n/8, len(grids)-1)], n%8
		if i == 0 {
			apart[n/8] = 0
		}
		power[i] += float32(x * x)
		if x < g.Lo[i] || x > g.Hi[i] {
			codes[n] = 0
			apart[n/8] |= 1 << i
			continue
		}
		codes[n] = b.Code((x - g.Off[i]) * g.Inv[i])
		d := x - (float32(b.Levels[codes[n]&15]*g.Half[i]) + g.Off[i])
		missed[i] += float32(d * d)
	}
}

// GridValues sets v to what codes, which are less than 16, stand for under grids.
func (b *Book) GridValues(v []float32, codes []byte, grids []BookGrid) {
	v = v[:len(codes)]
	n := 0
	if level >= AVX2 && len(v) >= 8 {
		n = len(v) &^ 7
		_ = grids[min(n/8, len(grids))-1]
		gridValuesAVX2(&v[0], &codes[0], &grids[0].Off[0], &b.Levels[0], n, gridStep(grids))
	}
	for ; n < len(v); n++ {
		g, i := &grids[min(n/8, len(grids)-1)], n%8
		v[n] = float32(b.Levels[codes[n]&15]*g.Half[i]) + g.Off[i]
	}
}

// Outside returns a bit for each number of v, up to 32: whether it is below lo or above hi.
func Outside(v []float32, lo, hi float32) uint32 {
	if len(v) == 32 && level >= AVX2 {
		return outsideAVX2(&v[0], lo, hi)
	}
	bits := uint32(0)
	for i, x := range v {
		if x < lo || x > hi {
			bits |= 1 << i
		}
	}
	return bits
}
