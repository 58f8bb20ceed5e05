package codectest

import (
	"bytes"
	"sync"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
)

func parallel(t *testing.T, k *kit) {
	var wg sync.WaitGroup
	for worker := range 4 {
		src := k.mains[worker%len(k.mains)].Slice(0, 136+8*worker)
		want, ok := k.compress(t, src)
		if !ok {
			continue
		}
		tensor := k.decompress(t, src, want)
		wg.Go(func() {
			var payload []byte
			dst := like(src)
			for range 2 {
				var err error
				if payload, err = k.c.AppendCompress(payload[:0], src); err != nil {
					t.Error(err)
				}
				if err = k.c.Decompress(dst, payload); err != nil {
					t.Error(err)
				}
				if !bytes.Equal(payload, want) || !dst.Equal(tensor) {
					t.Error("calls from several goroutines disturb each other")
				}
			}
		})
	}
	wg.Wait()
}

func predictedBytes(t *testing.T, k *kit) {
	sizer, ok := k.c.(compressors.Sizer)
	if ok != k.caps.FixedRate {
		t.Fatalf("fixed rate: %v, can predict sizes: %v", k.caps.FixedRate, ok)
	}
	if !ok {
		return
	}
	for _, src := range append(k.mains, oddTensors(2, 8)...) {
		payload, ok := k.compress(t, src)
		if want := sizer.PredictedBytes(src); ok && len(payload) != want {
			t.Errorf("%v %v: payload of %d bytes, predicted %d", src.DType, src.Shape, len(payload), want)
		}
	}
}

func sections(t *testing.T, k *kit) {
	s, ok := k.c.(compressors.Sectioner)
	if !ok {
		t.Skip("does not divide its payload")
	}
	for _, src := range append(k.mains, oddTensors(2, 8)...) {
		payload, ok := k.compress(t, src)
		if !ok {
			continue
		}
		first := compressors.Section{Kind: compressors.Raw, Bytes: 1}
		list, err := s.AppendSections([]compressors.Section{first}, src, payload)
		if err != nil || len(list) < 2 || list[0] != first {
			t.Fatalf("sections %v, %v: want them appended", list, err)
		}
		sum := 0
		for _, section := range list[1:] {
			if sum += section.Bytes; section.Bytes < 0 || section.Kind.String() == "unknown" {
				t.Errorf("section %v", section)
			}
		}
		if sum != len(payload) {
			t.Errorf("sections of %d bytes, payload of %d", sum, len(payload))
		}
		r := Rand(5)
		for i := range 20 { // hostile payloads may be refused, and must not panic
			list, _ = s.AppendSections(list[:0], src, Mutate(&r, bytes.Clone(payload), i))
		}
	}
}

func keptTokens(t *testing.T, k *kit) {
	if !k.caps.DropsTokens {
		return
	}
	for _, src := range k.mains {
		payload, _ := k.compress(t, src)
		left := k.kept(t, src, payload)
		if !validKept(src, left) {
			t.Fatalf("kept lists are out of order or range: %v", left)
		}
		got := k.decompress(t, src, payload)
		for l := range src.Layers {
			for h := range src.Heads {
				for token := range src.Tokens {
					if contains(left.At(l, h), token) {
						continue
					}
					for _, x := range got.Row(kv.K, l, h, token) {
						if x != 0 {
							t.Fatalf("layer %d head %d: dropped token %d is not cleared", l, h, token)
						}
					}
				}
			}
		}
	}
}

// validKept says whether left holds increasing token indices for every head of t.
func validKept(t kv.Tensor, left *kv.Kept) bool {
	if left.Layers != t.Layers || left.Heads != t.Heads || len(left.Lists) != t.Layers*t.Heads {
		return false
	}
	for _, list := range left.Lists {
		last := int32(-1)
		for _, i := range list {
			if i <= last || int(i) >= t.Tokens {
				return false
			}
			last = i
		}
	}
	return true
}

// allocations compresses and decompresses with all buffers warm: nothing is allocated.
func allocations(t *testing.T, k *kit) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	for _, src := range k.mains {
		payload, _ := k.compress(t, src)
		buf := make([]byte, 0, 2*len(payload)+1024)
		dst := like(src)
		for name, call := range map[string]func() error{
			"AppendCompress": func() error { _, err := k.c.AppendCompress(buf, src); return err },
			"Decompress":     func() error { return k.c.Decompress(dst, payload) },
		} {
			var err error
			n := testing.AllocsPerRun(4, func() { err = call() })
			if n != 0 || err != nil {
				t.Errorf("%v: %s allocates %g times a call (%v)", src.DType, name, n, err)
			}
		}
	}
}
