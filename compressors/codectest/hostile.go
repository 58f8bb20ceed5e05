package codectest

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
)

// maxAlloc bounds what decompressing may allocate for a payload of n bytes into a tensor of raw
// bytes: what a reader is allowed, which is far less than what a hostile length can ask for.
func maxAlloc(n, raw int) uint64 { return uint64(max(64<<20, 64*n) + 2*raw) }

// length cuts payloads and appends to them: always an error.
func length(t *testing.T, k *kit) {
	for _, src := range k.mains {
		payload, _ := k.compress(t, src)
		dst := like(src)
		for _, n := range cuts(len(payload)) {
			if err := k.c.Decompress(dst, payload[:n]); !errors.Is(err, compressors.ErrCorrupt) {
				t.Errorf("%d of %d bytes: want ErrCorrupt, got %v", n, len(payload), err)
			}
		}
		for _, more := range []string{"\x00", "\xff", "more bytes"} {
			long := append(bytes.Clone(payload), more...)
			if err := k.c.Decompress(dst, long); !errors.Is(err, compressors.ErrCorrupt) {
				t.Errorf("%d bytes too many: want ErrCorrupt, got %v", len(more), err)
			}
		}
	}
}

// cuts returns lengths below n: the ends, and some between.
func cuts(n int) []int {
	var out []int
	for i := 0; i < n; i += 1 + n/40 {
		out = append(out, i)
	}
	for i := max(0, n-10); i < n; i++ {
		out = append(out, i)
	}
	return out
}

// damage changes payloads: an error or some tensor, never a panic nor much memory.
func damage(t *testing.T, k *kit) {
	r := Rand(3)
	for _, main := range k.mains {
		src := Tensor(4, kv.Shape{Layers: 1, Heads: 1, Tokens: 140, KeyDim: 64, ValueDim: 64}, main.DType)
		payload, ok := k.compress(t, src)
		if !ok {
			src = main
			payload, _ = k.compress(t, src)
		}
		dst := like(src)
		for i := range 140 {
			k.attack(t, dst, Mutate(&r, bytes.Clone(payload), i), i%9 == 0)
		}
	}
}

// attack decompresses bytes that may be no payload. Measuring what that allocates stops the world:
// callers do it now and then.
func (k *kit) attack(t *testing.T, dst kv.Tensor, bad []byte, measure bool) {
	t.Helper()
	var before, after runtime.MemStats
	if measure {
		runtime.ReadMemStats(&before)
	}
	err := k.c.Decompress(dst, bad)
	if measure {
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > maxAlloc(len(bad), dst.RawBytes()) {
			t.Errorf("%d changed bytes made Decompress allocate %d", len(bad), used)
		}
	}
	if err != nil && !errors.Is(err, compressors.ErrCorrupt) {
		t.Errorf("changed bytes: want ErrCorrupt or a tensor, got %v", err)
	}
	if keeper, ok := k.c.(compressors.Keeper); ok {
		left, err := keeper.Kept(dst, bad)
		if err == nil && left != nil && !validKept(dst, left) {
			t.Error("changed bytes: Kept returns lists that are not in order")
		}
	}
}

// Mutate damages b, which it may overwrite, in one of several ways that i chooses among: flipped
// bits, changed, removed and doubled runs, lengths made huge. It returns the result.
func Mutate(r *Rand, b []byte, i int) []byte {
	if len(b) == 0 {
		return []byte{byte(r.Uint64())}
	}
	at := r.IntN(len(b))
	if i%2 == 0 { // headers and tables stand at the ends
		at = r.IntN(min(len(b), 64))
	} else if i%5 == 0 {
		at = len(b) - 1 - r.IntN(min(len(b), 64))
	}
	run := min(len(b)-at, 1+r.IntN(8))
	switch i % 7 {
	case 0, 1:
		b[at] ^= 1 << r.IntN(8)
	case 2:
		for j := range run {
			b[at+j] = byte(r.Uint64())
		}
	case 3:
		b = append(b[:at], b[at+run:]...)
	case 4:
		b = append(b[:at+run], b[at:]...)
	case 5:
		for j := range run {
			b[at+j] = 0xff
		}
	case 6:
		b = b[:at]
	}
	return b
}

// otherHeads decompresses a payload into tensors of other shapes: an error or some tensor.
func otherHeads(t *testing.T, k *kit) {
	for _, src := range k.mains {
		payload, _ := k.compress(t, src)
		for _, shape := range odd() {
			for _, d := range []kv.DType{kv.F16, kv.BF16} {
				k.attack(t, like(kv.New(shape, d)), payload, false)
			}
		}
	}
}
