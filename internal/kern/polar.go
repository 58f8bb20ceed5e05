package kern

// A Polar is the numbers of a polar tree over blocks of 16, whose first level has four angles in
// each quadrant and whose other three have four in one: the tangents between them, the cosines and
// sines of all sixteen of the first by code, and those of the four of the others.
type Polar struct {
	Tan    [4][3]float32
	Circle [2][16]float32
	Levels [3][2][4]float32
}

// PolarBlocks is how many blocks the kernels of Polar take at a time.
const PolarBlocks = 8

// Codes sets, for every block of v, first to its codes of the first level, 4 bits each, rest to the
// others, 2 bits each, and norms to its radius in binary16, no less than the least number unless it is
// 0. It takes blocks by PolarBlocks and stops before those of which a radius is not finite; it returns
// how many it did: none without vectors.
func (p *Polar) Codes(first, rest []uint32, norms []uint16, v []float32) (blocks int) {
	n := len(v) / 16 / PolarBlocks
	if n == 0 || level < AVX2 {
		return 0
	}
	blocks = n * PolarBlocks
	first, rest, norms = first[:blocks], rest[:blocks], norms[:blocks]
	left := polarCodesAVX2(&first[0], &rest[0], &norms[0], &v[0], &p.Tan[0][0], n)
	return blocks - left*PolarBlocks
}

// Points undoes Codes.
func (p *Polar) Points(v []float32, first, rest []uint32, norms []uint16) (blocks int) {
	n := len(v) / 16 / PolarBlocks
	if n == 0 || level < AVX2 {
		return 0
	}
	blocks = n * PolarBlocks
	first, rest, norms = first[:blocks], rest[:blocks], norms[:blocks]
	polarPointsAVX2(&v[0], &first[0], &rest[0], &norms[0], &p.Circle[0][0], &p.Levels[0][0][0], n)
	return blocks
}
