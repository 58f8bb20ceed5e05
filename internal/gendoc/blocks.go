package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"kvgauge/configs"
	"kvgauge/internal/registry"
	"kvgauge/results"
	"kvgauge/results/report"
	"kvgauge/transfermodel"
	"kvgauge/workloads"
)

// A block makes one generated part: its text, and files that go with it, by name under root. page
// is the document it stands in.
type block func(root, page string) (text string, files map[string][]byte, err error)

var blocks = map[string]block{
	"quickstart": recorded("results/recorded/quickstart", "pareto.svg", report.Readme),
	"smollm2":    recorded("results/recorded/smollm2", "pareto.svg", report.Readme),
	"speed":      recorded("results/recorded/speed", "speed.svg", report.SpeedReadme),
	"speed-head": recorded("results/recorded/speed", "", speedHead),
	"bound":      recorded("results/recorded/bound", "bound.svg", report.BoundReadme),
	"lengths":    recorded("results/recorded/ratio-length", "lengths.svg", report.LengthsReadme),
	"sources":    families(workloads.Names, workloads.Describe),
	"transfers":  families(transfermodel.Names, transfermodel.Describe),
	"configs":    questions,

	"kvshuttle-speed":      kvshuttleSpeed,
	"kvshuttle-break-even": kvshuttleEven,
	"kvshuttle-sweep":      kvshuttleSweep,
}

// elsewhere are parts that tests beside them keep.
var elsewhere = map[string]bool{"choose": true, "codecs": true}

// families is a table of a registry.
func families(names func() []string, about func(string) (registry.Info, error)) block {
	return func(string, string) (string, map[string][]byte, error) {
		var b strings.Builder
		b.WriteString("| name | what it is | parameters, with defaults |\n|---|---|---|\n")
		for _, name := range names() {
			info, err := about(name)
			if err != nil {
				return "", nil, err
			}
			var params []string
			for _, p := range info.Params {
				params = append(params, fmt.Sprintf("`%s=%s` %s", p.Name, p.Default, cell(p.Doc)))
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", info.Name, cell(info.Doc), strings.Join(params, "; "))
		}
		return b.String(), nil, nil
	}
}

// cell makes text fit for a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}

// questions is a table of the embedded sweeps and what each asks.
func questions(string, string) (string, map[string][]byte, error) {
	var b strings.Builder
	b.WriteString("| config | question |\n|---|---|\n")
	for _, name := range configs.Names() {
		text, err := configs.Text(name)
		if err != nil {
			return "", nil, err
		}
		first, _, _ := strings.Cut(string(text), "\n")
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, cell(strings.TrimLeft(first, "# ")))
	}
	return b.String(), nil, nil
}

// A show is what a document says of a run, and a figure that lies at picture as the document sees it.
type show func(f *results.File, picture string) (text string, svg []byte, err error)

// recorded shows the run that is committed in dir. Its figure is kept beside it under that name; ""
// is for none.
func recorded(dir, figure string, show show) block {
	return func(root, page string) (string, map[string][]byte, error) {
		f, err := results.Open(filepath.Join(root, filepath.FromSlash(dir)))
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil, fmt.Errorf("no run is recorded in %s", dir)
		}
		if err != nil {
			return "", nil, err
		}
		figure := path.Join(dir, figure)
		rel, err := filepath.Rel(path.Dir(page), figure)
		if err != nil {
			return "", nil, err
		}
		text, svg, err := show(f, filepath.ToSlash(rel))
		if svg == nil {
			return text, nil, err
		}
		return text, map[string][]byte{figure: svg}, err
	}
}

// speedHead shows the first rows of a speed table.
func speedHead(f *results.File, _ string) (string, []byte, error) {
	text, err := report.SpeedHead(f)
	return text, nil, err
}
