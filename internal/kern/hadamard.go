package kern

// RowsAtOnce is how many rows the kernels of rotated rows take in a call.
const RowsAtOnce = 8

// hasHadamard says whether rows of dim values have vector kernels.
func hasHadamard(dim int) bool { return level >= AVX2 && (dim == 64 || dim == 128) }

// Hadamard multiplies every row of v by before, then by Sylvester's matrix, then by after, every step
// rounded, adding neighbours first. It returns false, and does nothing, without vectors or for rows
// other than of 64 and 128. Rows are as long as before and after. rotate.FWHT is the reference.
func Hadamard(v, before, after []float32) bool {
	n := len(before)
	if !hasHadamard(n) {
		return false
	}
	rows := len(v) / n
	if after = after[:n]; rows == 0 {
		return true
	}
	if n == 64 {
		hadamard64AVX2(&v[0], &before[0], &after[0], rows)
	} else {
		hadamard128AVX2(&v[0], &before[0], &after[0], rows)
	}
	return true
}

// Ends are the smallest and the largest values of some rows, and then their grids.
type Ends [2 * RowsAtOnce]float32

// WidenHadamard sets dst to the values of RowsAtOnce rows of src times signs, +0 for 1 and -0 for
// -1, as 16-bit patterns, times the matrix of Hadamard in blocks of so many channels; and ends to
// their smallest and largest, one not finite if a value of that row is not. It returns false, and
// leaves anything, where there is no kernel for such rows, or a row has not numbers of both signs. In
// which order dst has values is for QuantizeRows to know.
func WidenHadamard(bf16 bool, block int, dst []float32, src, signs []uint16, ends *Ends) bool {
	dim := len(signs)
	if !hasHadamard(block) || dim == 0 || dim%block != 0 {
		return false
	}
	dst, src = dst[:RowsAtOnce*dim], src[:RowsAtOnce*dim]
	return widenHadamard(bf16, block, &dst[0], &src[0], &signs[0], &ends[0], dim/block)
}

// A RowGrid is how codes are made of what WidenHadamard leaves: times Factor, on the range of those
// times Clip, in 2, 4 or 8 bits.
type RowGrid struct {
	Bits         int
	Factor, Clip float32
}

// Fit writes the binary16 scales and minima of RowsAtOnce rows, as in QuantizeGroups, and makes ends
// what QuantizeRows takes. It returns false, and leaves anything, where there is no kernel, Clip is
// small, binary16 cannot hold a scale or minimum, or a row's values are all equal or not finite; and
// where its smallest is 0, whose sign it does not know.
func (g RowGrid) Fit(scales []byte, ends *Ends) bool {
	if level < AVX2 || g.Bits != 2 && g.Bits != 4 && g.Bits != 8 {
		return false
	}
	top := float32(int(1)<<g.Bits - 1)
	if top/g.Clip > 1<<24 { // codes before they are cut must fit into whole numbers
		return false
	}
	scales = scales[:4*RowsAtOnce]
	return fitRowsAVX2(&scales[0], &ends[0], g.Factor, g.Clip, top)
}

// QuantizeRows writes the codes of RowsAtOnce rows of v, as WidenHadamard leaves them, on the grids
// of Fit, packed. Codes are cut at both ends.
func (g RowGrid) QuantizeRows(bf16 bool, codes []byte, v []float32, ends *Ends) {
	n := len(v) / RowsAtOnce
	codes = codes[:n*g.Bits]
	quantizeRows(bf16, g.Bits, &codes[0], &v[0], &ends[0], n, g.Factor)
}

// WidenAndQuantize is WidenHadamard, and QuantizeRows of as many rows before those, which it may do
// together: the one waits for sums where the other has none. It does the latter in any case.
func (g RowGrid) WidenAndQuantize(bf16 bool, block int, dst []float32, src, signs []uint16, ends *Ends,
	codes []byte, v []float32, grids *Ends) bool {
	dim := len(signs)
	if g.Bits != 4 || !vbmi() || !hasHadamard(block) || dim == 0 || dim%block != 0 {
		g.QuantizeRows(bf16, codes, v, grids)
		return WidenHadamard(bf16, block, dst, src, signs, ends)
	}
	dst, src = dst[:RowsAtOnce*dim], src[:RowsAtOnce*dim]
	v, codes = v[:RowsAtOnce*dim], codes[:dim*g.Bits]
	return widenAndQuantize(bf16, block, &dst[0], &src[0], &signs[0], &ends[0], dim/block, &codes[0],
		&v[0], &grids[0], g.Factor)
}

// RotateCodesBack sets RowsAtOnce rows of dst, of len(back) channels each, to what codes, packed bits
// wide, and binary16 scales and minima stand for. Codes are transformed by the matrix of Hadamard in
// blocks of so many channels, multiplied by their row's scale, the minimum times block added to the
// first of each block, multiplied by back and rounded to 16 bits, every step rounded. It returns
// false where there is no kernel, a scale or minimum is none, or the magnitude of what a code stands
// for might be limit or more.
func RotateCodesBack(bf16 bool, bits, block int, dst []uint16, codes, scales []byte, back []float32,
	limit float32) bool {
	dim := len(back)
	if !hasHadamard(block) || dim == 0 || dim%block != 0 {
		return false
	}
	dst, codes, scales = dst[:RowsAtOnce*dim], codes[:dim*bits], scales[:4*RowsAtOnce]
	return rotateCodesBack(bf16, bits, block, &dst[0], &codes[0], &scales[0], &back[0], dim/block, limit)
}
