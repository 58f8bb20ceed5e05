package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kvgauge/internal/golden"
	"kvgauge/internal/testenv"
	"kvgauge/results"
)

// write makes a report of files in a fresh folder and returns what is in it, by name.
func write(t *testing.T, o output, files []*results.File, formats ...string) map[string]string {
	t.Helper()
	o.dir = t.TempDir()
	if err := o.write(files, formats); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	err := filepath.WalkDir(o.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(o.dir, path)
		out[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func only(f *results.File) []*results.File { return []*results.File{f} }

var (
	drawing = regexp.MustCompile(`(?s)(<svg [^>]*>).*?</svg>`)
	options = regexp.MustCompile(`(?s)(<script type="application/json">).*?(</script>)`)
	styling = regexp.MustCompile(`(?s)(<style>).*?(</style>)`)
	program = regexp.MustCompile(`(?s)(<script>).*?(</script>)`)
)

// skeleton is a page without its pictures, scripts and styles, whose text is checked elsewhere.
func skeleton(page string) string {
	page = drawing.ReplaceAllString(page, "$1…</svg>")
	page = options.ReplaceAllString(page, "$1…$2")
	page = styling.ReplaceAllString(page, "$1…$2")
	return program.ReplaceAllString(page, "$1…$2")
}

func TestGolden(t *testing.T) {
	f := only(fixture())
	for _, columns := range []int{100, 160} {
		var b bytes.Buffer
		if err := Console(&b, f, columns); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "testdata/console-"+map[int]string{100: "100", 160: "160"}[columns]+".txt", b.Bytes())
	}
	made := write(t, output{}, f, "html", "md", "csv", "latex")
	golden.Check(t, "testdata/report.md", []byte(made["report.md"]))
	golden.Check(t, "testdata/page.html", []byte(skeleton(made["index.html"])))
	golden.Check(t, "testdata/codecs.csv", []byte(made["codecs.csv"]))
	for name, text := range made {
		if strings.HasSuffix(name, "model-tiny-passages-512-bf16.tex") {
			golden.Check(t, "testdata/"+name, []byte(text))
		}
	}
}

func TestEqualRunsGiveEqualBytes(t *testing.T) {
	a := write(t, output{echarts: "/* e */"}, only(fixture()))
	b := write(t, output{echarts: "/* e */"}, only(fixture()))
	if len(a) < 20 || len(a) != len(b) {
		t.Fatalf("%d and %d files", len(a), len(b))
	}
	for name := range a {
		if a[name] != b[name] {
			t.Errorf("%s: differs between two reports of one run", name)
		}
	}
}

func TestThePageIsWholeWithoutANetwork(t *testing.T) {
	outside := regexp.MustCompile(`(?i)(src|href|url|import)\s*[=(]\s*["']?(https?:)?//[^"' >)]+`)
	alone := write(t, output{echarts: "/* e */"}, only(fixture()), "html")["index.html"]
	if got := outside.FindAllString(alone, -1); got != nil {
		t.Errorf("a page that holds ECharts also asks for %q", got)
	}
	linked := write(t, output{}, only(fixture()), "html")["index.html"]
	if got := outside.FindAllString(linked, -1); len(got) != 1 || !strings.Contains(got[0], "echarts.min.js") {
		t.Errorf("a page without ECharts asks for %q, want that script alone", got)
	}
	stills, lives := strings.Count(linked, `<div class="still"><svg`), strings.Count(linked, `<div class="live`)
	if stills < 10 || stills != strings.Count(linked, "<figure") || lives != stills {
		t.Errorf("%d still and %d live pictures in %d figures", stills, lives, strings.Count(linked, "<figure"))
	}
}

func TestInlinePicturesFollowTheTheme(t *testing.T) {
	page := write(t, output{}, only(fixture()), "html")["index.html"]
	for _, svg := range drawing.FindAllString(page, -1) {
		wellFormed(t, "inline SVG", svg)
		for _, hex := range []string{"#1F2328", "#656D76", "#FFFFFF", "#2E6FBF"} {
			if strings.Contains(svg, hex) {
				t.Errorf("a picture has the fixed colour %s: %.80s", hex, svg)
			}
		}
	}
}

func TestPicturesAreWellFormed(t *testing.T) {
	for name, text := range write(t, output{}, only(fixture()), "svg", "pdf") {
		switch {
		case strings.HasSuffix(name, ".svg"):
			wellFormed(t, name, text)
			if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
				t.Errorf("%s: a coordinate is not a number", name)
			}
		case !strings.HasPrefix(text, "%PDF-") || !strings.Contains(text[len(text)-8:], "%%EOF"):
			t.Errorf("%s: no PDF", name)
		}
	}
}

func wellFormed(t *testing.T, name, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
	}
}

// hostile is the fixture with names that mean something to every format.
func hostile() *results.File {
	f := fixture()
	name := `</script><b>&amp; "x" | $x_1^2$ #1 50% \end{tabular} ~ {y} 'z' <!--` + "\n=cmd"
	f.Header.Name, f.Header.Question, f.Header.CPU = name, name, name
	for i := range f.Records {
		r := &f.Records[i]
		for j, c := range r.Cell {
			if c.Axis == "codec" && (c.Value == "q4_0" || c.Value == "splitzip") || c.Axis == "device" && c.Value == "t4" {
				r.Cell[j].Value = name + c.Value
			}
		}
		if r.Skipped != "" {
			r.Skipped = name
		}
		for j := range r.Metrics {
			if r.Metrics[j].Note != "" {
				r.Metrics[j].Note = name
			}
		}
	}
	return f
}

func TestNamesCannotLeaveTheirPlace(t *testing.T) {
	made := write(t, output{}, only(hostile()))
	page := made["index.html"]
	if strings.Contains(page, "<b>&amp; ") || strings.Contains(page, "</script><b>") {
		t.Error("a name became markup")
	}
	for _, m := range options.FindAllString(page, -1) {
		text := strings.TrimSuffix(strings.TrimPrefix(m, `<script type="application/json">`), "</script>")
		if !json.Valid([]byte(text)) {
			t.Errorf("options are no JSON: %.200s", text)
		}
	}
	for name, text := range made {
		switch filepath.Ext(name) {
		case ".svg":
			wellFormed(t, name, text)
		case ".csv":
			if _, err := csv.NewReader(strings.NewReader(text)).ReadAll(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestTheLaTeXCompiles(t *testing.T) {
	if _, err := exec.LookPath("pdflatex"); err != nil {
		t.Skip("no pdflatex here")
	}
	for name, f := range map[string]*results.File{"fixture": fixture(), "hostile": hostile()} {
		dir := t.TempDir()
		if err := (output{dir: dir}).write(only(f), []string{"latex"}); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "preview.tex")
		cmd.Dir = filepath.Join(dir, "tables")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if i := bytes.Index(out, []byte("Overfull \\hbox")); i >= 0 && name == "fixture" {
			t.Errorf("a table is wider than its page: %.100s", out[i:])
		}
	}
}

func TestFormatsAndRunsAreChecked(t *testing.T) {
	if err := Write(t.TempDir(), only(fixture()), []string{"htm"}); err == nil || !strings.Contains(err.Error(), "html, latex") {
		t.Errorf("an unknown format gave %v", err)
	}
	if err := Write(t.TempDir(), nil, nil); err == nil {
		t.Error("a report of no runs was made")
	}
	f := fixture()
	f.Records = append(f.Records, f.Records[0])
	if err := Write(t.TempDir(), only(f), nil); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a cell that occurs twice gave %v", err)
	}
}

func FuzzReport(f *testing.F) {
	var small bytes.Buffer
	run := fixture()
	run.Records = append(run.Records[:4:4], run.Records[len(run.Records)-2:]...)
	enc := json.NewEncoder(&small)
	enc.Encode(run.Header)
	for _, r := range run.Records {
		r.Metrics = r.Metrics[:min(len(r.Metrics), 3)]
		enc.Encode(r)
	}
	f.Add(small.Bytes())
	f.Add([]byte(`{"schema":1,"config":null}` + "\n" + `{"type":"codec","cell":[{"axis":"codec","value":"x"}],"metrics":[` +
		`{"name":"ratio","kind":"exact","values":[5e-324,"+Inf",-1]},{"name":"nmse_k","kind":"exact","values":[1e308]}]}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		run, err := results.Read("fuzz", bytes.NewReader(data))
		if err != nil || len(run.Records) > 60 {
			return
		}
		if err := Console(io.Discard, only(run), 80); err != nil {
			return
		}
		v, err := arrange(only(run))
		if err != nil {
			return
		}
		for _, make := range []writer{htmlFiles, latexFiles, csvFiles, markdownFiles, svgFiles} {
			if _, err := make(output{}, v, only(run)); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestLook leaves reports of the fixture, or of the run $KVGAUGE_LOOK_RUN, in $KVGAUGE_LOOK, to be
// looked at.
func TestLook(t *testing.T) {
	dir := os.Getenv("KVGAUGE_LOOK")
	if dir == "" {
		t.Skip("KVGAUGE_LOOK names no folder")
	}
	f := fixture()
	if path := os.Getenv("KVGAUGE_LOOK_RUN"); path != "" {
		var err error
		if f, err = results.Open(filepath.Join(testenv.Root(t), path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := (output{dir: dir}).write(only(f), nil); err != nil {
		t.Fatal(err)
	}
	if err := (output{dir: dir + "-live", echarts: findECharts()}).write(only(f), []string{"html"}); err != nil {
		t.Fatal(err)
	}
}
