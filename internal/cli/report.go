package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"kvgauge/results"
	"kvgauge/results/report"
)

func init() { verbs["report"] = newReport }

func newReport(e *env) *cobra.Command {
	var out string
	var formats []string
	c := &cobra.Command{
		Use:   "report DIR...",
		Short: "Make tables and figures of runs",
		Long: "Print the tables of runs and write their report: index.html, which is whole without a\n" +
			"network; tables/*.tex (booktabs); codecs.csv and metrics.csv; report.md; figures/*.svg\n" +
			"and *.pdf. A DIR is a folder that holds a run (run.jsonl or run.jsonl.gz), or such a file.\n" +
			"Several runs stand side by side; shards of one sweep count as one run.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("report: want DIR...")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := openRuns(e, args)
			if err != nil {
				return err
			}
			if out == "" {
				out = filepath.Join(filepath.Dir(files[0].Path), "report")
			}
			if err := report.Write(out, files, formats); err != nil {
				return err
			}
			if err := report.Console(e.out, files, columns(e.out)); err != nil {
				return err
			}
			fmt.Fprintf(e.err, "report in %s\n", out)
			return nil
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "folder to write to (default: report in the first DIR)")
	c.Flags().StringSliceVar(&formats, "format", nil,
		"what to write, of "+strings.Join(report.Formats(), ",")+" (default: all of these), or "+
			report.KVShuttle+", its results.json")
	return c
}

// openRuns reads the runs at paths, and warns of lines that were cut short.
func openRuns(e *env, paths []string) ([]*results.File, error) {
	var files []*results.File
	for _, path := range paths {
		f, err := results.Open(path)
		if os.IsNotExist(err) {
			return nil, fmt.Errorf("%s: no run here: want a folder that holds %s or %s", path,
				results.RunFile, results.PackedFile)
		}
		if err != nil {
			return nil, err
		}
		if f.Torn {
			fmt.Fprintf(e.err, "%s: the last line was cut short and is left out\n", f.Path)
		}
		files = append(files, f)
	}
	return files, nil
}

// columns is how wide a table may be on w: the terminal's width, else $COLUMNS, else 120.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return max(n, 60)
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= 60 {
		return n
	}
	return 120
}
