package kern

import "unsafe"

// StreamBytes is from how many bytes on a result is better written around the caches: it would
// not stay in those of one core, and fetching the lines that it overwrites is a third of the
// traffic. Go's copy does so from half as many.
const StreamBytes = 2 << 20

// StreamCopy copies src to dst, which is at least as long, around the caches where it can. Call
// StreamFence after the last copy, before another processor is told of dst.
func StreamCopy(dst, src []byte) {
	dst = dst[:len(src)]
	if level < AVX2 || len(src) < 64 {
		copy(dst, src)
		return
	}
	head := int(-uintptr(unsafe.Pointer(&dst[0])) & 63)
	if head > 0 {
		copy(dst[:head], src)
	}
	end := head + (len(src)-head)&^63
	if end > head {
		if level >= AVX512 {
			streamAVX512(&dst[head], &src[head], end-head)
		} else {
			streamAVX2(&dst[head], &src[head], end-head)
		}
	}
	if end < len(src) {
		copy(dst[end:], src[end:])
	}
}

// streams returns 1 if a kernel may write around the caches, which dst allows if it is a multiple of
// size bytes.
func streams(stream bool, dst *uint16, size uintptr) uint8 {
	if stream && uintptr(unsafe.Pointer(dst))%size == 0 {
		return 1
	}
	return 0
}

// StreamFence ends a run of StreamCopy.
func StreamFence() {
	if level >= AVX2 {
		streamFence()
	}
}

// FetchPages has the processor look up where the pages of dst are, many at a time, before they are
// written around the caches: such a write waits for that, and all that follow it wait in turn.
func FetchPages(dst []byte) {
	if n := len(dst) / 4096; level >= AVX2 && n > 0 {
		fetchPages(&dst[0], n)
	}
}
