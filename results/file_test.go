package results

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func cell(codec string) Record {
	return Record{
		Type: "codec", Cell: []Coord{{"model", "tiny"}, {"codec", codec}},
		Metrics: []Metric{
			{Name: "ratio", Kind: Exact, Better: 1, Over: "prompt", Values: Numbers(2, 2.5)},
			{Name: "nmse_k_by_layer", Kind: Numeric, Over: "prompt,layer", Dims: []int{2, 3},
				Values: Numbers(1, 2, 3, math.Inf(1), math.NaN(), 1e-300), Tolerance: 0.01},
		},
		Labels: []string{"a", "b"}, Attrs: map[string]string{"lossless": "true"},
	}
}

// sameNumbers compares Numbers by their bits, so that NaN equals NaN.
var sameNumbers = cmp.Comparer(func(a, b Number) bool {
	return math.Float64bits(float64(a)) == math.Float64bits(float64(b))
})

func writeRun(t *testing.T, records ...Record) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, Header{Schema: Schema, Name: "x", Seed: math.MaxUint64, Config: []byte(`{"a":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(records...); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestARunReadsBackAsItWasWritten(t *testing.T) {
	want := []Record{cell("identity"), {Type: "codec", Cell: []Coord{{"codec", "kivi"}}, Skipped: "why <not>"}}
	dir := writeRun(t, want...)
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, f.Records, sameNumbers); d != "" {
		t.Error(d)
	}
	if f.Header.Seed != math.MaxUint64 || string(f.Header.Config) != `{"a":1}` || f.Torn {
		t.Errorf("%+v", f.Header)
	}
	if _, err := Create(dir, Header{}); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "--resume") {
		t.Errorf("a second run in one folder gives %v", err)
	}
}

func TestATornLineIsLeftOutAndResumeRemovesIt(t *testing.T) {
	dir := writeRun(t, cell("a"), cell("b"))
	path := filepath.Join(dir, RunFile)
	whole, _ := os.ReadFile(path)
	second := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for _, cut := range []int{second + 1, second + 40, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		if f, err := Open(path); err != nil || !f.Torn || len(f.Records) != 1 {
			t.Fatalf("cut at %d: %v, %+v", cut, err, f)
		}
		w, old, err := Resume(dir)
		if err != nil || len(old.Records) != 1 {
			t.Fatal(err)
		}
		if err := w.Append(cell("b")); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if got, _ := os.ReadFile(path); !bytes.Equal(got, whole) {
			t.Errorf("cut at %d and resumed: %s", cut, got)
		}
	}
}

func TestBadFilesAreErrorsWithFileAndLine(t *testing.T) {
	const head = `{"schema":1,"config":null}` + "\n"
	const rec = `{"type":"codec","cell":[{"axis":"a","value":"b"}]`
	for text, want := range map[string]string{
		"":                               "r:1: no whole header",
		`{"schema":1`:                    "r:1: no whole header",
		"hello\n":                        "r:1: not the header of a run",
		`{"schema":2}` + "\n":            "r:1: schema 2, this tool reads 1",
		`{"schema":1,"x":1}` + "\n":      `r:1: unknown field "x"`,
		head + "{}\n":                    "r:2: a record without type",
		head + rec + "}\n" + rec + "}\n": "r:3: the cell of line 2 again",
		head + rec + `,"x":1}` + "\n":    `r:2: unknown field "x"`,
		head + rec + "}{}\n":             "r:2: more than one JSON value",
		head + `{"type":5}` + "\n":       "r:2: type cannot be a JSON number",
		head + rec + `,"metrics":[{"name":"m","kind":"odd","values":[]}]}` + "\n":                                           `of kind "odd"`,
		head + rec + `,"metrics":[{"name":"m","kind":"exact","dims":[2,2],"values":[1]}]}` + "\n":                           "1 values for dims [2 2]",
		head + rec + `,"metrics":[{"name":"m","kind":"exact","dims":[-1],"values":[1]}]}` + "\n":                            "for dims",
		head + rec + `,"metrics":[{"name":"m","kind":"exact","values":["x"]}]}` + "\n":                                      `want a number, got "x"`,
		head + rec + `,"metrics":[{"name":"m","kind":"exact","values":[]},{"name":"m","kind":"exact","values":[]}]}` + "\n": "stands twice",
	} {
		if _, err := Read("r", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"schema":1,"config":{}}` + "\n" + `{"type":"codec","cell":[{"axis":"a","value":"b"}],` +
		`"metrics":[{"name":"m","kind":"exact","dims":[1,2],"values":[1,"NaN"]}]}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Read("r", bytes.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "r:") {
				t.Fatalf("%v does not name the file", err)
			}
			return
		}
		if file.size > int64(len(text)) {
			t.Fatalf("%d whole bytes of %d", file.size, len(text))
		}
		for i := range file.Records {
			if err := file.Records[i].check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
