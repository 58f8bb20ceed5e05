package llama

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"math"
	"os"
	"reflect"
	"sort"
	"sync"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/testenv"
	"kvgauge/internal/tokenize"
	"kvgauge/internal/weights"
)

// smol is SmolLM2-135M-Instruct, loaded once for all tests.
type smol struct {
	model *Model
	tok   *tokenize.Tokenizer
	wiki  []int32
	text  string
}

var (
	smolMu     sync.Mutex
	smolLoaded *smol
)

func loadSmol(t testing.TB) *smol {
	t.Helper()
	if testing.Short() {
		t.Skip("SmolLM2 is not for -short")
	}
	path := testenv.SmolLM2(t)
	wiki := testenv.Shared(t, "data/prompts/wikitext2/wiki.test.raw.gz")
	smolMu.Lock()
	defer smolMu.Unlock()
	if smolLoaded != nil {
		return smolLoaded
	}
	w, err := weights.Open(path, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s := &smol{}
	if s.model, err = Load(w); err != nil {
		t.Fatal(err)
	}
	if s.tok, err = w.Tokenizer(); err != nil {
		t.Fatal(err)
	}
	s.text = gunzip(t, wiki)
	s.wiki = s.tok.Encode(s.text, false)
	smolLoaded = s
	return s
}

func gunzip(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

type reference struct {
	GGUF      string `json:"gguf_sha256"`
	Tokenizer struct {
		Plain   []tokenCase
		Special []tokenCase
	}
	Wiki struct {
		Tokens int
		Digest string  `json:"ids_sha256_u32le"`
		First  []int32 `json:"first_64"`
	} `json:"wiki_test_raw"`
	Chunks []struct {
		MeanNLL    float64 `json:"mean_nll_second_half"`
		Perplexity float64 `json:"perplexity_so_far"`
		Positions  []struct {
			Position int
			Top5     [][2]float64
		}
		Samples []struct {
			Layer, Head, Token int
			K                  []float32 `json:"k_first8"`
			V                  []float32 `json:"v_first8"`
		} `json:"kv_samples"`
		RMS struct{ K, V []float64 } `json:"kv_rms_per_layer"`
	}
}

type tokenCase struct {
	Text    string
	IDs     []int32
	Without []int32 `json:"ids_without_special"`
}

func readReference(t testing.TB) *reference {
	t.Helper()
	raw, err := os.ReadFile(testenv.Shared(t, "conformance/smollm2/reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := new(reference)
	if err := json.Unmarshal(raw, r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSmolLM2TokensEqualTheReference(t *testing.T) {
	s, ref := loadSmol(t), readReference(t)
	for _, c := range append(ref.Tokenizer.Plain, ref.Tokenizer.Special...) {
		want, special := c.IDs, len(c.IDs) > 0 && c.IDs[0] == 1
		if c.IDs == nil {
			want = c.Without
		}
		if got := s.tok.Encode(c.Text, special); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, want %v", c.Text, got, want)
		}
		if back, err := s.tok.Decode(want); err != nil || string(back) != c.Text {
			t.Errorf("%v decodes to %q, %v, want %q", want, back, err, c.Text)
		}
	}
	h := sha256.New()
	binary.Write(h, binary.LittleEndian, s.wiki)
	if got := hex.EncodeToString(h.Sum(nil)); got != ref.Wiki.Digest || len(s.wiki) != ref.Wiki.Tokens {
		t.Errorf("wiki.test.raw: %d tokens with digest %s, want %d with %s",
			len(s.wiki), got, ref.Wiki.Tokens, ref.Wiki.Digest)
	}
	if !reflect.DeepEqual(s.wiki[:64], ref.Wiki.First) {
		t.Errorf("first tokens are %v, want %v", s.wiki[:64], ref.Wiki.First)
	}
}

// The first chunk of WikiText, every position's logits: perplexity, the likeliest tokens, and the
// cache itself against the reference forward.
func TestSmolLM2ForwardEqualsTheReference(t *testing.T) {
	s, ref := loadSmol(t), readReference(t)
	want := ref.Chunks[0]
	tops := make([][][2]float64, 512)
	asked := map[int]bool{}
	for _, p := range want.Positions {
		asked[p.Position] = true
	}
	nll := make([]float64, 512)
	cache, _, err := s.model.Prefill(context.Background(), s.wiki[:512], Options{
		Logits: func(at int, logits [][]float32) {
			LogProbs(logits[0], make([]float32, len(logits[0])))
			if at+1 < 512 {
				nll[at] = -float64(logits[0][s.wiki[at+1]])
			}
			if asked[at] {
				tops[at] = top5(logits[0])
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mean := 0.0
	for _, v := range nll[256:511] {
		mean += v / 255
	}
	if d := math.Abs(mean-want.MeanNLL) / want.MeanNLL; d > 1e-5 {
		t.Errorf("mean NLL %.8f, want %.8f (relative difference %.2g)", mean, want.MeanNLL, d)
	}
	for _, p := range want.Positions {
		for i, top := range p.Top5 {
			got := tops[p.Position][i]
			if got[0] != top[0] || math.Abs(got[1]-top[1]) > 1e-3 {
				t.Errorf("position %d, rank %d: got %v, want %v", p.Position, i, got, top)
			}
		}
	}
	checkCache(t, s.model.Tensor(cache, kv.F16), ref)
}

func checkCache(t *testing.T, c kv.Tensor, ref *reference) {
	t.Helper()
	var diff, norm float64
	for _, p := range ref.Chunks[0].Samples {
		for side, want := range [][]float32{p.K, p.V} {
			row := c.Row(kv.Side(side), p.Layer, p.Head, p.Token)
			for i, w := range want {
				d := float64(c.DType.Float(row[i])) - float64(w)
				diff, norm = diff+d*d, norm+float64(w)*float64(w)
			}
		}
	}
	t.Logf("cache samples: NMSE %.2g after rounding to f16", diff/norm)
	if diff/norm > 1e-5 {
		t.Errorf("cache samples: NMSE %g, want at most 1e-5", diff/norm)
	}
	for l := range c.Layers {
		for side, want := range [][]float64{ref.Chunks[0].RMS.K, ref.Chunks[0].RMS.V} {
			sum, n := 0.0, 0
			for h := range c.Heads {
				for _, b := range c.Plane(kv.Side(side), l, h) {
					v := float64(c.DType.Float(b))
					sum, n = sum+v*v, n+1
				}
			}
			if got := math.Sqrt(sum / float64(n)); math.Abs(got-want[l]) > 1e-3*want[l] {
				t.Errorf("layer %d, %v: RMS %g, want %g", l, kv.Side(side), got, want[l])
			}
		}
	}
}

func top5(row []float32) [][2]float64 {
	ids := make([]int, len(row))
	for i := range ids {
		ids[i] = i
	}
	sort.Slice(ids, func(i, j int) bool { return row[ids[i]] > row[ids[j]] })
	var out [][2]float64
	for _, id := range ids[:5] {
		out = append(out, [2]float64{float64(id), float64(row[id])})
	}
	return out
}

func TestSmolLM2Perplexity(t *testing.T) {
	s, ref := loadSmol(t), readReference(t)
	chunks := len(ref.Chunks)
	if kern.CurrentLevel() == kern.Generic {
		chunks = 1
	}
	got, err := s.model.PerplexityOf(context.Background(), s.wiki, PerplexityOptions{Chunks: chunks})
	if err != nil {
		t.Fatal(err)
	}
	want := ref.Chunks[chunks-1].Perplexity
	t.Logf("perplexity %.7f, reference %.7f", got.Perplexity, want)
	if math.Abs(got.Perplexity-want) > 1e-4*want || got.Chunks != chunks {
		t.Errorf("perplexity %.6f over %d chunks, want %.6f over %d", got.Perplexity, got.Chunks, want, chunks)
	}
}
