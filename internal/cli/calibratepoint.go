package cli

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"

	"kvgauge/gpucal"
	"kvgauge/results"
	"kvgauge/transfermodel"
)

// stageInfo is one operation of one codec on one cache.
type stageInfo struct {
	Op         string   `json:"op"`
	Seconds    float64  `json:"seconds"`
	Provenance string   `json:"provenance"`
	Measured   *float64 `json:"measured_seconds,omitempty"`
	Fit        *float64 `json:"fit_seconds,omitempty"`
	Interval   string   `json:"interval"`
	Flags      []string `json:"flags"`
}

// tieInfo is a break-even rate from what was used, and from the fits alone.
type tieInfo struct {
	Transfer string          `json:"transfer"`
	Gbps     results.Number  `json:"breakeven_gbps"`
	Closed   results.Number  `json:"breakeven_closed_gbps"`
	Bisected results.Number  `json:"breakeven_bisected_gbps"`
	ByFit    *results.Number `json:"breakeven_by_fit_gbps,omitempty"`
}

// pointInfo is all that a device says of one codec and cache.
type pointInfo struct {
	Device    string      `json:"device"`
	Codec     string      `json:"codec"`
	Shape     string      `json:"shape"`
	Tokens    int         `json:"tokens"`
	RawBytes  int64       `json:"raw_bytes"`
	WireBytes int64       `json:"wire_bytes"`
	Stages    []stageInfo `json:"stages"`
	BreakEven []tieInfo   `json:"breakeven"`
}

func showPoint(e *env, c *gpucal.Calibration, q showQuery) error {
	info, err := lookPoint(c, q)
	if err != nil {
		return err
	}
	if q.asJSON {
		return printJSON(e.out, info)
	}
	fmt.Fprintf(e.out, "%s on %s, %s with %d tokens: %d bytes, %d on the wire (%.3f)\n", info.Codec,
		info.Device, info.Shape, info.Tokens, info.RawBytes, info.WireBytes,
		float64(info.RawBytes)/float64(info.WireBytes))
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "stage\tms\tused\tmeasured ms\tfit ms\tinterval\tflags")
	for _, s := range info.Stages {
		fmt.Fprintf(w, "%s\t%.4f\t%s\t%s\t%s\t%s\t%s\n", s.Op, s.Seconds*1e3, s.Provenance,
			orBlank(s.Measured, 1e3, 4), orBlank(s.Fit, 1e3, 4), s.Interval, strings.Join(s.Flags, " "))
	}
	fmt.Fprintln(w, "\nbreak-even\tGbps\tclosed form\tbisected\tby the fit alone")
	for _, t := range info.BreakEven {
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%s\n", t.Transfer, t.Gbps, t.Closed, t.Bisected,
			orBlank((*float64)(t.ByFit), 1, 2))
	}
	return w.Flush()
}

func orBlank(v *float64, scale float64, decimals int) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.*f", decimals, *v*scale)
}

// lookPoint asks for both operations and works out the break-even rates.
func lookPoint(c *gpucal.Calibration, q showQuery) (pointInfo, error) {
	shape, err := parseShape(q.shape)
	if err != nil {
		return pointInfo{}, err
	}
	if q.tokens < 1 || q.tokens > 1<<24 {
		return pointInfo{}, fmt.Errorf("--tokens is %d, want 1 to %d", q.tokens, 1<<24)
	}
	info := pointInfo{Device: c.Device, Codec: q.codec, Shape: shape.String(), Tokens: q.tokens,
		RawBytes: shape.Bytes(q.tokens), WireBytes: q.wireBytes}
	if info.WireBytes == 0 {
		if info.WireBytes, err = payloadOf(q.codec, shape, q.tokens); err != nil {
			return pointInfo{}, err
		}
	}
	used := transfermodel.Transfer{RawBytes: info.RawBytes, WireBytes: info.WireBytes,
		Layers: shape.Layers}
	byFit, fitted := used, true
	for _, op := range []gpucal.Op{gpucal.Compress, gpucal.Decompress} {
		a, err := c.Lookup(gpucal.Query{Codec: q.codec, Op: op, Shape: shape, Tokens: q.tokens,
			WireBytes: info.WireBytes})
		if err != nil {
			return pointInfo{}, err
		}
		s := stageInfo{Op: string(op), Seconds: a.Seconds, Provenance: string(a.Provenance),
			Interval: a.IntervalKind, Flags: append([]string{}, a.Flags...)}
		if a.Row != nil {
			s.Measured = &a.Row.Median
		}
		if a.Fit == nil {
			fitted = false
		} else {
			t := a.Fit.Seconds(info.RawBytes)
			s.Fit = &t
		}
		setStage(&used, op, a.Seconds)
		setStage(&byFit, op, orZero(s.Fit))
		info.Stages = append(info.Stages, s)
	}
	for _, model := range q.transfers {
		t, err := tie(model, used, byFit, fitted)
		if err != nil {
			return pointInfo{}, err
		}
		info.BreakEven = append(info.BreakEven, t)
	}
	return info, nil
}

func setStage(x *transfermodel.Transfer, op gpucal.Op, seconds float64) {
	if op == gpucal.Compress {
		x.Compress = transfermodel.Seconds(seconds)
	} else {
		x.Decompress = transfermodel.Seconds(seconds)
	}
}

func orZero(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

func tie(model string, used, byFit transfermodel.Transfer, fitted bool) (tieInfo, error) {
	closed, bisected, err := breakEven(model, used)
	if err != nil {
		return tieInfo{}, err
	}
	rate := closed
	if math.IsNaN(closed) {
		rate = bisected
	}
	t := tieInfo{Transfer: model, Gbps: results.Number(rate), Closed: results.Number(closed),
		Bisected: results.Number(bisected)}
	if fitted {
		c, b, err := breakEven(model, byFit)
		if err != nil {
			return tieInfo{}, err
		}
		if math.IsNaN(c) {
			c = b
		}
		n := results.Number(c)
		t.ByFit = &n
	}
	return t, nil
}
