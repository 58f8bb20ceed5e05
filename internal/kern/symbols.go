package kern

// TakeFields sets dst to the low bytes of src shifted right; the slices have equal length.
func TakeFields(dst []byte, src []uint16, shift uint) {
	dst = dst[:len(src)]
	n := 0
	if level >= AVX2 && len(src) >= 32 {
		n = len(src) &^ 31
		takeFieldsAVX2(&dst[0], &src[0], n, uint64(shift))
	}
	for i, x := range src[n:] {
		dst[n+i] = byte(x >> (shift & 15))
	}
}

// PutFields adds the bits of src, shifted left, to dst; the slices have equal length.
func PutFields(dst []uint16, src []byte, shift uint) {
	dst = dst[:len(src)]
	n := 0
	if level >= AVX2 && len(src) >= 32 {
		n = len(src) &^ 31
		putFieldsAVX2(&dst[0], &src[0], n, uint64(shift))
	}
	for i, x := range src[n:] {
		dst[n+i] |= uint16(x) << (shift & 15)
	}
}

// PermuteRows sets byte i of every row of dst to byte perm[i] of that of src. Rows are as long as perm,
// and dst and src do not overlap.
func PermuteRows(dst, src []byte, perm []int32) {
	dim := len(perm)
	if dim == 0 {
		return
	}
	rows := len(src) / dim
	if vbmi() && rows > 0 && (dim == 64 || dim == 128) {
		var index [128]byte
		for i, c := range perm {
			index[i] = byte(c)
		}
		dst, src = dst[:rows*dim], src[:rows*dim]
		if dim == 64 {
			permute64AVX512(&dst[0], &src[0], &index[0], rows)
		} else {
			permute128AVX512(&dst[0], &src[0], &index[0], rows)
		}
		return
	}
	for at := 0; at < rows*dim; at += dim {
		to, from := dst[at:at+dim], src[at:at+dim]
		for i, c := range perm {
			to[i] = from[c]
		}
	}
}
