package gpucal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"kvgauge/internal/registry"
)

// ImportOptions say what a calibration file does not say of itself.
type ImportOptions struct {
	Device  string  // "" takes it from the GPU that the file names
	MemBW   float64 // bytes per second; 0 takes the data sheet's, for parts that are known
	Source  string  // where the file comes from
	Commit  string  // of that place; "" means none
	Licence string
}

// ImportKVShuttle reads a GPU calibration in KVShuttle's JSON (repository awneesht/KVShuttle,
// gpu_calibration_results_*.json, version v3_all_compressors) and returns it in our form, fitted,
// and lines that say what was found. Rows belong to kvshuttle/NAME; FP8 rows that were real E4M3
// casts also to fp8_e4m3:scale=tensor.
//
// Pipeline rows timed keys and values and win. Kernel rows fill in where there are none: those of
// five codecs timed the keys alone and are doubled, with a flag, and with the ratio of pipeline
// to kernel rows where both exist, which is not 2. The error is an Errors.
func ImportKVShuttle(file string, text []byte, o ImportOptions) (*Calibration, []string, error) {
	r := &reader{file: file}
	f := &kvshuttleFile{r: r, models: map[string]Shape{}, pipe: map[point][2]float64{},
		seen: map[string]bool{}}
	if root := r.json(text); root != nil {
		f.read(root)
	}
	if err := r.err(); err != nil {
		return nil, nil, err
	}
	c := &Calibration{File: file, Part: f.gpu, Origin: Origin{
		Source: o.Source, Commit: o.Commit, Licence: o.Licence}}
	if c.Origin.Commit == "" {
		c.Origin.Commit = "none"
	}
	sum := sha256.Sum256(text)
	c.Origin.SHA256 = hex.EncodeToString(sum[:])
	notes, err := f.place(c, o)
	if err != nil {
		return nil, nil, err
	}
	f.rows(c)
	if len(c.Rows) == 0 {
		return nil, nil, fmt.Errorf("%s:1: no rows of any codec", file)
	}
	var without []string
	c.Fits, without = c.MakeFits()
	return c, append(append(f.notes(c), notes...), without...), nil
}

// place says which device the file is of.
func (f *kvshuttleFile) place(c *Calibration, o ImportOptions) (notes []string, err error) {
	known, ok := parts[f.gpu]
	c.Device, c.MemBW = known.device, known.memBW
	if o.Device != "" {
		c.Device = o.Device
	}
	if o.MemBW > 0 {
		c.MemBW = o.MemBW
	}
	if !ok && (o.Device == "" || o.MemBW == 0) {
		return nil, Errors{{f.r.file, f.gpuLine, "metadata.gpu", fmt.Sprintf(
			"the part %q is not known: name its device and its memory bandwidth", clip(f.gpu))}}
	}
	if !goodDevice(c.Device) {
		return nil, fmt.Errorf("device %q: want lower case letters, digits, dots and dashes", c.Device)
	}
	if f.memBW > 0 && f.memBW != c.MemBW {
		notes = append(notes, fmt.Sprintf("The source says %.0f GB/s for this part; it has %.0f GB/s.",
			f.memBW/1e9, c.MemBW/1e9))
	}
	return notes, nil
}

// A kvshuttleFile is what such a file holds.
type kvshuttleFile struct {
	r       *reader
	gpu     string
	gpuLine int
	native  bool    // FP8 rows are real E4M3 casts
	memBW   float64 // as the file has it, in bytes per second; 0 if it does not say
	repeats int
	models  map[string]Shape
	kernel  []kernelRow
	pipe    map[point][2]float64 // seconds of compress and decompress, keys and values
	seen    map[string]bool      // keys of the rows made
}

// A point is what was timed: a codec's short name, a model and a length.
type point struct {
	codec, model string
	tokens       int
}

// A kernelRow is one row of a section named after a codec.
type kernelRow struct {
	point
	seconds, std [2]float64 // of compress and decompress
}

// A kvshuttleCodec is how the calibration treats one codec.
type kvshuttleCodec struct {
	section  string
	name     string
	ratio    float64 // that its pipeline rows assume
	keysOnly bool    // its kernel rows time the keys alone
	flag     string  // what its kernels do that the codec does not
	payload  func(s Shape, tokens int64) int64
}

// kvshuttleCodecs are in the order of the file. The payload sizes are those of the codecs in
// compressors/kvshuttle.
var kvshuttleCodecs = []kvshuttleCodec{
	{"int8_calibration", "uniform_int8", 2, true, "", func(s Shape, t int64) int64 {
		return s.Bytes(int(t)) / 2
	}},
	{"kivi_calibration", "kivi_2bit", 7, false, FlagUnpacked, func(s Shape, t int64) int64 {
		planes := int64(s.Layers) * int64(s.Heads)
		return 2*((planes*t*int64(s.Dim)+3)/4) + 8*planes*(int64(s.Dim)+t)
	}},
	{"int4_calibration", "uniform_int4", 4, true, "", func(s Shape, t int64) int64 {
		return grouped(s.Bytes(int(t)) / 4)
	}},
	{"fp8_calibration", "fp8_e4m3", 2, true, "", func(s Shape, t int64) int64 {
		return s.Bytes(int(t)) / 2
	}},
	{"cachegen_calibration", "cachegen", 3.8, true, FlagOther, func(s Shape, t int64) int64 {
		chunks, dim := (t+9)/10, int64(s.Dim)
		return 2 * int64(s.Layers) * int64(s.Heads) *
			(12 + chunks*dim + ((t-chunks)*dim+1)/2 + 16*chunks)
	}},
	{"cascade_calibration", "cascade_prune50_int4", 8, false, "", func(s Shape, t int64) int64 {
		kept := max(1, t/2)
		return grouped(s.Bytes(1)/4*kept) + 4*kept
	}},
	{"palu_calibration", "palu_lr", 4, true, "", func(s Shape, t int64) int64 {
		rank := max(1, min(t, int64(s.Dim))/4)
		return 4 * int64(s.Layers) * int64(s.Heads) * rank * (t + int64(s.Dim))
	}},
}

// grouped is the size of n values of keys and as many of values, in 4 bits and groups of 128 with
// a float32 scale and zero.
func grouped(n int64) int64 { return 144 * ((n + 127) / 128) }

// KVShuttlePayload returns the size of a payload of the codec kvshuttle/NAME, its metadata apart,
// for the seven codecs that KVShuttle timed on GPUs.
func KVShuttlePayload(codec string, s Shape, tokens int) (int64, bool) {
	name, ok := strings.CutPrefix(codec, "kvshuttle/")
	c, known := codecNamed(name)
	if !ok || !known || tokens < 1 {
		return 0, false
	}
	return c.payload(s, int64(tokens)), true
}

func codecNamed(name string) (kvshuttleCodec, bool) {
	i := slices.IndexFunc(kvshuttleCodecs, func(c kvshuttleCodec) bool { return c.name == name })
	if i < 0 {
		return kvshuttleCodec{}, false
	}
	return kvshuttleCodecs[i], true
}

func (f *kvshuttleFile) read(root *node) {
	keys := []string{"metadata", "pipeline_comparison", "?summary"}
	for _, c := range kvshuttleCodecs {
		keys = append(keys, "?"+c.section)
	}
	rec, ok := f.r.record(root, "", keys...)
	if !ok {
		return
	}
	if n := rec.get("metadata"); n != nil {
		f.metadata(n)
	}
	for _, c := range kvshuttleCodecs {
		rec.list(c.section, maxRows, func(n *node, path string) { f.kernelRow(n, path, c) })
	}
	rec.list("pipeline_comparison", maxRows, f.pipelineRow)
	if n := rec.get("summary"); n != nil {
		f.summary(n)
	}
}

func (f *kvshuttleFile) metadata(n *node) {
	rec, ok := f.r.record(n, "metadata", "gpu", "?gpu_tier", "?gpu_info", "pytorch_version",
		"cuda_version", "timing_method", "?fp8_path", "version", "models", "seq_lens", "warmup",
		"repeats")
	if !ok {
		return
	}
	f.gpu = rec.text("gpu")
	if n := rec.get("gpu"); n != nil {
		f.gpuLine = n.line
	}
	for _, key := range []string{"pytorch_version", "cuda_version", "timing_method"} {
		rec.text(key)
	}
	if version := rec.text("version"); version != "" && version != "v3_all_compressors" {
		f.r.fail(rec.get("version").line, "metadata.version",
			"want v3_all_compressors, got %q", clip(version))
	}
	if n := rec.get("fp8_path"); n != nil {
		path := rec.text("fp8_path")
		f.native = path == "native"
		if path != "" && !f.native && path != "simulated" {
			f.r.fail(n.line, "metadata.fp8_path", "want native or simulated, got %q", clip(path))
		}
	}
	rec.integer("warmup", 0, 1<<20)
	f.repeats = int(rec.integer("repeats", 1, 1<<20))
	rec.list("seq_lens", 64, func(n *node, path string) { f.r.integer(n, path, 1, maxTokens) })
	f.shapes(rec)
	if n := rec.get("gpu_info"); n != nil {
		f.gpuInfo(n)
	}
}

func (f *kvshuttleFile) gpuInfo(n *node) {
	rec, ok := f.r.record(n, "metadata.gpu_info", "name", "gpu_tier", "compute_capability",
		"total_memory_gb", "memory_bandwidth_gbps", "multi_processor_count", "cuda_version",
		"pytorch_version")
	if ok {
		f.memBW = 1e9 * rec.number("memory_bandwidth_gbps", 1, 1e6)
	}
}

func (f *kvshuttleFile) shapes(rec record) {
	n := rec.get("models")
	if n == nil {
		return
	}
	if n.kind != isMap {
		f.r.fail(n.line, "metadata.models", "want a map from model to shape, got %s", n.what())
		return
	}
	for i, k := range n.keys {
		path := join("metadata.models", k.text)
		model, ok := f.r.record(n.items[i], path, "layers", "kv_heads", "head_dim")
		if !ok {
			continue
		}
		f.models[k.text] = Shape{int(model.integer("layers", 1, 1<<12)),
			int(model.integer("kv_heads", 1, 1<<12)), int(model.integer("head_dim", 1, 1<<12))}
	}
}

// summary holds nothing that the rows do not: only its form is checked.
func (f *kvshuttleFile) summary(n *node) {
	if n.kind != isMap {
		f.r.fail(n.line, "summary", "want a map, got %s", n.what())
		return
	}
	for i, k := range n.keys {
		path, v := join("summary", k.text), n.items[i]
		switch {
		case strings.HasSuffix(k.text, "_mean"), strings.HasSuffix(k.text, "_mean_pct"):
			f.r.number(v, path, 0, 1e9)
		case v.kind == isList && len(v.items) == 2 &&
			(strings.HasSuffix(k.text, "_range") || strings.HasSuffix(k.text, "_range_pct")):
			f.r.number(v.items[0], path, 0, 1e9)
			f.r.number(v.items[1], path, 0, 1e9)
		default:
			f.r.fail(k.line, path, "want NAME_mean with a number or NAME_range with two")
		}
	}
}

// point reads model and length of a row.
func (f *kvshuttleFile) point(rec record, codec string) (point, Shape) {
	p := point{codec, rec.text("model"), int(rec.integer("seq_len", 1, maxTokens))}
	s, ok := f.models[p.model]
	if n := rec.get("model"); !ok && n != nil {
		names := slices.Sorted(maps.Keys(f.models))
		hint := strings.Join(names, ", ")
		if near := registry.Nearest(p.model, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		f.r.fail(n.line, join(rec.path, "model"), "metadata has no model %q (%s)", clip(p.model), hint)
	}
	return p, s
}

func (f *kvshuttleFile) kernelRow(n *node, path string, c kvshuttleCodec) {
	before := f.r.bad
	rec, ok := f.r.record(n, path, "model", "seq_len", "cache_mb", "cpu_compress_ms",
		"gpu_compress_ms", "?gpu_compress_std_ms", "compress_speedup", "cpu_decompress_ms",
		"gpu_decompress_ms", "?gpu_decompress_std_ms", "decompress_speedup")
	if !ok {
		return
	}
	p, shape := f.point(rec, c.name)
	row := kernelRow{point: p}
	mib := rec.number("cache_mb", 0, 1e9)
	for i, op := range []string{"compress", "decompress"} {
		cpu := rec.number("cpu_"+op+"_ms", 1e-6, 1e8)
		gpu := rec.number("gpu_"+op+"_ms", 1e-6, 1e8)
		speedup := rec.number(op+"_speedup", 0, 1e9)
		row.seconds[i] = gpu / 1e3
		if rec.get("gpu_"+op+"_std_ms") != nil {
			row.std[i] = rec.number("gpu_"+op+"_std_ms", 0, 1e8) / 1e3
		}
		// Times are rounded to 3 decimals and speedups to 1.
		want := cpu / gpu
		if f.r.bad == before && math.Abs(want-speedup) > 0.06+want*0.001/gpu {
			f.r.fail(rec.get(op+"_speedup").line, join(path, op+"_speedup"),
				"%v ms over %v ms is %.1f, got %v", cpu, gpu, want, speedup)
		}
	}
	if f.r.bad > before {
		return
	}
	if size := float64(shape.Bytes(p.tokens)) / (1 << 20); math.Abs(size-mib) > 0.06 {
		f.r.fail(rec.get("cache_mb").line, join(path, "cache_mb"),
			"%s with %d tokens has %.1f MiB of keys and values, got %v", shape, p.tokens, size, mib)
		return
	}
	f.kernel = append(f.kernel, row)
}
