package cli

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/gpucal"
	"kvgauge/transfermodel"
	"kvgauge/workloads"
)

// A showQuery is what calibrate show was asked.
type showQuery struct {
	codec, shape string
	tokens       int
	wireBytes    int64
	transfers    []string
	asJSON       bool
}

func newCalibrateShow(e *env) *cobra.Command {
	var q showQuery
	c := &cobra.Command{
		Use: "show DEVICE|FILE", Args: want("DEVICE"),
		Short: "Print the fits of a device, or all that it says of one codec and cache",
		RunE: func(_ *cobra.Command, args []string) error {
			cal, err := gpucal.Open(args[0])
			if err != nil {
				return err
			}
			if q.codec == "" {
				return showDevice(e, cal, q.asJSON)
			}
			spec, _, err := compressors.Open(q.codec)
			if err != nil {
				return err
			}
			q.codec = string(spec)
			return showPoint(e, cal, q)
		},
	}
	f := c.Flags()
	f.StringVar(&q.codec, "codec", "", "spec of a codec: times and break-even rates of one cache")
	f.StringVar(&q.shape, "shape", "llama-3.1-8b", "the cache's: a model, or layers x heads x dim")
	f.IntVar(&q.tokens, "tokens", 1024, "tokens in the cache")
	f.Int64Var(&q.wireBytes, "wire-bytes", 0, "what travels (default the codec's payload)")
	f.StringSliceVar(&q.transfers, "transfer",
		[]string{"sequential", "pipelined", "kvshuttle_pipelined"}, "transfer models")
	f.BoolVar(&q.asJSON, "json", false, "print JSON")
	return c
}

// fitInfo is one line of the overview of a device.
type fitInfo struct {
	Codec          string   `json:"codec"`
	Op             string   `json:"op"`
	Points         int      `json:"points"`
	Fitted         int      `json:"points_fitted"`
	AlphaSeconds   float64  `json:"alpha_seconds"`
	GBps           float64  `json:"gbytes_per_second"` // 1/β, uncompressed bytes
	MinBytes       int64    `json:"min_bytes"`
	MaxBytes       int64    `json:"max_bytes"`
	MaxResidual    float64  `json:"max_residual"`
	MedianResidual float64  `json:"median_residual"`
	Roofline       float64  `json:"roofline_share"`
	Flags          []string `json:"flags"`
}

// showDevice prints the fits of a calibration, and which codecs it has nothing on.
func showDevice(e *env, c *gpucal.Calibration, asJSON bool) error {
	info := []fitInfo{}
	for i := range c.Fits {
		f := &c.Fits[i]
		points := 0
		for j := range c.Rows {
			if c.Rows[j].Codec == f.Codec && c.Rows[j].Op == f.Op {
				points++
			}
		}
		info = append(info, fitInfo{f.Codec, string(f.Op), points, f.Rows, f.Alpha,
			1e-9 / f.Beta, f.MinBytes, f.MaxBytes, f.MaxResidual, f.MedianResidual, f.Roofline, f.Flags})
	}
	roofline, absent := unmeasured(c)
	if asJSON {
		return printJSON(e.out, map[string]any{"device": c.Device, "part": c.Part,
			"memory_gbytes_per_second": c.MemBW / 1e9, "source": c.Origin.Source,
			"commit": c.Origin.Commit, "licence": c.Origin.Licence, "sha256": c.Origin.SHA256,
			"fits": info, "roofline_only": roofline, "absent": absent})
	}
	fmt.Fprintf(e.out, "%s: %s, memory %.0f GB/s\nfrom %s at %s (%s)\n", c.Device, c.Part,
		c.MemBW/1e9, c.Origin.Source, c.Origin.Commit, c.Origin.Licence)
	fmt.Fprintln(e.out, "t = α + bytes/rate over uncompressed bytes; a miss is |fit/measured − 1|")
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "codec\top\tpoints\tα µs\trate GB/s\tMiB\tmiss median, max\tof roofline\tflags")
	shared := sharedFlags(info)
	for _, f := range info {
		own := slices.DeleteFunc(slices.Clone(f.Flags),
			func(flag string) bool { return slices.Contains(shared, flag) })
		fmt.Fprintf(w, "%s\t%s\t%d (%d fitted)\t%.1f\t%.3g\t%.0f to %.0f\t%.1f%%, %.1f%%\t%.1f%%\t%s\n",
			f.Codec, f.Op, f.Points, f.Fitted, f.AlphaSeconds*1e6, f.GBps, mib(f.MinBytes),
			mib(f.MaxBytes), 100*f.MedianResidual, 100*f.MaxResidual, 100*f.Roofline,
			strings.Join(own, " "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "flags of all fits: %s\n", orNone(shared))
	fmt.Fprintf(e.out, "roofline only, a bound and no time: %s\n", orNone(roofline))
	fmt.Fprintf(e.out, "absent: %s\n", orNone(absent))
	return nil
}

// sharedFlags returns the flags that every fit has.
func sharedFlags(info []fitInfo) []string {
	if len(info) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(info[0].Flags), func(flag string) bool {
		return slices.ContainsFunc(info, func(f fitInfo) bool { return !slices.Contains(f.Flags, flag) })
	})
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// unmeasured returns the registered codecs that the device has no rows of: those for which memory
// bandwidth gives a bound, and the others.
func unmeasured(c *gpucal.Calibration) (roofline, absent []string) {
	rows := map[string]bool{}
	for _, codec := range c.Codecs(gpucal.Compress) {
		rows[codec] = true
	}
	for _, name := range compressors.Names() {
		switch {
		case rows[name]:
		case gpucal.MemoryBound(name):
			roofline = append(roofline, name)
		default:
			absent = append(absent, name)
		}
	}
	return roofline, absent
}

// parseShape reads a shape or the name of a model.
func parseShape(text string) (gpucal.Shape, error) {
	if s, err := gpucal.ParseShape(text); err == nil {
		return s, nil
	}
	m, err := workloads.LookupShape(text)
	if err != nil {
		return gpucal.Shape{}, err
	}
	if m.KeyDim != m.ValueDim {
		return gpucal.Shape{}, fmt.Errorf("%s has keys of %d and values of %d channels, and no "+
			"device was calibrated on such", m.Name, m.KeyDim, m.ValueDim)
	}
	return gpucal.Shape{Layers: m.Layers, Heads: m.Heads, Dim: m.KeyDim}, nil
}

// payloadOf returns what travels for a codec that was not measured on this very cache.
func payloadOf(codec string, s gpucal.Shape, tokens int) (int64, error) {
	if n, ok := gpucal.KVShuttlePayload(codec, s, tokens); ok {
		return n, nil
	}
	_, c, err := compressors.Open(codec)
	if err != nil {
		return 0, err
	}
	sizer, ok := c.(compressors.Sizer)
	if !ok {
		return 0, fmt.Errorf("the size of a payload of %s is not known before compressing: "+
			"give --wire-bytes", codec)
	}
	shape := kv.Shape{Layers: s.Layers, Heads: s.Heads, Tokens: tokens, KeyDim: s.Dim, ValueDim: s.Dim}
	if err := shape.Check(); err != nil {
		return 0, err
	}
	return int64(sizer.PredictedBytes(kv.Tensor{Shape: shape, DType: kv.BF16})), nil
}

// breakEven returns the rate in Gbps at which compressing ties with not compressing, in closed
// form and by bisection.
func breakEven(model string, x transfermodel.Transfer) (closed, bisected float64, err error) {
	_, m, err := transfermodel.Open(model)
	if err != nil {
		return 0, 0, err
	}
	r, err := transfermodel.BreakEven(m, x)
	closed = r.Closed.Gbps()
	if !r.HasClosed {
		closed = math.NaN()
	}
	return closed, r.Bisected.Gbps(), err
}
