package configs

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func everyKey(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/kvshuttle-every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAKVShuttleFileWithEveryKeyReads(t *testing.T) {
	s, err := Read("x.yaml", everyKey(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "every-key" || s.Seed != 42 || s.Question != "Does every key of a KVShuttle experiment read?" {
		t.Errorf("%q, %d, %q", s.Name, s.Seed, s.Question)
	}
	if want := []string{NMSE, Cosine, KLD, Perplexity}; !slices.Equal(s.Quality, want) {
		t.Errorf("quality %v, want %v", s.Quality, want)
	}
	if len(s.Codecs) != 3 || s.Codecs[2].Spec != "kvshuttle/cascade_prune50_int4" || s.Codecs[2].Line != 11 {
		t.Errorf("codecs %+v", s.Codecs)
	}
	if want := []float64{1, 10, 50, 400}; !slices.Equal(s.Transfer.LinksGbps, want) {
		t.Errorf("links %v", s.Transfer.LinksGbps)
	}
	lengths := []int{162, 425, 380, 296, 294}
	if !slices.Equal(s.KVShuttle.Lengths, lengths) {
		t.Errorf("lengths %v, want %v", s.KVShuttle.Lengths, lengths)
	}
	if len(s.Caches) != 10 ||
		s.Caches[0].Spec != "synthetic:shape=llama-3.1-8b,kind=gaussian,dtype=f16,tokens=162" {
		t.Errorf("caches %+v", s.Caches)
	}
	said := strings.Join(s.Notes, "\n")
	for _, word := range []string{"output.dir", "router", "evaluation.generation", "load_in_4bit",
		"synthetic (Gaussian noise)", "token_agreement are absent", "one sample"} {
		if !strings.Contains(said, word) {
			t.Errorf("the notes do not speak of %s:\n%s", word, said)
		}
	}
	if k := s.KVShuttle; k.Experiment != "every key" || k.Backend != "torch" || !k.PerLayer ||
		k.PromptSource != "synthetic" || !slices.Equal(k.Models, []string{"llama-3.1-8b", "qwen2.5-3b"}) {
		t.Errorf("%+v", k)
	}
}

// The lengths of KVShuttle's own smoke test.
func TestPromptLengthsAreNumpys(t *testing.T) {
	want := []int{81, 213, 190, 148, 147, 229, 80, 198, 102, 82}
	if got := PromptLengths(10, 64, 256); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

var (
	seven = "identity uniform_int8 uniform_int4 kivi_2bit cachegen palu_lr cascade_prune50_int4"
	all14 = seven + " lossless_zstd lossless_lz4 fp8_e4m3 kvquant_2bit palu_int4 topk_prune_50 mixed_k8v4"
	six   = "qwen2.5-3b llama-3.2-3b phi-3.5-mini qwen2.5-7b llama-3.1-8b mistral-7b"
)

// theirs are KVShuttle's sixteen experiments in outline, and how many rows each makes.
var theirs = []struct {
	name, backend, models, codecs, gbps, source string
	count, low, high                            int
	evaluation                                  string
	rows                                        int
}{
	{"smoke_test", "mlx", "qwen2.5-3b", "identity uniform_int8 uniform_int4", "1 10 100", "synthetic", 10, 64, 256, "attention_error", 90},
	{"compression_sweep", "mlx", "llama-3.1-8b", all14, "1 5 10 25 50 100 200 400", "synthetic", 50, 128, 1024, "attention_error", 5600},
	{"model_sweep", "mlx", six, seven, "1 10 50 100", "synthetic", 30, 128, 512, "attention_error", 5040},
	{"model_sweep_full14", "mlx", six, all14, "1 10 50 100", "synthetic", 30, 128, 512, "attention_error", 10080},
	{"real_kv_sweep", "mlx", six, seven, "1 10 50 100", "wikitext", 30, 128, 512, "attention_error perplexity token_agreement", 5040},
	{"full_benchmark", "mlx", six, all14, "1 5 10 25 50 100 200 400", "synthetic", 100, 64, 2048, "attention_error perplexity generation", 67200},
	{"bandwidth_sweep", "mlx", "llama-3.1-8b", strings.Replace(seven, "palu_lr", "fp8_e4m3", 1), "1 2 5 8 10 15 20 25 40 50 75 100 150 200 300 400", "synthetic", 20, 256, 512, "attention_error", 2240},
	{"router_training", "mlx", "qwen2.5-3b llama-3.1-8b phi-3.5-mini", seven, "1 5 10 25 50 100 200", "synthetic", 200, 64, 2048, "", 29400},
	{"generation_quality", "mlx", "qwen2.5-3b llama-3.1-8b phi-3.5-mini", seven, "10", "wikitext", 10, 128, 512, "attention_error perplexity token_agreement", 210},
	{"generation_quality_torch", "torch", "qwen2.5-3b phi-3.5-mini llama-3.1-8b", seven, "10", "wikitext", 50, 128, 512, "attention_error perplexity token_agreement", 1050},
	{"generation_quality_torch_llama", "torch", "llama-3.1-8b mistral-7b qwen2.5-7b", seven, "10", "wikitext", 50, 128, 512, "attention_error perplexity token_agreement", 1050},
	{"generation_quality_torch_7b", "torch", "mistral-7b qwen2.5-7b", seven, "10", "wikitext", 50, 128, 512, "attention_error perplexity token_agreement", 700},
	{"generation_quality_torch_70b", "torch", "llama-3.1-70b", seven, "10", "wikitext", 50, 64, 256, "attention_error perplexity token_agreement", 350},
	{"generation_quality_torch_llama32", "torch", "llama-3.2-3b", seven, "10", "wikitext", 50, 128, 512, "attention_error perplexity token_agreement", 350},
	{"generation_quality_torch_missing7", "torch", "llama-3.1-8b qwen2.5-3b", "identity lossless_zstd lossless_lz4 fp8_e4m3 kvquant_2bit palu_int4 topk_prune_50 mixed_k8v4", "10", "wikitext", 50, 128, 512, "attention_error perplexity token_agreement", 800},
	{"generation_quality_torch_smoke", "torch", "qwen2.5-3b", seven, "10", "wikitext", 5, 128, 256, "attention_error perplexity token_agreement", 35},
}

// experimentText writes an experiment in KVShuttle's form.
func experimentText(i int) string {
	x := theirs[i]
	list := func(words string) string { return "[" + strings.Join(strings.Fields(words), ", ") + "]" }
	text := fmt.Sprintf("experiment:\n  name: %s\n  description: outline\nbackend: %s\nmodels: %s\n"+
		"compressors: %s\nbandwidths_gbps: %s\nprompts:\n  source: %s\n  count: %d\n  min_tokens: %d\n"+
		"  max_tokens: %d\noutput:\n  dir: results/%s\n  save_per_layer: true\n", x.name, x.backend,
		list(x.models), list(x.codecs), list(x.gbps), x.source, x.count, x.low, x.high, x.name)
	if x.evaluation != "" {
		text += "evaluation:\n"
	}
	for _, what := range strings.Fields(x.evaluation) {
		text += "  " + what + ": true\n"
	}
	return text
}

func TestTheSixteenExperimentsRead(t *testing.T) {
	for i, x := range theirs {
		s, err := Read(x.name+".yaml", []byte(experimentText(i)))
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		if many := len(s.Caches) > 24; many == slices.Contains(s.Report, "html") ||
			!slices.Contains(s.Report, "kvshuttle") {
			t.Errorf("%s: %d caches are reported as %v", x.name, len(s.Caches), s.Report)
		}
		models := len(s.KVShuttle.Models)
		if rows := models * len(s.Codecs) * len(s.Transfer.LinksGbps) * x.count; rows != x.rows {
			t.Errorf("%s makes %d rows, want %d", x.name, rows, x.rows)
		}
		for _, c := range s.Caches {
			if synthetic := strings.HasPrefix(c.Spec, "synthetic:"); synthetic != (x.source == "synthetic") ||
				synthetic != (c.Absent == "") {
				t.Errorf("%s: %+v", x.name, c)
			}
		}
		if x.source != "synthetic" && (len(s.Caches) != models ||
			!strings.Contains(s.Caches[0].Absent, "--set models."+s.KVShuttle.Models[0]+"=PATH")) {
			t.Errorf("%s: %+v", x.name, s.Caches)
		}
	}
}

func TestAModelThatIsGivenIsNotAbsent(t *testing.T) {
	text := []byte(experimentText(9))
	s, err := Read("x.yaml", text, "models.llama-3.1-8b=/weights/l.gguf", "timing.samples=3",
		"prompts.count=2", "models[0]=smollm2", "transfer.devices=[cpu, t4]")
	if err != nil {
		t.Fatal(err)
	}
	if s.Models["llama-3.1-8b"] != "/weights/l.gguf" || s.Timing.Samples != 3 || len(s.Caches) != 3 {
		t.Errorf("%+v", s)
	}
	if s.Caches[0].Absent == "" || s.Caches[2].Absent != "" || s.Caches[2].Spec !=
		"model:name=llama-3.1-8b,dataset=wikitext2,prompts=2,prefix_tokens=409,continuation_tokens=103,dtype=f16" {
		t.Errorf("%+v", s.Caches)
	}
	if len(s.Transfer.Devices) != 2 || !slices.Equal(s.Transfer.LinksGbps, []float64{10}) {
		t.Errorf("%+v", s.Transfer)
	}
}

func TestHubNamesKeepTheirShape(t *testing.T) {
	for text, want := range map[string]string{
		"meta-llama/Llama-3.1-8B-Instruct":              "llama-3.1-8b",
		"mlx-community/Meta-Llama-3.1-8B-Instruct-4bit": "llama-3.1-8b",
		"microsoft/Phi-3.5-mini-instruct":               "phi-3.5-mini",
		"Qwen/Qwen2.5-3B-Instruct":                      "qwen2.5-3b",
		"mistralai/Mistral-7B-Instruct-v0.3":            "mistral-7b",
		"org/qwen2.5-32b":                               "org/qwen2.5-32b",
		"llama-3.1-8b":                                  "llama-3.1-8b",
		"llama-3.1-8bx":                                 "llama-3.1-8bx",
	} {
		if got := shortName(text); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestASweepFromKVShuttleSurvivesTheRoundTrip(t *testing.T) {
	s, err := Read("x.yaml", everyKey(t))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Read("x.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(s, again, cmpopts.IgnoreFields(Sweep{}, "File", "Question", "Notes"),
		cmpopts.IgnoreFields(Entry{}, "Line", "Path"), cmpopts.IgnoreUnexported(Entry{})); diff != "" {
		t.Error(diff)
	}
	schema := testSchema(t, Kinds{})
	if err := validate(schema, schema, asJSON(t, string(text)), "x"); err != nil {
		t.Error(err)
	}
}

func TestMistakesInAKVShuttleFileSayWhere(t *testing.T) {
	for _, k := range []struct{ from, to, want string }{
		{"backend: torch", "backend: jax", "x.yaml:6: backend: want mlx or torch"},
		{"backend: torch", "backnd: torch", `x.yaml:6: no key "backnd" (did you mean "backend"?)`},
		{"count: 5", "count: 0", "x.yaml:15: prompts.count: want a whole number from 1"},
		{"  count: 5\n", "", `x.yaml:14: prompts: no key "count"`},
		{"min_tokens: 128", "min_tokens: 600", "prompts.min_tokens: 600 is more than max_tokens, 512"},
		{"source: synthetic", "source: pile", "x.yaml:14: prompts.source: want synthetic or wikitext"},
		{"identity, uni", "torch_uniform_int8, uni", "compressors[0]: torch_uniform_int8 runs on an accelerator"},
		{"  - qwen2.5-3b", "  - llama-3.1-8b", `x.yaml:10: models[1]: "llama-3.1-8b" is given twice`},
		{"perplexity: false", "perplexity: 0", "x.yaml:20: evaluation.perplexity: want true or false"},
		{"[1, 10, 50.0, 400]", "[]", "x.yaml:12: bandwidths_gbps: want at least one"},
		{"train_split: 0.8", "train_split: 8", "x.yaml:28: router.train_split: want a number"},
		{"max_tokens: 512", "max_tokens: 100000\n  min_tokens: 1", "given twice"},
	} {
		_, err := Read("x.yaml", []byte(strings.Replace(string(everyKey(t)), k.from, k.to, 1)))
		if err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v, want %s", k.to, err, k.want)
		}
	}
	for set, want := range map[string]string{
		"caches=[a]": `no key "caches"`, "prompts.count=x": "--set prompts.count=x: prompts.count: want a whole",
		"models=a": "", "codecs=[identity]": `no key "codecs"`,
	} {
		_, err := Read("x.yaml", everyKey(t), set)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s: %v, want %q", set, err, want)
		}
	}
}

func TestReadingTwiceIsTheSame(t *testing.T) {
	a, err := Read("x.yaml", everyKey(t))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Read("x.yaml", everyKey(t))
	if !reflect.DeepEqual(a, b) {
		t.Error("two readings differ")
	}
}

func FuzzReadKVShuttle(f *testing.F) {
	f.Add(everyKey(f))
	f.Add([]byte(experimentText(4)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) < 1<<13 {
			check(t, text)
		}
	})
}
