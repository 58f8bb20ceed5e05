package llama

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/weights"
	"kvgauge/internal/weights/weightstest"
)

var bg = context.Background()

// tiny returns a small random model and its forward.
func tiny(t testing.TB, change func(*weights.Config)) (*weightstest.Model, *Model) {
	t.Helper()
	c := weightstest.Config()
	if change != nil {
		change(&c)
	}
	r := weightstest.New(c, 11)
	m, err := Load(r.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	return r, m
}

func tokens(n, vocab int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32((i*i*31 + i*7 + 3) % vocab)
	}
	return out
}

// allLogits prefills and keeps every token's logits.
func allLogits(t testing.TB, m *Model, c *Cache, ids []int32) [][]float32 {
	t.Helper()
	out := make([][]float32, len(ids))
	_, err := m.Extend(bg, c, ids, Options{Logits: func(at int, l [][]float32) { out[at] = slices.Clone(l[0]) }})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func nmse(got []float32, want []float64) float64 {
	var diff, norm float64
	for i, w := range want {
		d := float64(got[i]) - w
		diff, norm = diff+d*d, norm+w*w
	}
	return diff / norm
}

func TestForwardIsTheTextbooks(t *testing.T) {
	for name, change := range map[string]func(*weights.Config){
		"grouped": nil,
		"tied":    func(c *weights.Config) { c.TiedHead = true },
		"one head each, odd sizes": func(c *weights.Config) {
			c.KVHeads, c.HeadDim, c.Hidden, c.FFN, c.Vocab = c.Heads, 10, 37, 51, 131
		},
	} {
		r, m := tiny(t, change)
		ids := tokens(70, m.Config.Vocab)
		got := allLogits(t, m, m.NewCache(), ids)
		n := newNaive(r)
		for i, id := range ids {
			if e := nmse(got[i], n.step(id)); e > 1e-10 {
				t.Fatalf("%s: logits after token %d have NMSE %g", name, i, e)
			}
		}
	}
}

func TestPrefillStepAndChunksGiveTheSameBits(t *testing.T) {
	for l := kern.Generic; l <= kern.CurrentLevel(); l++ {
		t.Run(l.String(), func(t *testing.T) {
			defer kern.SetLevel(l)()
			_, m := tiny(t, nil)
			ids := tokens(101, m.Config.Vocab)
			want := allLogits(t, m, m.NewCache(), ids)
			for _, size := range []int{1, 7, 50} {
				c := m.NewCache()
				for from := 0; from < len(ids); from += size {
					to := min(len(ids), from+size)
					for i, row := range allLogits(t, m, c, ids[from:to]) {
						if !slices.Equal(row, want[from+i]) {
							t.Fatalf("chunks of %d: token %d differs from the whole prefill", size, from+i)
						}
					}
				}
			}
		})
	}
}

// A prefix changed in different ways, and continued beside itself.
func TestUnchangedCachesDivergeByExactlyZero(t *testing.T) {
	_, m := tiny(t, nil)
	ids := tokens(90, m.Config.Vocab)
	c, _, err := m.Prefill(bg, ids[:60], Options{})
	if err != nil {
		t.Fatal(err)
	}
	same := m.Tensor(c, kv.BF16)
	other := same.Clone()
	for i := range other.Bits[kv.K] {
		other.Bits[kv.K][i] ^= 0x10
	}
	all := &kv.Kept{Layers: m.Config.Layers, Heads: m.Config.KVHeads}
	for range all.Layers * all.Heads {
		all.Lists = append(all.Lists, every(60, 1))
	}
	var prefixes []Prefix
	for i := range 15 {
		tensor, kept := same, (*kv.Kept)(nil)
		switch i % 3 {
		case 1:
			tensor = other
		case 2:
			kept = all
		}
		p, err := m.FromTensor(tensor, kept)
		if err != nil {
			t.Fatal(err)
		}
		prefixes = append(prefixes, p)
	}
	scores := make([][]Score, 30)
	err = m.Continue(bg, prefixes, ids[60:], Options{Logits: func(at int, logits [][]float32) {
		scores[at] = make([]Score, len(logits))
		Compare(logits, ids[(60+at+1)%90], scores[at])
	}})
	if err != nil {
		t.Fatal(err)
	}
	for at, row := range scores {
		for i, s := range row {
			if changed := i%3 == 1; changed != (s.KLD > 0) || s.NLL != row[i%3].NLL {
				t.Fatalf("token %d, prefix %d: divergence %g", at, i, s.KLD)
			}
		}
	}
}

func every(n, step int) []int32 {
	var out []int32
	for i := 0; i < n; i += step {
		out = append(out, int32(i))
	}
	return out
}

func TestContinueFromOnesOwnCacheIsPrefill(t *testing.T) {
	_, m := tiny(t, nil)
	ids := tokens(80, m.Config.Vocab)
	want := allLogits(t, m, m.NewCache(), ids)
	c, _, err := m.Prefill(bg, ids[:50], Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = m.Continue(bg, []Prefix{c.Prefix(), c.Prefix()}, ids[50:], Options{Logits: func(at int, l [][]float32) {
		if !slices.Equal(l[0], want[50+at]) || !slices.Equal(l[1], want[50+at]) {
			t.Errorf("token %d differs from the prefill", 50+at)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := allLogits(t, m, m.Inject(c.Prefix()), ids[50:])
	for i, row := range got {
		if !slices.Equal(row, want[50+i]) {
			t.Errorf("token %d after injection differs from the prefill", 50+i)
		}
	}
}

func TestAbsentTokensAreNotSeen(t *testing.T) {
	r, m := tiny(t, nil)
	ids := tokens(60, m.Config.Vocab)
	c, _, err := m.Prefill(bg, ids[:40], Options{})
	if err != nil {
		t.Fatal(err)
	}
	kept := &kv.Kept{Layers: m.Config.Layers, Heads: m.Config.KVHeads}
	for i := range kept.Layers * kept.Heads {
		kept.Lists = append(kept.Lists, every(40, i+1)) // each head keeps another number
	}
	kept.Lists[3] = nil // and one none
	n := newNaive(r)
	for _, id := range ids[:40] {
		n.step(id)
	}
	tensor := m.Tensor(c, kv.F16)
	for l := range n.k { // the reference continues from the same rounded cache
		for h := range n.k[l] {
			for i := range n.k[l][h] {
				n.k[l][h][i] = widen(tensor.Row(kv.K, l, h, i))
				n.v[l][h][i] = widen(tensor.Row(kv.V, l, h, i))
			}
		}
	}
	n.drop(kept)
	p, err := m.FromTensor(tensor, kept)
	if err != nil {
		t.Fatal(err)
	}
	got := allLogits(t, m, m.Inject(p), ids[40:])
	for i, id := range ids[40:] {
		if e := nmse(got[i], n.step(id)); e > 1e-10 {
			t.Fatalf("token %d: NMSE %g", 40+i, e)
		}
	}
	err = m.Continue(bg, []Prefix{p}, ids[40:], Options{Logits: func(at int, l [][]float32) {
		if !slices.Equal(l[0], got[at]) {
			t.Errorf("token %d: a pass over prefixes differs from injection", 40+at)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func widen(bits []uint16) []float64 {
	out := make([]float64, len(bits))
	for i, b := range bits {
		out[i] = float64(kern.F16ToF32(b))
	}
	return out
}

func TestDirectoryAndGGUFGiveTheSameBits(t *testing.T) {
	r, m := tiny(t, nil)
	dir := t.TempDir()
	r.WriteDir(t, dir, 4)
	w, err := weights.Open(dir, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fromDir, err := Load(w)
	if err != nil {
		t.Fatal(err)
	}
	ids := tokens(40, m.Config.Vocab)
	a, b := allLogits(t, m, m.NewCache(), ids), allLogits(t, fromDir, fromDir.NewCache(), ids)
	for i := range a {
		if !slices.Equal(a[i], b[i]) {
			t.Fatalf("token %d differs between the formats", i)
		}
	}
}

func TestSharedAttentionShowsThePrefixAlone(t *testing.T) {
	_, m := tiny(t, nil)
	ids := tokens(50, m.Config.Vocab)
	c, _, err := m.Prefill(bg, ids[:30], Options{})
	if err != nil {
		t.Fatal(err)
	}
	changed := m.Tensor(c, kv.F16)
	for i := range changed.Bits[kv.V] {
		changed.Bits[kv.V][i] ^= 0x40
	}
	p, err := m.FromTensor(changed, nil)
	if err != nil {
		t.Fatal(err)
	}
	var own, shared [][][]float32
	keep := func(dst *[][][]float32) func(int, [][]float32) {
		return func(_ int, out [][]float32) {
			*dst = append(*dst, [][]float32{slices.Clone(out[0]), slices.Clone(out[1])})
		}
	}
	err = m.Continue(bg, []Prefix{c.Prefix(), p}, ids[30:],
		Options{Attention: keep(&own), SharedAttention: keep(&shared)})
	if err != nil {
		t.Fatal(err)
	}
	for l := range own {
		if !slices.Equal(own[l][0], shared[l][0]) {
			t.Errorf("layer %d: the first stream's shared attention is not its own", l)
		}
		if same := slices.Equal(own[l][1], shared[l][1]); same != (l == 0) {
			t.Errorf("layer %d: shared and own attention of the changed prefix equal: %v", l, same)
		}
		if slices.Equal(shared[l][0], shared[l][1]) {
			t.Errorf("layer %d: the change does not show", l)
		}
	}
}

func TestGreedyIsWhatATeacherForcedPassRanksFirst(t *testing.T) {
	_, m := tiny(t, nil)
	ids := tokens(20, m.Config.Vocab)
	c, last, err := m.Prefill(bg, ids, Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := c.Prefix()
	p := m.Inject(before).Prefix()
	first := int32(Argmax(last))
	out, err := m.Greedy(bg, c, first, 12)
	if err != nil || len(out) != 12 || c.Len() != 32 {
		t.Fatalf("%d tokens, cache of %d, %v", len(out), c.Len(), err)
	}
	err = m.Continue(bg, []Prefix{p}, append([]int32{first}, out[:11]...), Options{Logits: func(at int, l [][]float32) {
		if got := int32(Argmax(l[0])); got != out[at] {
			t.Errorf("token %d: the pass ranks %d first, greedy took %d", at, got, out[at])
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFailedPassLeavesTheCache(t *testing.T) {
	_, m := tiny(t, nil)
	ids := tokens(20, m.Config.Vocab)
	c, _, err := m.Prefill(bg, ids[:10], Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(bg)
	layers := 0
	_, err = m.Extend(ctx, c, ids[10:], Options{Queries: func(int, []float32, int) {
		if layers++; layers == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || c.Len() != 10 || c.Rows(0, 0) != 10 {
		t.Errorf("error %v, cache of %d with %d rows", err, c.Len(), c.Rows(0, 0))
	}
	want := allLogits(t, m, m.NewCache(), ids)
	for i, row := range allLogits(t, m, c, ids[10:]) {
		if !slices.Equal(row, want[10+i]) {
			t.Errorf("token %d differs after a cancelled pass", 10+i)
		}
	}
}

func TestBadInputIsAnError(t *testing.T) {
	_, m := tiny(t, nil)
	c := m.NewCache()
	tensor := kv.New(kv.Shape{Layers: 1, Heads: 1, Tokens: 1, KeyDim: 2, ValueDim: 2}, kv.F16)
	good := kv.New(kv.Shape{Layers: 3, Heads: 2, Tokens: 4, KeyDim: 16, ValueDim: 16}, kv.F16)
	bad := &kv.Kept{Layers: 3, Heads: 2, Lists: make([][]int32, 6)}
	bad.Lists[2] = []int32{1, 1}
	for name, f := range map[string]func() error{
		"no tokens":     func() error { _, err := m.Extend(bg, c, nil, Options{}); return err },
		"token -1":      func() error { _, err := m.Extend(bg, c, []int32{-1}, Options{}); return err },
		"token 300":     func() error { return m.Continue(bg, []Prefix{c.Prefix()}, []int32{300}, Options{}) },
		"no prefix":     func() error { return m.Continue(bg, nil, []int32{3}, Options{}) },
		"shape":         func() error { _, err := m.FromTensor(tensor, nil); return err },
		"kept order":    func() error { _, err := m.FromTensor(good, bad); return err },
		"kept shape":    func() error { _, err := m.FromTensor(good, &kv.Kept{}); return err },
		"no full chunk": func() error { _, err := m.PerplexityOf(bg, tokens(9, 300), PerplexityOptions{}); return err },
	} {
		if f() == nil {
			t.Errorf("%s must be an error", name)
		}
	}
}

func TestPerplexityAndItsLogProbabilities(t *testing.T) {
	_, m := tiny(t, nil)
	ids := tokens(100, m.Config.Vocab)
	path := filepath.Join(t.TempDir(), "lp.npy")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.PerplexityOf(bg, ids, PerplexityOptions{Ctx: 32, LogProbs: f})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head := int(binary.LittleEndian.Uint16(raw[8:])) + 10
	if head%64 != 0 || !bytes.HasPrefix(raw, []byte("\x93NUMPY\x01\x00")) ||
		!strings.Contains(string(raw[:head]), "'shape': (96, 300)") || len(raw) != head+4*96*300 {
		t.Fatalf("header %q, %d bytes", raw[:head], len(raw))
	}
	total, n := 0.0, 0
	for chunk := range 3 {
		for p := 16; p < 31; p++ {
			at := head + 4*((chunk*32+p)*300+int(ids[chunk*32+p+1]))
			total -= float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[at:])))
			n++
		}
	}
	if math.Abs(total/float64(n)-got.MeanNLL) > 1e-6 || got.Chunks != 3 ||
		math.Abs(got.Perplexity-math.Exp(got.MeanNLL)) > 1e-9 {
		t.Errorf("%+v, the file gives %g", got, total/float64(n))
	}
}
