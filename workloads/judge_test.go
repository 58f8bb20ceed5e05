package workloads

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/internal/testenv"
)

func openModel(t testing.TB, text string, o Options) Source {
	t.Helper()
	_, src, err := Open(text, o)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func sample(t testing.TB, src Source, i int) Sample {
	t.Helper()
	s, err := src.Sample(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// through sends a cache through a codec's frame and back.
func through(t testing.TB, spec string, x kv.Tensor) kv.Tensor {
	t.Helper()
	canonical, codec, err := compressors.Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	frame, err := compressors.AppendFrame(nil, canonical, codec, x)
	if err != nil {
		t.Fatal(err)
	}
	f, err := compressors.ParseFrame(frame, 0)
	if err != nil {
		t.Fatal(err)
	}
	y, _, err := f.Decompress()
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func share(x []bool) float64 {
	n := 0
	for _, v := range x {
		if v {
			n++
		}
	}
	return float64(n) / float64(len(x))
}

// qualityText is the text that conformance/smollm2/quality.json describes.
func qualityText(t *testing.T) string {
	t.Helper()
	f, err := os.Open(testenv.Shared(t, "data/prompts/wikitext2/wiki.test.raw.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	runes := []rune(string(data))[300000:]
	_, after, _ := strings.Cut(string(runes[:20000]), "\n")
	return string([]rune(after)[:4000])
}

func TestSmolLM2QualityIsTheRecorded(t *testing.T) {
	data, err := os.ReadFile(testenv.Shared(t, "conformance/smollm2/quality.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Rows []struct {
			Codec   string
			KLD     float64 `json:"kld_mean"`
			SameTop float64 `json:"same_top"`
			PPL     float64 `json:"ln_ppl_ratio"`
			BasePPL float64 `json:"base_ppl"`
		}
	}
	if err := json.Unmarshal(data, &want); err != nil || len(want.Rows) == 0 {
		t.Fatalf("%d rows, %v", len(want.Rows), err)
	}
	text := write(t, "quality.txt", qualityText(t))
	o := Options{Models: map[string]string{"smollm2": testenv.SmolLM2(t)}}
	s := sample(t, openModel(t, "model:name=smollm2,dataset="+text+",prompts=1,prefix_tokens=256,"+
		"continuation_tokens=256,dtype=f16", o), 0)
	var cs []Candidate
	for _, r := range want.Rows {
		cs = append(cs, Candidate{Cache: through(t, r.Codec, s.Cache)})
	}
	cs = append(cs, Candidate{Cache: through(t, "identity", s.Cache)})
	verdicts, err := s.Judge.Judge(t.Context(), cs, JudgeOptions{Attention: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range want.Rows {
		v := verdicts[i]
		if len(v.KLD) != 255 {
			t.Fatalf("%d predictions are scored, want 255", len(v.KLD))
		}
		kld, ppl := mean(v.KLD), mean(v.NLL)-mean(v.BaseNLL)
		t.Logf("%-9s KLD %.5g (%.5g), ln PPL ratio %.5f (%.5f), same top %.4f (%.4f), base PPL %.4f (%.4f)",
			r.Codec, kld, r.KLD, ppl, r.PPL, share(v.SameTop1), r.SameTop, math.Exp(mean(v.BaseNLL)), r.BasePPL)
		if math.Abs(kld-r.KLD) > 0.03*r.KLD {
			t.Errorf("%s: mean KLD %g, want %g within 3 %%", r.Codec, kld, r.KLD)
		}
		if math.Abs(share(v.SameTop1)-r.SameTop) > 1.5/255 {
			t.Errorf("%s: same top %g, want %g", r.Codec, share(v.SameTop1), r.SameTop)
		}
		if math.Abs(ppl-r.PPL) > 1e-4+0.03*math.Abs(r.PPL) {
			t.Errorf("%s: ln PPL ratio %g, want %g", r.Codec, ppl, r.PPL)
		}
		if base := math.Exp(mean(v.BaseNLL)); math.Abs(base/r.BasePPL-1) > 1e-4 {
			t.Errorf("base perplexity %g, want %g", base, r.BasePPL)
		}
	}
	checkIdentity(t, verdicts[len(verdicts)-1])
}

// checkIdentity demands that an unchanged cache changes nothing at all.
func checkIdentity(t *testing.T, v Verdict) {
	t.Helper()
	for i, kld := range v.KLD {
		if kld != 0 || !v.SameTop1[i] || v.NLL[i] != v.BaseNLL[i] {
			t.Errorf("token %d of an unchanged cache: KLD %g, same top %v, NLL %g against %g",
				i, kld, v.SameTop1[i], v.NLL[i], v.BaseNLL[i])
		}
	}
	for l, heads := range v.AttentionError {
		for h, e := range heads {
			if e != 0 {
				t.Errorf("attention error of an unchanged cache: %g in layer %d, head %d", e, l, h)
			}
		}
	}
}

func tinySample(t testing.TB, prefix, continuation string) Sample {
	t.Helper()
	return sample(t, openModel(t, "model:prompts=1,prefix_tokens="+prefix+",continuation_tokens="+
		continuation, Options{}), 0)
}

func TestAnUnchangedCacheIsJudgedUnchanged(t *testing.T) {
	s := tinySample(t, "96", "48")
	worse := Candidate{Cache: through(t, "uniform:bits=2", s.Cache)}
	same := Candidate{Cache: through(t, "identity", s.Cache)}
	for _, cs := range [][]Candidate{{same}, {worse, same, worse}} {
		verdicts, err := s.Judge.Judge(t.Context(), cs, JudgeOptions{Attention: true, Greedy: math.MaxInt32})
		if err != nil {
			t.Fatal(err)
		}
		v := verdicts[len(cs)/2]
		if len(v.KLD) != 47 || v.Agreement != 1 {
			t.Errorf("%d predictions are scored, agreement %g", len(v.KLD), v.Agreement)
		}
		checkIdentity(t, v)
		if len(cs) == 1 {
			continue
		}
		w := verdicts[0]
		if mean(w.KLD) <= 0 || w.AttentionError[1][0] <= 0 || w.AttentionError[1][0] > 2 {
			t.Errorf("two bits: KLD %g, attention error %g", mean(w.KLD), w.AttentionError[1][0])
		}
		if mean(verdicts[2].KLD) != mean(w.KLD) || verdicts[2].Agreement != w.Agreement {
			t.Error("equal candidates are judged differently")
		}
	}
}

// The agreement is what decoding freely from both caches, token by token, would give.
func TestAgreementIsThatOfFreeRunningDecoding(t *testing.T) {
	s := tinySample(t, "64", "24")
	j := s.Judge.(*judge)
	const n = 24
	for _, spec := range []string{"identity", "uniform:bits=4", "uniform:bits=2"} {
		x := through(t, spec, s.Cache)
		verdicts, err := s.Judge.Judge(t.Context(), []Candidate{{Cache: x}}, JudgeOptions{Greedy: n})
		if err != nil {
			t.Fatal(err)
		}
		a, b := free(t, j, s.Cache, n), free(t, j, x, n)
		agreed := 0
		for agreed < n && a[agreed] == b[agreed] {
			agreed++
		}
		if want := float64(agreed) / n; verdicts[0].Agreement != want {
			t.Errorf("%s: agreement %g, want %g", spec, verdicts[0].Agreement, want)
		}
	}
}

func free(t *testing.T, j *judge, x kv.Tensor, n int) []int32 {
	t.Helper()
	p, err := j.m.FromTensor(x, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, err := j.decode(t.Context(), p, 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := j.m.Greedy(t.Context(), j.m.Inject(p), first[0], n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A dropped token is absent: it is as if it had never been there, which a zero key is not.
func TestDroppedTokensAreAbsent(t *testing.T) {
	s := tinySample(t, "64", "16")
	c := s.Cache
	all := &kv.Kept{Layers: c.Layers, Heads: c.Heads}
	even := &kv.Kept{Layers: c.Layers, Heads: c.Heads}
	for range c.Layers * c.Heads {
		var a, e []int32
		for i := range int32(c.Tokens) {
			a = append(a, i)
			if i%2 == 0 {
				e = append(e, i)
			}
		}
		all.Lists, even.Lists = append(all.Lists, a), append(even.Lists, e)
	}
	// What stands in the place of a dropped token must not matter.
	junk := c.Clone()
	for _, side := range kv.Sides {
		for l := range c.Layers {
			for h := range c.Heads {
				for i := 1; i < c.Tokens; i += 2 {
					clear(junk.Row(side, l, h, i))
				}
			}
		}
	}
	verdicts, err := s.Judge.Judge(t.Context(), []Candidate{
		{Cache: c, Kept: all}, {Cache: c, Kept: even}, {Cache: junk, Kept: even}, {Cache: junk},
	}, JudgeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkIdentity(t, verdicts[0])
	dropped, same, zeroed := mean(verdicts[1].KLD), mean(verdicts[2].KLD), mean(verdicts[3].KLD)
	if dropped <= 0 || dropped != same || dropped == zeroed {
		t.Errorf("KLD %g with half the tokens, %g whatever stands there, %g with zeros",
			dropped, same, zeroed)
	}
}

func TestCandidatesOfAnotherShapeAreErrors(t *testing.T) {
	s := tinySample(t, "32", "8")
	wrong := s.Cache.Shape
	wrong.Heads++
	for _, c := range []kv.Tensor{
		kv.New(wrong, s.Cache.DType), kv.New(s.Cache.Shape, kv.F16), s.Cache.Slice(0, 31), {},
	} {
		if _, err := s.Judge.Judge(t.Context(), []Candidate{{Cache: c}}, JudgeOptions{}); err == nil {
			t.Errorf("%v in %v is judged", c.Shape, c.DType)
		}
	}
}

func TestAModelSourceSaysWhatItIs(t *testing.T) {
	src := openModel(t, "model:prompts=2,prefix_tokens=40,continuation_tokens=10,dtype=f16", Options{})
	want := Label{Kind: "model", Model: "tiny", Dataset: "passages", Tokens: 40, DType: kv.F16}
	if src.Label() != want || src.Len() != 2 {
		t.Errorf("%+v, %d samples", src.Label(), src.Len())
	}
	shape, err := src.Shape(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, b := sample(t, src, 0), sample(t, src, 1)
	if a.Cache.Shape != shape || a.Name == b.Name || a.Cache.Equal(b.Cache) {
		t.Errorf("samples %s %v, %s %v, want different ones of %v", a.Name, a.Cache.Shape,
			b.Name, b.Cache.Shape, shape)
	}
	m := a.Cache.Meta
	if m.Model != "tiny" || m.Rope == nil || !m.Rope.Applied || m.Position(39) != 39 {
		t.Errorf("metadata %+v", m)
	}
	checkStats(t, a.Cache)
	if again := sample(t, src, 0); !again.Cache.Equal(a.Cache) {
		t.Error("the same sample twice gives two caches")
	}
}

// checkStats recomputes the last token's attention, and the moments, from the statistics.
func checkStats(t *testing.T, c kv.Tensor) {
	t.Helper()
	s, dim := c.Meta.Stats, c.KeyDim
	if len(s.QLast) != c.Layers*s.QHeads*s.QWindow*dim || s.QWindow != min(queryWindow, c.Tokens) ||
		len(s.AttnColSum) != c.Layers*s.QHeads*c.Tokens || len(s.QQ) != c.Layers*c.Heads*dim*dim {
		t.Fatalf("statistics of %d, %d and %d values", len(s.QLast), len(s.AttnColSum), len(s.QQ))
	}
	group := s.QHeads / c.Heads
	for l := range c.Layers {
		for h := range s.QHeads {
			sums := s.AttnColSum[(l*s.QHeads+h)*c.Tokens:][:c.Tokens]
			total := 0.0
			for _, x := range sums {
				total += float64(x)
			}
			if math.Abs(total-float64(c.Tokens)) > 1e-3*total {
				t.Errorf("attention of %d queries sums to %g", c.Tokens, total)
			}
			if s.QWindow != c.Tokens {
				t.Fatal("the window must hold all queries for what follows")
			}
			want := make([]float64, c.Tokens)
			for i := range c.Tokens {
				p := causal(s.QLast[((l*s.QHeads+h)*c.Tokens+i)*dim:][:dim], c, l, h/group, i)
				for j, x := range p {
					want[j] += x
				}
			}
			for j, x := range sums { // the tensor's keys are rounded, those of the sums are not
				if math.Abs(float64(x)-want[j]) > 0.02*(1+want[j]) {
					t.Fatalf("layer %d, head %d: token %d receives %g, want %g", l, h, j, x, want[j])
				}
			}
		}
		trace, want := 0.0, 0.0
		for j := range dim {
			trace += float64(s.QQ[(l*c.Heads)*dim*dim+j*dim+j])
		}
		for _, x := range s.QLast[l*s.QHeads*c.Tokens*dim:][:group*c.Tokens*dim] {
			want += float64(x) * float64(x) / float64(group*c.Tokens)
		}
		if math.Abs(trace-want) > 1e-4*want {
			t.Errorf("layer %d: trace of E[qqᵀ] is %g, want %g", l, trace, want)
		}
	}
}

// causal returns the attention of a query at position i.
func causal(q []float32, c kv.Tensor, layer, head, i int) []float64 {
	p := make([]float64, i+1)
	sum := 0.0
	for j := range p {
		for d, bits := range c.Row(kv.K, layer, head, j) {
			p[j] += float64(q[d]) * float64(c.DType.Float(bits))
		}
		p[j] = math.Exp(p[j] / math.Sqrt(float64(len(q))))
		sum += p[j]
	}
	for j := range p {
		p[j] /= sum
	}
	return p
}

func TestSourcesOfOneNameShareTheModel(t *testing.T) {
	a, err := loadModel("tiny")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := loadModel("tiny"); err != nil || a != b {
		t.Errorf("loaded twice, or %v", err)
	}
}

func TestBadModelSourcesAreNamedInTheUsersTerms(t *testing.T) {
	t.Setenv("KVGAUGE_CACHE", t.TempDir())
	path := filepath.Join(t.TempDir(), "x.gguf")
	for text, want := range map[string]string{
		"model:prompts=0":             "at least 1 prompt",
		"model:continuation_tokens=1": "2 of continuation",
		"model:dtype=f32":             "want bf16 or f16",
	} {
		if _, _, err := Open(text, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"model:name=smollm2":         "kvgauge model pull smollm2",
		"model:name=" + path:         "no such file",
		"model:prefix_tokens=100000": "takes",
		"model:dataset=wikitext2":    "kvgauge data pull wikitext2",
		"model:prompts=5000":         "want 5000",
		"model:name=tinny":           `did you mean "tiny"?`,
	} {
		_, src, err := Open(text, Options{})
		if err != nil {
			t.Fatalf("%s: opening is cheap, got %v", text, err)
		}
		if _, err := src.Sample(t.Context(), 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
