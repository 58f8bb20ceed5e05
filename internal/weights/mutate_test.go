package weights_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/fstest"

	"kvgauge/internal/weights"
)

// mutations is how many damaged files of each format are opened.
const mutations = 40000

// damage changes up to four places of a copy of seed, mostly near the front, where lengths and
// names stand: bits, bytes, whole 64-bit numbers, runs moved, and the end.
func damage(rng *rand.Rand, seed []byte) []byte {
	b := bytes.Clone(seed)
	for range 1 + rng.IntN(4) {
		n := len(b)
		if n < 16 {
			return b
		}
		if rng.IntN(3) > 0 {
			n = min(n, 1024)
		}
		at := rng.IntN(n - 8)
		switch rng.IntN(6) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			b[at] = byte(rng.IntN(256))
		case 2:
			for i := range 8 {
				b[at+i] = []byte{0, 0xff, 0x7f, 0x80}[rng.IntN(4)]
			}
		case 3:
			copy(b[at:], b[rng.IntN(n):])
		case 4:
			b = b[:len(b)-rng.IntN(len(b)/2)]
		case 5:
			b = append(b[:at:at], b[min(len(b), at+1+rng.IntN(8)):]...)
		}
	}
	return b
}

// TestDamagedModelFilesAreErrors opens damaged files of both formats as users do. Each gives an
// error or a model whose tensors can be read: no panic, and no more memory than a small file is
// worth.
func TestDamagedModelFilesAreErrors(t *testing.T) {
	n := mutations
	if testing.Short() {
		n /= 20
	}
	m := small()
	gguf := m.GGUF(map[string]any{"tokenizer.ggml.model": "gpt2",
		"tokenizer.ggml.tokens": []string{"a", "b", "ab"}, "tokenizer.ggml.merges": []string{"a b"}})
	dir := t.TempDir()
	m.WriteDir(t, dir, 1)
	st, config := mustRead(t, dir, "model.safetensors"), m.ConfigJSON(nil)
	for name, open := range map[string]func(*rand.Rand) (*weights.Model, error){
		"gguf": func(rng *rand.Rand) (*weights.Model, error) {
			raw := damage(rng, gguf)
			return weights.OpenGGUF(bytes.NewReader(raw), int64(len(raw)), "x", weights.Options{})
		},
		"safetensors": func(rng *rand.Rand) (*weights.Model, error) {
			files := fstest.MapFS{"config.json": {Data: config}, "model.safetensors": {Data: damage(rng, st)}}
			if rng.IntN(4) == 0 {
				files["config.json"] = &fstest.MapFile{Data: damage(rng, config)}
			}
			return weights.OpenFS(files, "x", weights.Options{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 6))
			refused := 0
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range n {
				w, err := open(rng)
				if err != nil {
					refused++
					if bytes.ContainsRune([]byte(err.Error()), '\n') {
						t.Fatalf("an error of several lines: %q", err)
					}
					continue
				}
				readAll(t, w)
			}
			runtime.ReadMemStats(&after)
			if per := (after.TotalAlloc - before.TotalAlloc) / uint64(n); per > 4<<20 {
				t.Errorf("a damaged file of %d bytes costs %d bytes of memory", len(gguf), per)
			}
			if refused < n/4 {
				t.Errorf("only %d of %d damaged files are refused", refused, n)
			}
		})
	}
}
