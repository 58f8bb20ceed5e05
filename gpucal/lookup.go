package gpucal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Provenance says where the seconds of an Answer come from.
type Provenance string

// In the order in which a lookup tries them.
const (
	Measured     Provenance = "measured"     // exactly this device, codec, shape and tokens
	Fitted       Provenance = "fitted"       // t = α + β·bytes, within the sizes measured
	Extrapolated Provenance = "extrapolated" // the same, beyond them
	Roofline     Provenance = "roofline"     // what memory bandwidth bounds it by: no measurement
)

// ErrAbsent is wrapped by a lookup that has nothing to go by.
var ErrAbsent = errors.New("not measured on this device")

// A Query asks how long one operation of one codec takes.
type Query struct {
	Codec  string // canonical spec text
	Op     Op
	Shape  Shape // of keys and of values; the zero Shape matches no measured point
	Tokens int

	// RawBytes is the cache's size in 16 bits; 0 takes it from Shape and Tokens. WireBytes is the
	// payload's, which only a roofline needs.
	RawBytes, WireBytes int64
}

// An Answer is how long it takes and what is behind the number.
type Answer struct {
	Seconds    float64
	Provenance Provenance

	// Samples are the times of a measured point, where every sample is known. IntervalKind is
	// "samples" if they are enough for an interval, else "none": from a median alone, a fit or a
	// bound no interval can be made.
	Samples      []float64
	IntervalKind string

	Flags []string // of the row or fit, and what else to know

	Row *Row // what was measured, or nil
	Fit *Fit // the fit over its codec's rows, or nil; beside Row it says what it would have given
}

// Lookup answers a query about c's device. A measured point wins over a fit and a fit over the
// roofline, which is given for codecs whose time memory alone could set. Without any of them the
// error wraps ErrAbsent and says what there is.
func (c *Calibration) Lookup(q Query) (Answer, error) {
	if q.Op != Compress && q.Op != Decompress {
		return Answer{}, fmt.Errorf("op is %q, want compress or decompress", q.Op)
	}
	raw := q.RawBytes
	if raw == 0 {
		raw = q.Shape.Bytes(q.Tokens)
	}
	if raw <= 0 || q.WireBytes < 0 {
		return Answer{}, fmt.Errorf("want a cache of at least one byte, got %d and a payload of %d",
			raw, q.WireBytes)
	}
	a := Answer{Row: c.row(q, raw), Fit: c.fitOf(q.Codec, q.Op), IntervalKind: "none"}
	switch {
	case a.Row != nil:
		a.Seconds, a.Provenance = a.Row.Median, Measured
		a.Samples, a.Flags = a.Row.Seconds, slices.Clone(a.Row.Flags)
		if len(a.Samples) >= minSamples {
			a.IntervalKind = "samples"
		}
	case a.Fit != nil:
		a.Seconds, a.Provenance = a.Fit.at(float64(raw)), Fitted
		if raw < a.Fit.MinBytes || raw > a.Fit.MaxBytes {
			a.Provenance = Extrapolated
		}
		a.Flags = append(slices.Clone(a.Fit.Flags),
			fmt.Sprintf("fit-misses-up-to=%.0f%%", 100*a.Fit.MaxResidual))
	case c.MemBW > 0 && MemoryBound(q.Codec):
		a.Seconds, a.Provenance = float64(raw+q.WireBytes)/c.MemBW, Roofline
		a.Flags = []string{FlagBound}
	default:
		return Answer{}, fmt.Errorf("%s of %s on %s: %w (%s)", q.Op, q.Codec, c.Device, ErrAbsent,
			c.has(q.Op))
	}
	return a, nil
}

// row returns the row that measures exactly what is asked, or nil.
func (c *Calibration) row(q Query, raw int64) *Row {
	for i := range c.Rows {
		r := &c.Rows[i]
		if r.Tokens == q.Tokens && r.Op == q.Op && r.Shape == q.Shape && r.Codec == q.Codec &&
			r.Raw() == raw {
			return r
		}
	}
	return nil
}

func (c *Calibration) fitOf(codec string, op Op) *Fit {
	for i := range c.Fits {
		if c.Fits[i].Codec == codec && c.Fits[i].Op == op {
			return &c.Fits[i]
		}
	}
	return nil
}

// has says which codecs an op was measured of, for errors.
func (c *Calibration) has(op Op) string {
	names := c.Codecs(op)
	if len(names) == 0 {
		return "no codec is"
	}
	return "measured are " + strings.Join(names, ", ")
}

// Codecs returns the codecs of which op was measured, sorted.
func (c *Calibration) Codecs(op Op) []string {
	var names []string
	for i := range c.Rows {
		if c.Rows[i].Op == op {
			names = append(names, c.Rows[i].Codec)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// memoryBound are the codecs that a fused kernel can do in one pass over the cache and the
// payload: rounding to few bits. Singular values, entropy coding, token selection and searches
// are not among them, since there memory bandwidth says nothing of the time. A name that ends in
// a colon stands for every setting of the family.
var memoryBound = []string{
	"identity", "uniform", "uniform:", "kivi", "kivi:", "fp8_e4m3", "fp8_e4m3:", "fp8_e5m2",
	"q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "nvfp4", "nvfp4:", "mxfp4", "mxfp8",
	"kvshuttle/identity", "kvshuttle/uniform_int8", "kvshuttle/uniform_int4",
	"kvshuttle/mixed_k8v4", "kvshuttle/fp8_e4m3", "kvshuttle/kivi_2bit", "kvshuttle/kvquant_2bit",
}

// MemoryBound says whether a roofline is given for a codec that was not measured.
func MemoryBound(codec string) bool {
	if strings.Contains(codec, "+") {
		return false // a chain drops tokens or codes bytes
	}
	for _, name := range memoryBound {
		if codec == name || strings.HasSuffix(name, ":") && strings.HasPrefix(codec, name) {
			return true
		}
	}
	return false
}
