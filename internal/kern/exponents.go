package kern

// ExponentSlots find the index of an exponent in a book of 16 by the exponent's low four bits. Two
// exponents may share these; a third has no slot.
type ExponentSlots struct {
	slots [2]exponentSlots
	fits  bool
}

// exponentSlots hold at i an exponent that ends in i, and its index.
type exponentSlots struct{ exponent, index [16]byte }

// Init prepares the slots for a book of different exponents.
func (s *ExponentSlots) Init(book *[16]byte) {
	var filled [16]int
	for i := range 16 {
		for k := range s.slots {
			s.slots[k].exponent[i] = byte(i) ^ 1 // ends in another digit, so nothing is equal
		}
	}
	s.fits = true
	for i, e := range book {
		at := e & 15
		if filled[at] == len(s.slots) {
			s.fits = false
			return
		}
		slot := &s.slots[filled[at]]
		slot.exponent[at], slot.index[at] = e, byte(i)
		filled[at]++
	}
}

// SplitExponents parts patterns of bfloat16: rest gets a byte of sign and fraction for each, index
// the exponents' indices, two in a byte, the first in the low nibble; bit i of missed[k] says that
// exponent 32·k + i has no index, and then its nibble is 0. It returns how many patterns it did,
// the front of src, a multiple of 32, and may do none. rest, index and missed have room for all
// of src.
func SplitExponents(rest, index []byte, missed []uint32, src []uint16, s *ExponentSlots) int {
	n := len(src) &^ 31
	if level < AVX2 || n == 0 || !s.fits {
		return 0
	}
	rest, index, missed = rest[:n], index[:n/2], missed[:n/32]
	splitExponentsAVX2(&rest[0], &index[0], &missed[0], &src[0], n, &s.slots[0].exponent[0])
	return n
}

// MergeExponents undoes SplitExponents, with the exponent of index 0 for those that have none. It
// returns how many patterns it did, the front of dst, a multiple of 32, and may do none.
func MergeExponents(dst []uint16, rest, index []byte, book *[16]byte) int {
	n := len(dst) &^ 31
	if level < AVX2 || n == 0 {
		return 0
	}
	rest, index = rest[:n], index[:n/2]
	mergeExponentsAVX2(&dst[0], &rest[0], &index[0], n, &book[0])
	return n
}
