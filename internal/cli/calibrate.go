package cli

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"kvgauge/gpucal"
)

func init() {
	verbs["calibrate"] = newCalibrate
	listings["device"] = listing{
		names: gpucal.Devices,
		about: func(name string) (any, error) { return aboutDevice(name) },
		line: func(v any) string {
			d := v.(deviceInfo)
			return fmt.Sprintf("%s, %.0f GB/s, %d points of %d codecs", d.Part, d.MemoryGBps,
				d.Rows, len(d.Codecs))
		},
	}
}

func newCalibrate(e *env) *cobra.Command {
	return group("calibrate", "Say how long codecs take on a device, and why one may believe it",
		newCalibrateImport(e), newCalibrateFit(e), newCalibrateCheck(e), newCalibrateShow(e))
}

// deviceInfo is a calibration as listings show it.
type deviceInfo struct {
	Name       string   `json:"name" yaml:"name"`
	Part       string   `json:"part" yaml:"part"`
	MemoryGBps float64  `json:"memory_gbytes_per_second" yaml:"memory_gbytes_per_second"`
	Rows       int      `json:"rows" yaml:"rows"`
	Codecs     []string `json:"codecs" yaml:"codecs"`
	Source     string   `json:"source" yaml:"source"`
	Commit     string   `json:"commit" yaml:"commit"`
	Licence    string   `json:"licence" yaml:"licence"`
	SHA256     string   `json:"sha256" yaml:"sha256"`
}

func aboutDevice(name string) (deviceInfo, error) {
	c, err := gpucal.Open(name)
	if err != nil {
		return deviceInfo{}, err
	}
	codecs := append([]string{}, c.Codecs(gpucal.Compress)...)
	return deviceInfo{c.Device, c.Part, c.MemBW / 1e9, len(c.Rows), codecs, c.Origin.Source,
		c.Origin.Commit, c.Origin.Licence, c.Origin.SHA256}, nil
}

func newCalibrateImport(e *env) *cobra.Command {
	var o gpucal.ImportOptions
	var out string
	var gbps float64
	c := &cobra.Command{
		Use: "import FILE", Args: want("FILE"),
		Short: "Read KVShuttle's GPU calibration (.json or .json.gz) into our YAML",
		RunE: func(_ *cobra.Command, args []string) error {
			o.MemBW = gbps * 1e9
			cal, notes, err := importFile(args[0], o)
			if err != nil {
				return err
			}
			return writeCalibration(e, out, cal.AppendYAML(nil, notes...), notes)
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "out", "o", "", "write here instead of to stdout")
	f.StringVar(&o.Device, "device", "", "name of the device, for parts that are not known")
	f.Float64Var(&gbps, "memory-gbytes-per-second", 0, "peak memory bandwidth, likewise")
	f.StringVar(&o.Source, "source", "", "where the file comes from (default its name)")
	f.StringVar(&o.Commit, "commit", "", "and the commit there")
	f.StringVar(&o.Licence, "licence", "unknown", "and its licence")
	return c
}

func importFile(file string, o gpucal.ImportOptions) (*gpucal.Calibration, []string, error) {
	text, err := readUnzipped(file, 1<<24)
	if err != nil {
		return nil, nil, err
	}
	if o.Source == "" {
		o.Source = filepath.Base(file)
	}
	return gpucal.ImportKVShuttle(file, text, o)
}

// readUnzipped reads a file of at most so many bytes, gunzipped if it is gzipped.
func readUnzipped(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		r = z
	}
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return text, nil
}

// writeCalibration writes YAML to a file or to stdout, and what there is to say to stderr.
func writeCalibration(e *env, out string, text []byte, notes []string) error {
	for _, line := range notes {
		fmt.Fprintln(e.err, line)
	}
	if out != "" {
		return os.WriteFile(out, text, 0o644)
	}
	_, err := e.out.Write(text)
	return err
}

func newCalibrateFit(e *env) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "fit FILE", Args: want("FILE"),
		Short: "Work out the fits of a calibration anew from its rows",
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := readUnzipped(args[0], 1<<20)
			if err != nil {
				return err
			}
			cal, err := gpucal.Read(args[0], text)
			if err != nil {
				return err
			}
			var without []string
			cal.Fits, without = cal.MakeFits()
			return writeCalibration(e, out, cal.AppendYAML(nil, topComment(text)...), without)
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "write here instead of to stdout")
	return c
}

// topComment returns the lines of the comment that opens text.
func topComment(text []byte) (lines []string) {
	for line := range bytes.Lines(text) {
		comment, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("#"))
		if !ok {
			break
		}
		lines = append(lines, strings.TrimPrefix(string(comment), " "))
	}
	return lines
}

func newCalibrateCheck(e *env) *cobra.Command {
	var against string
	c := &cobra.Command{
		Use:   "check [DEVICE|FILE]...",
		Short: "Check calibrations: their form, their sizes, and their fits against their rows",
		Long: "Check calibrations, by default those that come with the tool. Exit status 1 says that\n" +
			"fits are not those of the rows, or, with --against, that rows are not the source's.",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = gpucal.Devices()
			}
			if against != "" && len(args) != 1 {
				return errors.New("calibrate check: --against wants one DEVICE or FILE")
			}
			wrong := 0
			for _, name := range args {
				n, err := checkCalibration(e, name, against)
				if err != nil {
					return err
				}
				wrong += n
			}
			if wrong > 0 {
				return errNo
			}
			return nil
		},
	}
	c.Flags().StringVar(&against, "against", "", "the file that the rows were imported from")
	return c
}

// checkCalibration prints one line on a calibration and one for each thing that is wrong, and
// returns how many are.
func checkCalibration(e *env, name, against string) (int, error) {
	c, err := gpucal.Open(name)
	if err != nil {
		return 0, err
	}
	wrong := c.CheckFits()
	if against != "" {
		source, _, err := importFile(against, gpucal.ImportOptions{
			Device: c.Device, MemBW: c.MemBW, Source: c.Origin.Source})
		if err != nil {
			return 0, err
		}
		wrong = append(wrong, c.Differences(source)...)
	}
	poor := 0
	for i := range c.Fits {
		if c.Fits[i].MaxResidual > 0.2 {
			poor++
		}
	}
	verdict := "ok"
	if len(wrong) > 0 {
		verdict = "WRONG"
	}
	fmt.Fprintf(e.out, "%s: %s: %d rows, %d fits, %d of which miss a row by more than 20%%\n",
		name, verdict, len(c.Rows), len(c.Fits), poor)
	for _, w := range wrong {
		fmt.Fprintf(e.out, "%s: %s\n", name, w)
	}
	return len(wrong), nil
}
