package kvfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"runtime"
	"strings"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/weights/safetensors"
)

// npyFile returns a .npy file with this dictionary and so many bytes of values.
func npyFile(dict string, values int) []byte {
	b := append([]byte(npyMagic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(dict)))
	b = append(b, dict...)
	return append(b, make([]byte, values)...)
}

type member struct {
	name string
	data []byte
}

func npzFile(t testing.TB, method uint16, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range members {
		w, err := z.CreateHeader(&zip.FileHeader{Name: m.name, Method: method})
		if err == nil {
			_, err = w.Write(m.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const okDict = "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 1, 2, 3), }\n"

func bf16(name string, shape ...int) safetensors.Entry {
	n := 2
	for _, d := range shape {
		n *= d
	}
	return safetensors.Entry{Name: name, DType: safetensors.BF16, Shape: shape, Data: make([]byte, n)}
}

// hostile is one file of each mistake, and what its error says.
func hostile(t testing.TB) map[string][]byte {
	dict := func(s string) []byte { return npyFile(s, 12) }
	k := npyFile(okDict, 12)
	huge := "{'descr': '<f2', 'fortran_order': False, 'shape': (64, 64, 64, 136), }"
	all := map[string][]byte{
		"is not a cache file":             []byte("hello, world, what is this?"),
		"header is cut short":             k[:20],
		"holds 11 bytes of values":        k[:len(k)-1],
		"version 9":                       append([]byte(npyMagic), 9, 0, 1, 0, 0, 0),
		"header of 4294967295 bytes":      append([]byte(npyMagic), 2, 0, 255, 255, 255, 255),
		`type ">f2"`:                      dict(strings.Replace(okDict, "<f2", ">f2", 1)),
		`type "|V2"`:                      dict(strings.Replace(okDict, "<f2", "|V2", 1)),
		"values are records":              dict(strings.Replace(okDict, "'<f2'", "[('a', '<f2')]", 1)),
		"want True or False":              dict(strings.Replace(okDict, "False", "Maybe", 1)),
		"stands twice":                    dict(strings.Replace(okDict, "'shape'", "'descr': '<f2', 'shape'", 1)),
		`unknown key "spam"`:              dict(strings.Replace(okDict, "'shape'", "'spam'", 1)),
		"want the keys":                   dict("{'descr': '<f2', }"),
		"text after":                      dict(okDict + "x"),
		"want a tuple of dimensions":      dict(strings.Replace(okDict, "(1", "(-1", 1)),
		"want 4 dimensions":               npyFile(strings.Replace(okDict, "(1, 1, 2, 3)", "(6,)", 1), 12),
		"more than 68719476736 values":    dict(strings.Replace(okDict, "(1, 1", "(1099511627776, 1099511627776", 1)),
		"at least one layer":              npyFile(strings.Replace(okDict, "(1, 1", "(0, 1", 1), 0),
		"is not a whole .npz":             []byte("PK\x03\x04 and so on"),
		"no array named k":                npzFile(t, zip.Store, member{"x.npy", k}),
		"both k.npy and keys.npy":         npzFile(t, zip.Store, member{"k.npy", k}, member{"keys.npy", k}),
		`member "k.npy" stands twice`:     npzFile(t, zip.Store, member{"k.npy", k}, member{"k.npy", k}),
		"v.npy: is not a .npy file":       npzFile(t, zip.Store, member{"k.npy", k}, member{"v.npy", []byte("hi")}),
		"78 bytes, want 88":               npzFile(t, zip.Store, member{"k.npy", k[:len(k)-10]}),
		"raise --max-bytes":               npzFile(t, zip.Deflate, member{"k.npy", npyFile(huge, 2*64*64*64*136)}),
		"no tensor named k":               cacheOf(t, nil, bf16("x", 1, 1, 2, 2)),
		"want the same layers":            cacheOf(t, nil, bf16("k", 1, 1, 2, 2), bf16("v", 1, 1, 3, 2)),
		"want one type":                   cacheOf(t, nil, bf16("k", 1, 1, 1, 1), f32Entry("v", []int{1, 1, 1, 1}, 0)),
		`"k" is I64`:                      cacheOf(t, nil, safetensors.Entry{Name: "k", DType: "I64", Shape: []int{0}}),
		`metadata layout is "sglang"`:     cacheOf(t, map[string]string{"layout": "sglang"}),
		"metadata rope":                   cacheOf(t, map[string]string{"rope": `{"theta":0}`}, bf16("k", 1, 1, 1, 1)),
		"metadata positions are no":       cacheOf(t, map[string]string{"positions": "[1.5]"}, bf16("k", 1, 1, 1, 1)),
		"metadata positions has 2":        cacheOf(t, map[string]string{"positions": "[1,2]"}, bf16("k", 1, 1, 1, 1)),
		"metadata positions[0] is -1":     cacheOf(t, map[string]string{"positions": "[-1]"}, bf16("k", 1, 1, 1, 1)),
		`metadata tokens is ""`:           cacheOf(t, map[string]string{"layout": "vllm"}),
		"no tensor named layer.0":         paged(t, 3, bf16("layer.1", 2, 1, 4, 1, 1)),
		"2 blocks of 4 tokens":            paged(t, 3, bf16("layer.0", 2, 2, 4, 1, 1)),
		"want [2, blocks":                 paged(t, 3, bf16("layer.0", 1, 1, 4, 1, 1)),
		"layer.1: want a tensor of shape": paged(t, 3, bf16("layer.0", 2, 1, 4, 1, 1), bf16("layer.1", 2, 1, 4, 1, 2)),
		"shape 1x1x1152921504606846976x2": paged(t, 1<<60, bf16("layer.0", 2, 1, 4, 1, 2)),
		"is beyond the file's":            cutShape(t),
		"header of 10000 bytes at offset": append([]byte{16, 39, 0, 0, 0, 0, 0, 0}, "{}"...),
	}
	maps.Copy(all, heldHostile(t))
	return all
}

func paged(t testing.TB, tokens int, entries ...safetensors.Entry) []byte {
	return cacheOf(t, map[string]string{"layout": "vllm", "tokens": fmt.Sprint(tokens)}, entries...)
}

// cutShape is a header whose shape promises more than the file has.
func cutShape(t testing.TB) []byte {
	b := cacheOf(t, nil, bf16("k", 1, 1, 1, 1))
	return bytes.Replace(b, []byte("[1,1,1,1]"), []byte("[9,9,9,9]"), 1)
}

func TestMistakesAreNamedInOneLine(t *testing.T) {
	for want, b := range hostile(t) {
		_, err := readOne(bytes.NewReader(b), int64(len(b)), Defaults)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got error %v, want one line with %q", err, want)
		}
	}
}

// TestHostileFilesAllocateLittle reads every hostile file and compares what was allocated with the
// bound, far below which a mistake must be found.
func TestHostileFilesAllocateLittle(t *testing.T) {
	for want, b := range hostile(t) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		readOne(bytes.NewReader(b), int64(len(b)), Defaults)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: %d bytes allocated for a file of %d", want, got, len(b))
		}
	}
}

// seeds are small whole files of every format.
func seeds(t testing.TB) map[string][][]byte {
	out := map[string][][]byte{}
	src := ramp(kv.Shape{Layers: 2, Heads: 2, Tokens: 3, KeyDim: 4, ValueDim: 4}, kv.F16)
	src.Meta = &kv.Meta{Model: "m", Positions: []int32{1, 2, 4},
		Rope: &kv.Rope{Theta: 1e4, Dim: 4, Applied: true}}
	write := func(fill func(io.Writer) error) []byte {
		var b bytes.Buffer
		if err := fill(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	k := write(func(w io.Writer) error { return content{Tensor: src}.writeNpy(w, kv.K) })
	out["npy"] = [][]byte{k, npyFile(okDict, 12),
		npyFile("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2, 2, 3), }\n", 48)}
	out["npz"] = [][]byte{
		npzFile(t, zip.Store, member{"k.npy", k}, member{"v.npy", k}),
		npzFile(t, zip.Deflate, member{"in_k.npy", k}, member{"in_v.npy", k}),
	}
	layers := []safetensors.Entry{pagedLayer(src, 0, 2), pagedLayer(src, 1, 2)}
	out["safetensors"] = [][]byte{
		write(func(w io.Writer) error { return content{Tensor: src}.writeSafetensors(w, nil) }),
		paged(t, 3, layers...),
		cacheOf(t, nil, f32Entry("k", []int{1, 1, 1, 2}, 1, 2), f32Entry("v", []int{1, 1, 1, 1}, 3)),
	}
	out["safetensors"] = append(out["safetensors"], f8Seeds(t)...)
	return out
}

// checkParse reads bytes that may be anything: an error of one line or a cache that holds
// together and is within the bound.
func checkParse(t testing.TB, b []byte) {
	o := Options{DType: kv.BF16, MaxBytes: 1 << 20}
	x, err := readOne(bytes.NewReader(b), int64(len(b)), o)
	if err != nil {
		if strings.Contains(err.Error(), "\n") {
			t.Fatalf("error of more than one line: %q", err)
		}
		return
	}
	if err := x.Check(); err != nil || !x.Contiguous() || x.RawBytes() > 1<<20 {
		t.Fatalf("a cache that does not hold together: %v, %v", x.Shape, err)
	}
	if n := len(x.Bits[kv.K]); n > 0 && x.Meta.Position(x.Tokens-1) < 0 {
		t.Fatal("a position below 0")
	}
}

// TestMutatedFilesGiveAnErrorOrACache changes whole files in every byte and in many pairs, cuts
// them at every length, and reads what comes of it.
func TestMutatedFilesGiveAnErrorOrACache(t *testing.T) {
	state := uint64(1)
	next := func(n int) int { // xorshift: any stream will do, but the same each time
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		return int(state % uint64(n))
	}
	reads := 0
	for _, files := range seeds(t) {
		for _, whole := range files {
			for cut := range whole {
				checkParse(t, whole[:cut])
				for _, b := range []byte{whole[cut] ^ 1, whole[cut] ^ 0x80, 0, 0xff, '9', '{', ','} {
					bad := bytes.Clone(whole)
					bad[cut] = b
					checkParse(t, bad)
					reads++
				}
			}
			for range 4000 {
				bad := bytes.Clone(whole)
				for range 1 + next(4) {
					bad[next(len(bad))] = byte(next(256))
				}
				if next(4) == 0 { // a run moved elsewhere
					copy(bad[next(len(bad)):], bad[next(len(bad)):])
				}
				checkParse(t, bad)
				reads++
			}
		}
	}
	if reads < 30000 {
		t.Errorf("only %d mutations", reads)
	}
}

func fuzz(f *testing.F, kind string) {
	for _, b := range seeds(f)[kind] {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkParse(t, b) })
}

func FuzzNpy(f *testing.F)              { fuzz(f, "npy") }
func FuzzNpz(f *testing.F)              { fuzz(f, "npz") }
func FuzzCacheSafetensors(f *testing.F) { fuzz(f, "safetensors") }

func TestMaxBytesRaisesTheLimit(t *testing.T) {
	b := hostile(t)["raise --max-bytes"]
	x, err := readOne(bytes.NewReader(b), int64(len(b)), Options{MaxBytes: 1 << 27})
	if err != nil || x.RawBytes() != 2*64*64*64*136 {
		t.Errorf("got %d bytes, %v", x.RawBytes(), err)
	}
}
