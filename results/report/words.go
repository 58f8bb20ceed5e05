package report

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// A fact is one line about how a run was made.
type fact struct{ Name, Text string }

// facts say what is needed to make the run again.
func facts(r *run) []fact {
	h := &r.Header
	arch := h.GOOS + "/" + h.GOARCH
	if h.GOAMD64 != "" {
		arch += " " + h.GOAMD64
	}
	commit := h.Commit
	if len(commit) > 12 {
		commit = commit[:12]
	}
	if commit == "" {
		commit = "unknown"
	}
	if h.Modified {
		commit += ", with changes that were not committed"
	}
	out := []fact{
		{"command", h.Command},
		{"machine", fmt.Sprintf("%s, %d core%s, %d thread%s used", h.CPU, h.Cores, plural(h.Cores),
			h.Threads, plural(h.Threads))},
		{"date", date(h.Started)},
		{"seed", strconv.FormatUint(h.Seed, 10)},
		{"tool", strings.TrimSpace("kvgauge " + h.Version)},
		{"commit", commit},
		{"built with", h.Go + ", " + arch},
	}
	if h.Smoke {
		out = append(out, fact{"smoke run", "cut to one prompt, short caches and one timing sample: " +
			"it shows that the sweep works, and its numbers mean nothing"})
	}
	if r.Shards > 1 || h.Shard != "" {
		out = append(out, fact{"shards", fmt.Sprintf("%d read (the first: %s)", r.Shards, h.Shard)})
	}
	return out
}

// date is a header's time for people.
func date(started string) string {
	return strings.NewReplacer("T", " ", "Z", " UTC").Replace(started)
}

// missingTable lists the cells without numbers.
func missingTable(list []missing) *Table {
	t := &Table{ID: "missing", Title: "Cells without numbers",
		Columns: []Column{{Head: "cell", Left: true}, {Head: "", Left: true}, {Head: "why", Left: true}}}
	for _, m := range list {
		t.Rows = append(t.Rows, []Cell{{Text: m.Cell()}, {Text: m.Kind}, {Text: m.Reason}})
	}
	return t
}

// limits are what a reader may not conclude from the report, as far as its runs give rise to it.
func limits(v *view) []string {
	var out []string
	smoke, synthetic, few, models, devices := false, false, 0, map[string]bool{}, false
	for _, r := range v.Runs {
		smoke = smoke || r.Header.Smoke
	}
	for _, c := range v.Caches {
		synthetic = synthetic || c.Synthetic()
		if c.Source == "model" {
			models[c.Model] = true
			if c.Prompts > 0 && c.Prompts < 30 {
				few = max(few, c.Prompts)
			}
		}
		for _, d := range c.Devices {
			devices = devices || d != "cpu"
		}
	}
	if smoke {
		out = append(out, "This was a smoke run: it shows that the sweep works. Do not quote its numbers.")
	}
	if few > 0 {
		out = append(out, fmt.Sprintf("The unit of resampling is the prompt, and there are %d. The "+
			"intervals tell how much other prompts of this kind would move the mean, not what other "+
			"kinds of text would do; with so few they are themselves rough, and rare failures "+
			"(retrieval, long reasoning) need not have happened here at all.", few))
	}
	if len(models) > 0 {
		out = append(out, "Quality was measured on "+nameList(sortedKeys(models))+" only. A codec that "+
			"is harmless to one model can break another: outlier channels, attention biases, the number "+
			"of KV heads and the position embedding all differ.")
	}
	if synthetic {
		out = append(out, "Synthetic caches come from a random generator. Ratios of fixed-rate codecs and "+
			"speeds carry over to real caches of that shape; ratios of entropy coders and all errors "+
			"need not. They have no quality, and nothing here takes it from elsewhere.")
	}
	if devices {
		out = append(out, "Times on devices other than cpu are computed from recorded calibrations, not "+
			"measured here. A footnote says where they are fitted, extrapolated or of low trust.")
	}
	return append(out, "KLD and same top-1 are teacher-forced: one step at a time from the true text. "+
		"Agreement is free-running and stops at the first token that differs, which may be a synonym. "+
		"Neither is the score of a task.",
		"Transfer times are of an idle link and idle workers: no queueing, no other traffic, no prefill "+
			"to hide behind, no page tables. Raw is charged no copies.",
		"Speeds were measured on one machine under whatever else it ran; the multiple of a plain copy in "+
			"the same run travels better than the GB/s.")
}

func sortedKeys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
