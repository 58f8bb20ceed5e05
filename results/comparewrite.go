package results

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// CompareFormats lists what Write knows.
var CompareFormats = []string{"text", "md", "json", "gobench"}

// Write prints the comparison in one of CompareFormats.
func (c *Comparison) Write(w io.Writer, format string) error {
	switch format {
	case "text":
		return c.text(w)
	case "md":
		return c.markdown(w)
	case "json":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			OK bool `json:"ok"`
			*Comparison
		}{c.OK(), c})
	case "gobench":
		return c.gobench(w)
	}
	return fmt.Errorf("format %q: want one of %s", format, strings.Join(CompareFormats, ", "))
}

// shown are the rows that people are shown: all that differs beyond tolerance and, unless All,
// only those times whose difference is significant.
func (c *Comparison) shown() []Change {
	var out []Change
	for _, x := range c.Changes {
		if c.All || x.Verdict != Tolerated {
			out = append(out, x)
		}
	}
	for _, x := range c.Timed {
		if c.All || x.Verdict == Faster || x.Verdict == Slower {
			out = append(out, x)
		}
	}
	return out
}

// columns of one change, for text and Markdown.
func (x Change) columns() []string {
	values := ""
	if x.Metric != "" && x.Kind != "" && x.Verdict != Missing && x.Verdict != Added {
		values = fmt.Sprintf("%s → %s", short(x.Old), short(x.New))
		if r := float64(x.New / x.Old); !math.IsNaN(r) && !math.IsInf(r, 0) {
			values += fmt.Sprintf(" (%+.3g %%)", 100*(r-1))
		}
	}
	note := x.Note
	if x.Kind == Timed {
		note = fmt.Sprintf("p=%.3g effect=%+.2f", float64(x.P), float64(x.Effect))
	} else if x.Count > 0 {
		note = fmt.Sprintf("%s, %d values", x.Kind, x.Count)
	}
	return []string{string(x.Verdict), ShortCell(x.Cell), x.Metric, values, note}
}

func short(n Number) string { return fmt.Sprintf("%.5g", float64(n)) }

// ShortCell cuts a record's key to the coordinates that a cache's spec does not say already.
func ShortCell(key string) string {
	var out []string
	for i, part := range strings.Split(key, "|") {
		axis, _, _ := strings.Cut(part, "=")
		switch axis {
		case "source", "model", "dataset", "tokens", "dtype":
			continue
		}
		if i == 0 && part == "codec" {
			continue
		}
		out = append(out, strings.TrimPrefix(strings.TrimPrefix(part, "cache="), "codec="))
	}
	return strings.Join(out, "  ")
}

func (c *Comparison) summary() string {
	counts := map[Verdict]int{}
	fails := 0
	for _, x := range c.Changes {
		counts[x.Verdict]++
		if x.Verdict.Fails() {
			fails++
		}
	}
	text := fmt.Sprintf("%d cells in both, %d metrics equal, %d that must be equal differ or are gone",
		c.Cells, c.Equal, fails)
	for _, v := range []Verdict{Tolerated, Added, Gained, Reworded} {
		if counts[v] > 0 {
			text += fmt.Sprintf(", %d %s", counts[v], v)
		}
	}
	times := map[Verdict]int{}
	for _, x := range c.Timed {
		times[x.Verdict]++
	}
	switch {
	case len(c.Timed) == 0:
		return text
	case !c.SameCPU:
		return text + "\ntimes: not comparable between unlike processors"
	}
	return text + fmt.Sprintf("\ntimes: %d slower, %d faster, %d that may be noise "+
		"(Mann-Whitney, Holm, 5 %%)", times[Slower], times[Faster], times[NoClaim])
}

func (c *Comparison) text(w io.Writer) error {
	for _, n := range c.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, x := range c.shown() {
		fmt.Fprintln(t, strings.TrimRight(strings.Join(x.columns(), "\t"), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, c.summary())
	return err
}

func (c *Comparison) markdown(w io.Writer) error {
	for _, n := range c.Notes {
		fmt.Fprintf(w, "> %s\n\n", n)
	}
	fmt.Fprint(w, "| verdict | cell | metric | old → new | note |\n|---|---|---|---|---|\n")
	for _, x := range c.shown() {
		cols := x.columns()
		for i := range cols {
			cols[i] = strings.ReplaceAll(cols[i], "|", `\|`)
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(cols, " | "))
	}
	_, err := fmt.Fprintf(w, "\n%s\n", c.summary())
	return err
}

// gobench prints both runs in the format of Go benchmarks, for "benchstat -col run": exact
// metrics as such, times one line for each sample.
func (c *Comparison) gobench(w io.Writer) error {
	units := map[string]bool{}
	for _, f := range []*File{c.old, c.new} {
		for i := range f.Records {
			for j := range f.Records[i].Metrics {
				m := &f.Records[i].Metrics[j]
				unit := gobenchUnit(m)
				if unit == "" || units[unit] {
					continue
				}
				units[unit] = true
				better := map[int]string{1: " better=higher", -1: " better=lower"}[m.Better]
				assume := " assume=exact"
				if m.Kind == Timed {
					assume = ""
				}
				if better+assume != "" {
					fmt.Fprintf(w, "Unit %s%s%s\n", unit, better, assume)
				}
			}
		}
	}
	for i, f := range []*File{c.old, c.new} {
		h := f.Header
		fmt.Fprintf(w, "\nrun: %s\ngoos: %s\ngoarch: %s\ncpu: %s\n",
			[]string{"old", "new"}[i], h.GOOS, h.GOARCH, h.CPU)
		for j := range f.Records {
			if err := gobenchRecord(w, &f.Records[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// gobenchUnit names a metric as benchstat likes it, or returns "" for one that it has no use for.
func gobenchUnit(m *Metric) string {
	if len(m.Dims) > 0 || len(m.Values) == 0 {
		return ""
	}
	if name, ok := strings.CutSuffix(m.Name, "_seconds"); ok {
		return name + "-sec/op"
	}
	if name, ok := strings.CutSuffix(m.Name, "_bytes"); ok {
		return name + "-B"
	}
	return m.Name
}

func gobenchRecord(w io.Writer, r *Record) error {
	if r.Type != "codec" || r.reason() != "" {
		return nil
	}
	name := "BenchmarkCodec"
	for _, c := range r.Cell {
		if c.Axis == "cache" || c.Axis == "codec" {
			// A slash would begin another coordinate.
			name += "/" + c.Axis + "=" + strings.NewReplacer("/", ".", " ", "_").Replace(c.Value)
		}
	}
	lines := map[int]string{}
	for i := range r.Metrics {
		m := &r.Metrics[i]
		unit := gobenchUnit(m)
		if unit == "" {
			continue
		}
		values := m.Floats()
		if m.Over != "repeat" {
			values = []float64{plainCentre(m)}
		}
		for n, v := range values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				lines[n] += fmt.Sprintf(" %g %s", v, unit)
			}
		}
	}
	for n := range len(lines) {
		if _, err := fmt.Fprintf(w, "%s 1%s\n", name, lines[n]); err != nil {
			return err
		}
	}
	return nil
}
