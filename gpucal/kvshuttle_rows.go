package gpucal

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
)

// pipelineRow reads one row of pipeline_comparison: a point and a link rate, with totals that
// follow from them. The times of a point stand once for every rate and must be equal.
func (f *kvshuttleFile) pipelineRow(n *node, path string) {
	before := f.r.bad
	rec, ok := f.r.record(n, path, "model", "seq_len", "compressor", "bandwidth_gbps",
		"gpu_compress_ms", "gpu_decompress_ms", "transfer_ms", "raw_transfer_ms",
		"sequential_total_ms", "sequential_speedup", "pipelined_total_ms", "pipelined_speedup",
		"pipeline_saving_pct", "bottleneck_stage")
	if !ok {
		return
	}
	name := rec.text("compressor")
	codec, known := codecNamed(name)
	if n := rec.get("compressor"); !known && n != nil {
		f.r.fail(n.line, join(path, "compressor"), "no calibrated codec named %q", clip(name))
	}
	p, shape := f.point(rec, name)
	gbps := rec.number("bandwidth_gbps", 1e-6, 1e9)
	c := rec.number("gpu_compress_ms", 1e-6, 1e8)
	d := rec.number("gpu_decompress_ms", 1e-6, 1e8)
	got := map[string]float64{}
	for _, key := range []string{"transfer_ms", "raw_transfer_ms", "sequential_total_ms",
		"sequential_speedup", "pipelined_total_ms", "pipelined_speedup", "pipeline_saving_pct"} {
		got[key] = rec.number(key, 0, 1e9)
	}
	stage := rec.text("bottleneck_stage")
	if f.r.bad > before {
		return
	}
	want := kvshuttleTotals(shape, p.tokens, codec.ratio, gbps, c, d)
	for _, key := range []string{"transfer_ms", "raw_transfer_ms", "sequential_total_ms",
		"pipelined_total_ms"} {
		if math.Abs(got[key]-want[key]) > 1e-3 {
			f.r.fail(rec.get(key).line, join(path, key),
				"the times of the row make %.4f, got %v", want[key], got[key])
		}
	}
	if stage != "compress" && stage != "transfer" && stage != "decompress" {
		f.r.fail(rec.get("bottleneck_stage").line, join(path, "bottleneck_stage"),
			"want compress, transfer or decompress, got %q", clip(stage))
	}
	t := [2]float64{c / 1e3, d / 1e3}
	if first, twice := f.pipe[p]; twice && first != t {
		f.r.fail(rec.get("gpu_compress_ms").line, join(path, "gpu_compress_ms"),
			"%s of %s with %d tokens took other times in an earlier row", name, p.model, p.tokens)
	}
	f.pipe[p] = t
}

// kvshuttleTotals are the totals that KVShuttle works out for one row, in milliseconds, from its
// assumed ratio: sequential, and pipelined over one chunk per layer.
func kvshuttleTotals(s Shape, tokens int, ratio, gbps, c, d float64) map[string]float64 {
	raw := s.Bytes(tokens)
	x := 8 * math.Trunc(float64(raw)/ratio) / (gbps * 1e6)
	n := float64(s.Layers)
	return map[string]float64{
		"transfer_ms": x, "raw_transfer_ms": 8 * float64(raw) / (gbps * 1e6),
		"sequential_total_ms": c + x + d,
		"pipelined_total_ms":  (c+x+d)/n + (n-1)*max(c, x, d)/n,
	}
}

var bothOps = [2]Op{Compress, Decompress}

// rows turns what was read into rows of c.
func (f *kvshuttleFile) rows(c *Calibration) {
	ratios := map[string][2]string{}
	for _, codec := range kvshuttleCodecs {
		ratios[codec.name] = f.ratios(codec.name)
	}
	for _, p := range slices.SortedFunc(maps.Keys(f.pipe), comparePoints) {
		t := f.pipe[p]
		for i, op := range bothOps {
			f.row(c, p, Row{Op: op, Median: t[i], N: 10, Flags: []string{FlagPipeline}})
		}
	}
	done := map[point]bool{}
	for _, k := range f.kernel {
		if _, measured := f.pipe[k.point]; measured || done[k.point] {
			continue
		}
		done[k.point] = true
		codec, _ := codecNamed(k.codec)
		for i, op := range bothOps {
			r := Row{Op: op, Median: k.seconds[i], Std: k.std[i], N: f.repeats,
				Flags: []string{FlagKernel}}
			if codec.keysOnly {
				r.Median, r.Std, r.Flags[0] = 2*r.Median, 2*r.Std, FlagKeysTwice
			}
			if ratio := ratios[k.codec][i]; ratio != "" {
				r.Flags = append(r.Flags, ratio)
			}
			f.row(c, k.point, r)
		}
	}
	sortRows(c.Rows)
}

// row completes r and adds it, for FP8 that was the real thing under both its names.
func (f *kvshuttleFile) row(c *Calibration, p point, r Row) {
	codec, _ := codecNamed(p.codec)
	shape := f.models[p.model]
	r.Codec, r.DType, r.Shape, r.Tokens = "kvshuttle/"+p.codec, "f32", shape, p.tokens
	r.Median, r.Std = digits(r.Median), digits(r.Std)
	r.BytesIn, r.BytesOut = shape.Bytes(p.tokens), codec.payload(shape, int64(p.tokens))
	if r.Op == Decompress {
		r.BytesIn, r.BytesOut = r.BytesOut, r.BytesIn
	}
	r.Flags = append(r.Flags, FlagGaussian, FlagEager)
	real := f.native && p.codec == "fp8_e4m3"
	if real {
		own := r
		own.Codec, own.Flags = "fp8_e4m3:scale=tensor", slices.Clone(r.Flags)
		f.add(c, own)
		r.Flags = append(r.Flags, FlagOther)
	}
	if codec.flag != "" {
		r.Flags = append(r.Flags, codec.flag)
	}
	f.add(c, r)
}

// add leaves out what another model of the same shape gave already.
func (f *kvshuttleFile) add(c *Calibration, r Row) {
	if key := r.key(); !f.seen[key] {
		f.seen[key] = true
		c.Rows = append(c.Rows, r)
	}
}

func comparePoints(a, b point) int {
	return cmp.Or(cmp.Compare(a.codec, b.codec), cmp.Compare(a.model, b.model),
		cmp.Compare(a.tokens, b.tokens))
}

// ratios says how a codec's pipeline rows compare with its kernel rows where both exist, for
// compress and decompress: the median, and the range. "" where no point has both.
func (f *kvshuttleFile) ratios(codec string) (out [2]string) {
	for i := range out {
		var all []float64
		for _, k := range f.kernel {
			if t, ok := f.pipe[k.point]; ok && k.codec == codec {
				all = append(all, t[i]/k.seconds[i])
			}
		}
		if all != nil {
			out[i] = fmt.Sprintf("%s%.2f (%.2f to %.2f)", flagRatio, median64(all),
				slices.Min(all), slices.Max(all))
		}
	}
	return out
}

// notes says what the file holds, for people.
func (f *kvshuttleFile) notes(c *Calibration) []string {
	count := map[string]int{}
	for i := range c.Rows {
		count[c.Rows[i].Flags[0]]++
	}
	lines := []string{
		fmt.Sprintf("KVShuttle's published times of %s, in our form.", f.gpu),
		fmt.Sprintf("Rows: %d pipeline (keys and values, median of 10), %d kernel (keys and values,",
			count[FlagPipeline], count[FlagKernel]),
		fmt.Sprintf("median of %d) and %d %s (keys only, doubled), the latter two only where there",
			f.repeats, count[FlagKeysTwice], FlagKeysTwice),
		"is no pipeline row. Values were float32 on the device; bytes are of the 16-bit cache.",
		"No samples were published, so no interval can be given.",
	}
	if f.native {
		lines = append(lines, "FP8 was a real E4M3 cast: its rows stand under both codecs' names.")
	}
	return lines
}
