package gpucal

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Read reads a calibration from YAML text; file names it in errors. The error is an Errors: each
// of its lines says which key is wrong, on which line, and what was wanted. Unknown keys are
// mistakes, and so are two rows for one point.
func Read(file string, text []byte) (*Calibration, error) {
	r := &reader{file: file}
	c := &Calibration{File: file}
	root := r.yaml(text)
	if root != nil {
		r.calibration(root, c)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return c, nil
}

func (r *reader) calibration(root *node, c *Calibration) {
	rec, ok := r.record(root, "", "device", "part", "mem_bw_bytes_per_second", "origin",
		"?rows", "?fits")
	if !ok {
		return
	}
	c.Device = rec.text("device")
	if c.Device != "" && !goodDevice(c.Device) {
		r.fail(rec.get("device").line, "device",
			"want lower case letters, digits, dots and dashes, got %q", clip(c.Device))
	}
	c.Part = rec.text("part")
	c.MemBW = rec.number("mem_bw_bytes_per_second", 1e6, 1e15)
	if n := rec.get("origin"); n != nil {
		r.origin(n, &c.Origin)
	}
	rows := map[string]int{}
	rec.list("rows", maxRows, func(n *node, path string) {
		row := r.row(n, path)
		key := row.key()
		if first, twice := rows[key]; twice && r.bad == 0 {
			r.fail(n.line, path, "the point of line %d again: %s", first, key)
		}
		rows[key] = n.line
		c.Rows = append(c.Rows, row)
	})
	fits := map[string]int{}
	rec.list("fits", maxRows, func(n *node, path string) {
		fit := r.fit(n, path)
		key := fit.Codec + " " + string(fit.Op)
		if first, twice := fits[key]; twice && r.bad == 0 {
			r.fail(n.line, path, "the fit of line %d again: %s", first, key)
		}
		fits[key] = n.line
		c.Fits = append(c.Fits, fit)
	})
}

// goodDevice says whether a name can name a file and stand in a spec.
func goodDevice(name string) bool {
	for i, c := range name {
		ok := c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || i > 0 && (c == '-' || c == '.')
		if !ok {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

func (r *reader) origin(n *node, o *Origin) {
	rec, ok := r.record(n, "origin", "source", "commit", "licence", "sha256")
	if !ok {
		return
	}
	o.Source, o.Licence = rec.text("source"), rec.text("licence")
	o.Commit = rec.hex("commit", 7, 40)
	o.SHA256 = rec.hex("sha256", 64, 64)
}

// hex reads lower-case hexadecimal digits, or the word none. Digits alone may stand unquoted.
func (rec record) hex(key string, least, most int) string {
	n := rec.get(key)
	if n == nil || n.kind == isText && n.text == "none" {
		return "none"
	}
	digits := strings.Trim(n.text, "0123456789abcdef") == ""
	if n.kind != isText && n.kind != isNumber || !digits || len(n.text) < least || len(n.text) > most {
		rec.r.fail(n.line, join(rec.path, key),
			"want %d to %d hexadecimal digits or none, got %s", least, most, n.what())
	}
	return n.text
}

// op and codec are read alike in rows and fits.
func (rec record) codecAndOp() (string, Op) {
	codec, op := rec.text("codec"), Op(rec.text("op"))
	if n := rec.get("op"); n != nil && op != Compress && op != Decompress {
		rec.r.fail(n.line, join(rec.path, "op"), "want compress or decompress, got %s", n.what())
	}
	return codec, op
}

func (r *reader) row(n *node, path string) Row {
	row, before := Row{line: n.line}, r.bad
	rec, ok := r.record(n, path, "codec", "op", "dtype", "shape", "tokens", "bytes_in",
		"bytes_out", "?seconds", "?median_seconds", "?std_seconds", "?n", "?flags")
	if !ok {
		return row
	}
	row.Codec, row.Op = rec.codecAndOp()
	row.DType = rec.text("dtype")
	if n := rec.get("dtype"); n != nil && dtypeBytes[row.DType] == 0 {
		r.fail(n.line, join(path, "dtype"), "want f16, bf16 or f32, got %s", n.what())
	}
	if n := rec.get("shape"); n != nil {
		var err error
		if row.Shape, err = ParseShape(rec.text("shape")); err != nil {
			r.fail(n.line, join(path, "shape"), "%v", err)
		}
	}
	row.Tokens = int(rec.integer("tokens", 1, maxTokens))
	row.BytesIn = rec.integer("bytes_in", 0, 1<<50)
	row.BytesOut = rec.integer("bytes_out", 0, 1<<50)
	rec.times(&row)
	if rec.get("flags") != nil {
		row.Flags = rec.texts("flags")
	}
	if r.bad == before {
		rec.sizes(&row)
	}
	return row
}

// times reads either every sample or what a paper printed of them.
func (rec record) times(row *Row) {
	path := join(rec.path, "seconds")
	switch samples, median := rec.get("seconds"), rec.get("median_seconds"); {
	case (samples == nil) == (median == nil):
		rec.r.fail(rec.n.line, path, "want either seconds or median_seconds")
	case samples != nil:
		for _, key := range []string{"std_seconds", "n"} {
			if rec.get(key) != nil {
				rec.r.fail(rec.n.line, join(rec.path, key), "stands with median_seconds, not with seconds")
			}
		}
		rec.list("seconds", maxSamples, func(n *node, path string) {
			row.Seconds = append(row.Seconds, rec.r.number(n, path, 1e-12, maxSeconds))
		})
		if row.N = len(row.Seconds); row.N == 0 {
			rec.r.fail(samples.line, path, "want at least one sample")
			return
		}
		row.Median = median64(row.Seconds)
	default:
		row.Median = rec.number("median_seconds", 1e-12, maxSeconds)
		row.Std = rec.number("std_seconds", 0, maxSeconds)
		if rec.get("n") != nil {
			row.N = int(rec.integer("n", 1, 1<<30))
		}
	}
}

func median64(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// sizes checks the bytes of a row against its shape.
func (rec record) sizes(row *Row) {
	key := "bytes_in"
	if row.Op == Decompress {
		key = "bytes_out"
	}
	if want := row.Shape.Bytes(row.Tokens); row.Raw() != want {
		rec.r.fail(rec.get(key).line, join(rec.path, key),
			"%s with %d tokens has %d bytes of keys and values in 16 bits, got %d",
			row.Shape, row.Tokens, want, row.Raw())
	}
	if row.Payload() > 4*row.Raw() {
		rec.r.fail(rec.n.line, rec.path, "a payload of %d bytes for a cache of %d",
			row.Payload(), row.Raw())
	}
}

// key names the point that a row measures.
func (r *Row) key() string {
	return fmt.Sprintf("%s %s of %s, %d tokens, %s", r.Codec, r.Op, r.Shape, r.Tokens, r.DType)
}

func (r *reader) fit(n *node, path string) Fit {
	var f Fit
	rec, ok := r.record(n, path, "codec", "op", "alpha_seconds", "beta_seconds_per_byte",
		"min_bytes", "max_bytes", "rows", "max_residual", "median_residual", "roofline_share",
		"?flags")
	if !ok {
		return f
	}
	f.Codec, f.Op = rec.codecAndOp()
	f.Alpha = rec.number("alpha_seconds", 0, maxSeconds)
	f.Beta = rec.number("beta_seconds_per_byte", 1e-18, 1)
	f.MinBytes = rec.integer("min_bytes", 1, 1<<50)
	f.MaxBytes = rec.integer("max_bytes", 1, 1<<50)
	f.Rows = int(rec.integer("rows", minFitRows, maxRows))
	f.MaxResidual = rec.number("max_residual", 0, 1e9)
	f.MedianResidual = rec.number("median_residual", 0, 1e9)
	f.Roofline = rec.number("roofline_share", 0, 1e9)
	if rec.get("flags") != nil {
		f.Flags = rec.texts("flags")
	}
	if f.MinBytes > f.MaxBytes {
		r.fail(n.line, join(path, "max_bytes"), "is less than min_bytes")
	}
	return f
}

// sortRows puts rows in the order in which files hold them.
func sortRows(rows []Row) {
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Codec, b.Codec), cmp.Compare(a.Op, b.Op),
			cmp.Compare(a.Shape.Bytes(1), b.Shape.Bytes(1)),
			cmp.Compare(a.Shape.String(), b.Shape.String()),
			cmp.Compare(a.Tokens, b.Tokens), cmp.Compare(a.DType, b.DType))
	})
}
