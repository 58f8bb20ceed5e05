package gpucal

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MakeFits returns the fits over the calibration's rows, in the order of codec and operation, and
// a line for each codec and operation that has rows but no fit, saying why.
//
// A fit holds rows of one method: where some rows are pipeline rows, those; else all that timed
// keys and values. Rows that doubled the time of the keys enter no fit.
func (c *Calibration) MakeFits() (fits []Fit, without []string) {
	rows := slices.Clone(c.Rows)
	sortRows(rows)
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].Codec == rows[0].Codec && rows[n].Op == rows[0].Op {
			n++
		}
		if fit, err := c.fit(rows[:n]); err == nil {
			fits = append(fits, fit)
		} else {
			without = append(without, fmt.Sprintf("%s %s: %v", rows[0].Codec, rows[0].Op, err))
		}
		rows = rows[n:]
	}
	return fits, without
}

// eligible returns the rows that enter a fit.
func eligible(rows []Row) []Row {
	var pipeline, both []Row
	for _, r := range rows {
		if r.Has(FlagPipeline) {
			pipeline = append(pipeline, r)
		}
		if !r.Has(FlagKeysTwice) {
			both = append(both, r)
		}
	}
	if pipeline != nil {
		return pipeline
	}
	return both
}

func (c *Calibration) fit(all []Row) (Fit, error) {
	rows := eligible(all)
	if len(rows) < minFitRows {
		return Fit{}, fmt.Errorf("%d rows that timed keys and values, want at least %d",
			len(rows), minFitRows)
	}
	f := Fit{Codec: rows[0].Codec, Op: rows[0].Op, Rows: len(rows),
		MinBytes: math.MaxInt64}
	x, t := make([]float64, len(rows)), make([]float64, len(rows))
	shares := make([]float64, len(rows))
	for i := range rows {
		r := &rows[i]
		x[i], t[i] = float64(r.Raw()), r.Median
		f.MinBytes, f.MaxBytes = min(f.MinBytes, r.Raw()), max(f.MaxBytes, r.Raw())
		shares[i] = r.Roofline(c.MemBW) / r.Median
	}
	f.Alpha, f.Beta = line(x, t)
	if !(f.Beta > 0) {
		return Fit{}, fmt.Errorf("time does not grow with bytes over %d rows", len(rows))
	}
	f.Alpha, f.Beta = digits(f.Alpha), digits(f.Beta)
	misses := make([]float64, len(rows))
	for i := range rows {
		misses[i] = math.Abs(f.at(x[i])/t[i] - 1)
	}
	f.MaxResidual, f.MedianResidual = digits(slices.Max(misses)), digits(median64(misses))
	f.Roofline = digits(median64(shares))
	if f.MaxResidual > poorFit {
		f.Flags = append(f.Flags, FlagPoor)
	}
	for _, flag := range rows[0].Flags {
		if everyRow(rows, flag) && !strings.HasPrefix(flag, flagRatio) {
			f.Flags = append(f.Flags, flag)
		}
	}
	if ratio := ratioFlag(all); ratio != "" {
		f.Flags = append(f.Flags, ratio)
	}
	return f, nil
}

// ratioFlag returns the flag that says how two ways of timing compare, or "".
func ratioFlag(rows []Row) string {
	for _, r := range rows {
		for _, flag := range r.Flags {
			if strings.HasPrefix(flag, flagRatio) {
				return flag
			}
		}
	}
	return ""
}

func everyRow(rows []Row, flag string) bool {
	return !slices.ContainsFunc(rows, func(r Row) bool { return !r.Has(flag) })
}

// Seconds returns what the fit says of a cache of so many uncompressed bytes.
func (f *Fit) Seconds(bytes int64) float64 { return f.at(float64(bytes)) }

func (f *Fit) at(bytes float64) float64 { return f.Alpha + float64(f.Beta*bytes) }

// line returns the a ≥ 0 and b that minimise Σ ((a + b·x)/t − 1)²: least squares with weights
// 1/t², worked about the weighted means.
func line(x, t []float64) (a, b float64) {
	var w, mx, mt float64
	for i := range x {
		k := 1 / (t[i] * t[i])
		w, mx, mt = w+k, mx+float64(k*x[i]), mt+float64(k*t[i])
	}
	mx, mt = mx/w, mt/w
	var xx, xt float64
	for i := range x {
		k := 1 / (t[i] * t[i])
		xx += float64(k * (x[i] - mx) * (x[i] - mx))
		xt += float64(k * (x[i] - mx) * (t[i] - mt))
	}
	if xx == 0 {
		return 0, math.NaN() // all of one size
	}
	b = xt / xx
	if a = mt - b*mx; a >= 0 {
		return a, b
	}
	var u, v float64 // through the origin
	for i := range x {
		r := x[i] / t[i]
		u, v = u+r, v+float64(r*r)
	}
	return 0, u / v
}

// digits rounds v to seven significant digits, so that files of fits are equal on every machine.
func digits(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 7, 64), 64)
	if err != nil {
		return v
	}
	return r
}
