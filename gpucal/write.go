package gpucal

import (
	"fmt"
	"strconv"
	"strings"
)

// AppendYAML appends the calibration as Read reads it, a comment of the given lines first. Equal
// calibrations give equal text.
func (c *Calibration) AppendYAML(dst []byte, comment ...string) []byte {
	for _, line := range comment {
		dst = append(dst, strings.TrimRight("# "+line, " ")+"\n"...)
	}
	dst = fmt.Appendf(dst, "device: %s\npart: %s\nmem_bw_bytes_per_second: %s\norigin:\n",
		c.Device, quote(c.Part), number(c.MemBW))
	dst = fmt.Appendf(dst, "  source: %s\n  commit: %s\n  licence: %s\n  sha256: %s\n",
		quote(c.Origin.Source), quote(c.Origin.Commit), quote(c.Origin.Licence),
		quote(c.Origin.SHA256))
	if len(c.Rows) > 0 {
		dst = append(dst, "rows:\n"...)
	}
	for i := range c.Rows {
		dst = c.Rows[i].append(dst)
	}
	if len(c.Fits) > 0 {
		dst = append(dst, "fits:\n"...)
	}
	for i := range c.Fits {
		dst = c.Fits[i].append(dst)
	}
	return dst
}

func (r *Row) append(dst []byte) []byte {
	dst = fmt.Appendf(dst, "  - {codec: %s, op: %s, dtype: %s, shape: %s, tokens: %d,\n",
		quote(r.Codec), r.Op, r.DType, r.Shape, r.Tokens)
	dst = fmt.Appendf(dst, "     bytes_in: %d, bytes_out: %d, ", r.BytesIn, r.BytesOut)
	if r.Seconds != nil {
		dst = append(dst, "seconds: ["...)
		for i, s := range r.Seconds {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(dst, number(s)...)
		}
		dst = append(dst, ']')
	} else {
		dst = fmt.Appendf(dst, "median_seconds: %s", number(r.Median))
		if r.Std > 0 {
			dst = fmt.Appendf(dst, ", std_seconds: %s", number(r.Std))
		}
		if r.N > 0 {
			dst = fmt.Appendf(dst, ", n: %d", r.N)
		}
	}
	return append(appendFlags(dst, r.Flags), "}\n"...)
}

func (f *Fit) append(dst []byte) []byte {
	dst = fmt.Appendf(dst, "  - {codec: %s, op: %s, alpha_seconds: %s, beta_seconds_per_byte: %s,\n",
		quote(f.Codec), f.Op, number(f.Alpha), number(f.Beta))
	dst = fmt.Appendf(dst, "     min_bytes: %d, max_bytes: %d, rows: %d, max_residual: %s,\n",
		f.MinBytes, f.MaxBytes, f.Rows, number(f.MaxResidual))
	dst = fmt.Appendf(dst, "     median_residual: %s, roofline_share: %s",
		number(f.MedianResidual), number(f.Roofline))
	return append(appendFlags(dst, f.Flags), "}\n"...)
}

func appendFlags(dst []byte, flags []string) []byte {
	if len(flags) == 0 {
		return dst
	}
	dst = append(dst, ",\n     flags: ["...)
	for i, f := range flags {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, quote(f)...)
	}
	return append(dst, ']')
}

// number writes v so that it reads back as the same value, without an exponent where that is
// short.
func number(v float64) string {
	plain := strconv.FormatFloat(v, 'f', -1, 64)
	short := strconv.FormatFloat(v, 'e', -1, 64)
	if len(plain) <= len(short)+3 {
		return plain
	}
	return short
}

// quote writes text so that YAML reads it as that text, in or out of a flow map.
func quote(text string) string {
	safe := text != "" && (text[0] >= 'a' && text[0] <= 'z' || text[0] >= 'A' && text[0] <= 'Z')
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.ContainsRune("-_./=", c):
		default:
			safe = false
		}
	}
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		safe = false
	}
	if safe {
		return text
	}
	return strconv.Quote(text)
}
