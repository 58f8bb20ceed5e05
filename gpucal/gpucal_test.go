package gpucal

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kvgauge/internal/registry"
	"kvgauge/internal/testenv"
)

// published returns KVShuttle's calibration of a device as it was published.
func published(t testing.TB, gpu string) []byte {
	t.Helper()
	f, err := os.Open(testenv.Shared(t,
		"data/calibration/kvshuttle/gpu_calibration_"+gpu+".json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func openDevice(t testing.TB, name string) *Calibration {
	t.Helper()
	c, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryDeviceReadsAndItsFitsAreThoseOfItsRows(t *testing.T) {
	for _, name := range Devices() {
		c := openDevice(t, name)
		if c.Device != name || c.Part == "" || c.MemBW < 1e11 || c.Origin.Licence == "" {
			t.Errorf("%s: %q, %q, %v, %+v", name, c.Device, c.Part, c.MemBW, c.Origin)
		}
		for _, wrong := range c.CheckFits() {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

func TestTheTwoA100sStayApart(t *testing.T) {
	for name, want := range map[string]float64{"a100-40g": 1555e9, "a100-sxm-80g": 2039e9} {
		if bw := openDevice(t, name).MemBW; bw != want {
			t.Errorf("%s has %v bytes per second, want %v", name, bw, want)
		}
	}
}

func TestTheEmbeddedRowsAreThosePublished(t *testing.T) {
	for gpu, device := range map[string]string{"t4": "t4", "a100": "a100-40g"} {
		source, notes, err := ImportKVShuttle(gpu+".json", published(t, gpu), ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c := openDevice(t, device)
		for _, diff := range c.Differences(source) {
			t.Errorf("%s: %s", device, diff)
		}
		if source.Device != device || source.MemBW != c.MemBW || source.Part != c.Part {
			t.Errorf("imported as %q, %q, %v", source.Device, source.Part, source.MemBW)
		}
		said := strings.Contains(strings.Join(notes, "\n"), "says 2039 GB/s")
		if said != (gpu == "a100") {
			t.Errorf("%s: notes are %q", gpu, notes)
		}
	}
}

// Rows of other devices are a fused kernel's times on matrices, each as a cache of equal bytes.
func TestTheFP8RowsAreThosePublished(t *testing.T) {
	for device, gpu := range map[string]string{"h100-sxm": "h100_sxm", "h200-sxm": "h200_sxm", "l40s": "l40s"} {
		latency := map[string]float64{}
		lines := csvLines(t, "data/calibration/aiconfigurator/"+gpu+"_vllm-0.24.0_scale_matrix_perf.csv.gz")
		for _, line := range lines[1:] {
			ms, err := strconv.ParseFloat(line[8], 64)
			if err != nil {
				t.Fatal(err)
			}
			latency[line[5]+" x "+line[6]] = ms
		}
		c := openDevice(t, device)
		if len(c.Rows) < 16 {
			t.Errorf("%s: %d rows", device, len(c.Rows))
		}
		for _, r := range c.Rows {
			ms := latency[fmt.Sprintf("%d x %d", r.Tokens, 2*r.Shape.Dim)]
			if math.Abs(r.Median*1e3/ms-1) > 1e-6 || r.Codec != "fp8_e4m3" || r.Op != Compress {
				t.Errorf("%s: %+v, published %v ms", device, r, ms)
			}
		}
	}
}

func csvLines(t *testing.T, rel string) [][]string {
	t.Helper()
	f, err := os.Open(testenv.Shared(t, rel))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(z).ReadAll()
	if err != nil || len(lines) < 2 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	return lines
}

// The payload sizes behind the published break-even rates, checked there against true bytes.
func TestPayloadSizesOfThePublishedPoints(t *testing.T) {
	b, err := os.ReadFile(testenv.Shared(t, "conformance/kvshuttle/published_checks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Checks []struct {
			ID       string          `json:"id"`
			Expected json.RawMessage `json:"expected"`
		} `json:"checks"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, check := range file.Checks {
		gpu, ok := strings.CutPrefix(check.ID, "breakeven.")
		if !ok {
			continue
		}
		var want map[string]struct {
			Compress   float64 `json:"compress_ms"`
			Decompress float64 `json:"decompress_ms"`
			Bytes      int64   `json:"true_bytes"`
		}
		if err := json.Unmarshal(check.Expected, &want); err != nil {
			t.Fatal(err)
		}
		device := map[string]string{"t4": "t4", "a100": "a100-40g"}[gpu]
		for codec, w := range want {
			seen++
			for op, ms := range map[Op]float64{Compress: w.Compress, Decompress: w.Decompress} {
				a, err := Lookup(device, Query{Codec: "kvshuttle/" + codec, Op: op,
					Shape: Shape{32, 8, 128}, Tokens: 1024})
				if err != nil || a.Provenance != Measured || a.Row.Payload() != w.Bytes ||
					math.Abs(a.Seconds*1e3/ms-1) > 1e-6 || a.IntervalKind != "none" {
					t.Errorf("%s %s %s: %+v, %v, want %v ms and %d bytes", device, codec, op, a, err,
						ms, w.Bytes)
				}
			}
		}
	}
	if seen != 7 {
		t.Errorf("%d points, want 7", seen)
	}
}

func int8At(tokens int) Query {
	return Query{Codec: "kvshuttle/uniform_int8", Op: Compress, Shape: Shape{32, 8, 128},
		Tokens: tokens}
}

func TestALookupSaysWhereItsNumberComesFrom(t *testing.T) {
	c := openDevice(t, "a100-40g")
	for _, k := range []struct {
		q    Query
		want Provenance
	}{
		{int8At(1024), Measured},
		{int8At(256), Measured}, // a kernel row, doubled
		{int8At(1000), Fitted},
		{int8At(100000), Extrapolated},
		{int8At(1), Extrapolated},
		{Query{Codec: "kvshuttle/uniform_int8", Op: Compress, RawBytes: 1 << 27}, Fitted},
		{Query{Codec: "q8_0", Op: Decompress, Shape: Shape{32, 8, 128}, Tokens: 1024}, Roofline},
	} {
		a, err := c.Lookup(k.q)
		if err != nil || a.Provenance != k.want || a.Seconds <= 0 || a.IntervalKind != "none" {
			t.Errorf("%+v: %+v, %v, want %s", k.q, a, err, k.want)
		}
		if k.want == Fitted && !strings.Contains(strings.Join(a.Flags, " "), "fit-misses-up-to=3%") {
			t.Errorf("a fitted answer does not say how far it misses: %q", a.Flags)
		}
	}
	a, _ := c.Lookup(int8At(256))
	if !slices.Contains(a.Flags, FlagKeysTwice) {
		t.Errorf("a doubled kernel row is not flagged: %q", a.Flags)
	}
	for _, codec := range []string{"kvshuttle/palu_int4", "uniform+zstd", "rot_ecsq"} {
		_, err := c.Lookup(Query{Codec: codec, Op: Compress, RawBytes: 1 << 27})
		if !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "measured are fp8") {
			t.Errorf("%s: %v, want absent", codec, err)
		}
	}
	for _, q := range []Query{{}, {Op: Compress}, {Op: Compress, RawBytes: -1}} {
		if a, err := c.Lookup(q); err == nil {
			t.Errorf("%+v: %+v", q, a)
		}
	}
}

// A fit is worst where it says that it is, and nowhere worse.
func TestResidualsAreThoseOfTheRowsFitted(t *testing.T) {
	for _, name := range Devices() {
		c := openDevice(t, name)
		for i := range c.Fits {
			f := &c.Fits[i]
			worst := 0.0
			for j := range c.Rows {
				r := &c.Rows[j]
				if r.Codec == f.Codec && r.Op == f.Op && (r.Has(FlagPipeline) || !f.has(FlagPipeline)) {
					worst = max(worst, math.Abs(f.Seconds(r.Raw())/r.Median-1))
				}
			}
			if math.Abs(worst-f.MaxResidual) > 1e-5 || (worst > 0.2) != f.has(FlagPoor) {
				t.Errorf("%s %s %s: misses by %v, says %v %q", name, f.Codec, f.Op, worst,
					f.MaxResidual, f.Flags)
			}
		}
	}
}

func (f *Fit) has(flag string) bool { return has(f.Flags, flag) }

func TestAFitFindsALineAndStaysAboveNought(t *testing.T) {
	c := &Calibration{Device: "d", MemBW: 1e12}
	add := func(op Op, tokens int, seconds float64) {
		s := Shape{2, 2, 64}
		r := Row{Codec: "x", Op: op, DType: "f16", Shape: s, Tokens: tokens, BytesIn: s.Bytes(tokens),
			BytesOut: s.Bytes(tokens), Median: seconds}
		c.Rows = append(c.Rows, r)
	}
	for _, tokens := range []int{100, 200, 400, 900} {
		bytes := float64(Shape{2, 2, 64}.Bytes(tokens))
		add(Compress, tokens, 1e-4+2e-9*bytes)
		add(Decompress, tokens, 1e-16*bytes*bytes) // best line has a negative start
	}
	fits, without := c.MakeFits()
	if len(fits) != 2 || len(without) != 0 {
		t.Fatalf("%+v, %q", fits, without)
	}
	if f := fits[0]; math.Abs(f.Alpha/1e-4-1) > 1e-6 || math.Abs(f.Beta/2e-9-1) > 1e-6 ||
		f.MaxResidual > 1e-6 {
		t.Errorf("%+v", f)
	}
	if f := fits[1]; f.Alpha != 0 || f.Beta <= 0 || !f.has(FlagPoor) {
		t.Errorf("%+v", f)
	}
	c.Rows = c.Rows[:2]
	if fits, without := c.MakeFits(); len(fits) != 0 || len(without) != 2 {
		t.Errorf("one row each: %+v, %q", fits, without)
	}
}

func TestSamplesGiveAnIntervalAndMediansNone(t *testing.T) {
	const head = "device: d\npart: p\nmem_bw_bytes_per_second: 1e12\n" +
		"origin: {source: s, commit: none, licence: l, sha256: none}\nrows:\n" +
		"  - {codec: x, op: compress, dtype: bf16, shape: 1x1x8, tokens: 4, bytes_in: 128, bytes_out: 9, "
	for times, want := range map[string]string{
		"seconds: [3, 1, 2, 4, 6, 5]}": "samples",
		"seconds: [3, 1, 2]}":          "none",
		"median_seconds: 3.5}":         "none",
	} {
		c, err := Read("x.yaml", []byte(head+times))
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.Lookup(Query{Codec: "x", Op: Compress, Shape: Shape{1, 1, 8}, Tokens: 4})
		if err != nil || a.IntervalKind != want || a.Provenance != Measured {
			t.Errorf("%s: %+v, %v", times, a, err)
		}
	}
}

func TestYAMLSurvivesTheRoundTrip(t *testing.T) {
	for _, name := range Devices() {
		c := openDevice(t, name)
		text := c.AppendYAML(nil, "A comment: with [marks].")
		again, err := Read(c.File, text)
		if err != nil {
			t.Fatal(err)
		}
		for i := range again.Rows {
			again.Rows[i].line = c.Rows[i].line
		}
		if !reflect.DeepEqual(c, again) {
			t.Errorf("%s: not what was written", name)
		}
	}
	odd := &Calibration{Device: "d", Part: "\"x\": #y", MemBW: 1e9, File: "x", Origin: Origin{
		Source: "- a\\b 'c'", Commit: "1234567", Licence: "no", SHA256: "none"}}
	again, err := Read("x", odd.AppendYAML(nil))
	if err != nil || !reflect.DeepEqual(odd, again) {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestUnknownDevicesAndFilesAreErrors(t *testing.T) {
	for name, want := range map[string]string{"a100-40gb": `did you mean "a100-40g"?`,
		"tpu": "have cpu, a100", "../t4": "no device", "none.yaml": "no such file"} {
		_, err := Open(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if _, err := Open("tpu"); !errors.Is(err, registry.ErrUnknown) {
		t.Error("an unknown device does not wrap registry.ErrUnknown")
	}
	if _, err := Lookup("tpu", int8At(1)); err == nil {
		t.Error("a lookup on an unknown device answers")
	}
}

func TestShapesParseAndPrint(t *testing.T) {
	for _, text := range []string{"", "1x1", "0x1x1", "1x1x1x1", "01x1x1", "1x1x70000", "-1x1x1",
		"65536x65536x65536", "axbxc", "1 x1x1"} {
		if s, err := ParseShape(text); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
	s, err := ParseShape("32x8x128")
	if err != nil || s.String() != "32x8x128" || s.Bytes(1024) != 134217728 {
		t.Errorf("%v, %v", s, err)
	}
}

func BenchmarkImportKVShuttle(b *testing.B) {
	text := published(b, "a100")
	for b.Loop() {
		if _, _, err := ImportKVShuttle("x.json", text, ImportOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadYAML(b *testing.B) {
	text, err := data.ReadFile("data/a100-40g.yaml")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Read("x.yaml", text); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleLookup() {
	a, err := Lookup("a100-40g", Query{Codec: "kvshuttle/uniform_int8", Op: Compress,
		Shape: Shape{Layers: 32, Heads: 8, Dim: 128}, Tokens: 1024})
	fmt.Println(a.Seconds, a.Provenance, a.IntervalKind, err)
	// Output: 0.0022426 measured none <nil>
}
