package report

import (
	"fmt"
	"slices"
	"strings"
)

// A quantity is one column of the codec table: how it is got from a row and shown.
type quantity struct {
	key   string // name in CSV, unit last
	group string
	head  string
	unit  string
	get   func(*row) value
	show  func(float64) string
	spans bool // its interval is shown beside it
}

// quantities lists the columns for a cache, the same for every row.
func quantities(c *cache) []quantity {
	of := func(name string) func(*row) value {
		return func(w *row) value { return point(w.Rec, name, mean) }
	}
	kld := func(w *row) value { return measure(w.Rec, "kld_mean_nats") }
	q := []quantity{
		{"ratio", "size", "ratio", "", func(w *row) value { return ratioOf(w.Rec) }, fixed(2), false},
		{"bits_per_value", "size", "bits/value", "", of("bits_per_value"), fixed(2), false},
		{"ratio_held", "size", "of 8 bits", "", func(w *row) value {
			return quotient(w.Rec, "held_bytes", "ratio_held")
		}, fixed(2), false},
		{"nmse_k", "error", "NMSE K", "", of("nmse_k"), sig3, false},
		{"nmse_v", "error", "NMSE V", "", of("nmse_v"), sig3, false},
		{"attention_error", "error", "attention", "", of("attention_error"), sig3, false},
		{"kld_mean_nats", "quality", "KLD mean", "nats", kld, sig3, true},
		{"kld_p99_nats", "quality", "KLD p99", "nats", of("kld_p99_nats"), sig3, false},
		{"same_top1", "quality", "same top-1", "", of("same_top1"), share, false},
		{"ln_ppl_ratio", "quality", "ln PPL ratio", "", of("ln_ppl_ratio"), sig3, false},
		{"agreement", "quality", "agreement", "", of("agreement"), share, false},
	}
	if !slices.ContainsFunc(c.Rows, func(w *row) bool { return w.Rec.Metric("ratio_held") != nil }) {
		q = slices.DeleteFunc(q, func(x quantity) bool { return x.key == "ratio_held" })
	}
	for _, op := range []string{"compress", "decompress"} {
		q = append(q,
			quantity{op + "_gigabytes_per_second", op, "GB/s", "", func(w *row) value {
				v, _ := rateOf(w.Rec, op)
				return v
			}, sig3, false},
			quantity{op + "_per_copy", op, "× copy", "", func(w *row) value {
				_, v := rateOf(w.Rec, op)
				return v
			}, multiple, false})
	}
	for _, device := range c.Devices {
		for _, transfer := range c.Transfers {
			q = append(q, breakeven(c, route{device, transfer}))
		}
	}
	return q
}

// evenGroup begins the heading of break-even columns; the device follows.
const evenGroup = "break-even, "

func breakeven(c *cache, at route) quantity {
	return quantity{
		key: "breakeven_gbps_" + slug(at.Device) + "_" + slug(at.Transfer), group: evenGroup + at.Device,
		head: at.Transfer, unit: "Gbps", show: gbps, spans: true,
		get: func(w *row) value {
			rec := w.Breakeven[at]
			if rec == nil {
				return value{Reason: "break-even was not worked out on " + at.Device}
			}
			return measure(rec, "breakeven_gbps")
		},
	}
}

// spare are the columns that a narrow terminal does without, the first to go highest.
var spare = map[string]int{"attention_error": 6, "ln_ppl_ratio": 5, "kld_p99_nats": 4, "agreement": 3,
	"nmse_v": 2, "nmse_k": 1}

// codecTable is the main table of a cache: one row per codec. It leaves speeds to the speed table,
// where there is one, and is nil if nothing but sizes is left, which stand there too.
func codecTable(c *cache) *Table {
	apart := c.fromMemory()
	t := &Table{
		ID: "codecs-" + c.ID, Title: c.Title,
		Columns: []Column{{Head: "codec", Left: true}},
		Rows:    make([][]Cell, len(c.Rows)),
	}
	for i, w := range c.Rows {
		t.Rows[i] = []Cell{{Text: w.Codec}}
		if text := caveats(w); text != "" {
			t.Rows[i][0].Marks = []int{t.note(text)}
		}
	}
	gone := map[string][]string{}
	var reasons []string
	for _, q := range quantities(c) {
		if apart && slices.Contains(operations, q.group) {
			continue
		}
		vs := make([]value, len(c.Rows))
		for i, w := range c.Rows {
			vs[i] = q.get(w)
		}
		if reason, all := absent(vs); all {
			if gone[reason] == nil {
				reasons = append(reasons, reason)
			}
			gone[reason] = append(gone[reason], q.name())
			continue
		}
		t.add(q, vs)
	}
	if apart && !slices.ContainsFunc(t.Columns[1:], func(c Column) bool { return c.Group != "size" }) {
		return nil
	}
	for _, reason := range reasons {
		t.Remarks = append(t.Remarks, "Without "+nameList(gone[reason])+": "+reason+".")
	}
	t.Caption = caption(c)
	return t
}

func (q quantity) name() string {
	if q.bare() {
		return q.group + " " + q.head
	}
	return q.head
}

// bare says whether the heading needs its group's.
func (q quantity) bare() bool {
	return strings.HasSuffix(q.group, "compress") || strings.HasPrefix(q.group, evenGroup)
}

// absent says whether no row has a value, and why: for one reason, or for several that stand in
// the list of cells without numbers.
func absent(vs []value) (reason string, all bool) {
	for i, v := range vs {
		switch {
		case v.OK:
			return "", false
		case i == 0 || v.Reason == reason:
			reason = v.Reason
		default:
			reason = "for reasons that differ by codec, listed under cells without numbers"
		}
	}
	return reason, len(vs) > 0
}

func (t *Table) add(q quantity, vs []value) {
	t.Columns = append(t.Columns, Column{Group: q.group, Head: q.head, Unit: q.unit,
		Bare: q.bare(), Break: q.key == "compress_gigabytes_per_second", Spare: spare[q.key]})
	for i, v := range vs {
		t.Rows[i] = append(t.Rows[i], t.cell(q, v))
	}
}

func (t *Table) cell(q quantity, v value) (cell Cell) {
	if !v.OK {
		return Cell{Text: dash, Marks: []int{t.note(v.Reason)}}
	}
	cell = Cell{Text: q.show(v.X)}
	if strings.HasPrefix(q.group, evenGroup) && !v.has() {
		cell.Text = gbps5(v.X) // from one number, whose digits are all there is to compare
	}
	var notes []string
	if text := flagNote(v.Flags); text != "" && !(bound(v.Flags) && cell.Text == "never") {
		notes = append(notes, text)
	}
	word := cell.Text == "never" || cell.Text == "always" // not a measurement with a width
	if bound(v.Flags) && !word {
		cell.Text = "≤ " + cell.Text
	}
	switch {
	case !q.spans && v.Note != "":
		notes = append(notes, v.Note)
	case !q.spans || word:
	case v.flat():
		notes = append(notes, flatNote(v))
	case v.has():
		cell.Sub = between(v, q.show)
		if v.Interval != "samples" {
			notes = append(notes, "interval from a published spread, not from samples")
		}
	case v.Bare != "" && !bound(v.Flags):
		notes = append(notes, v.Bare)
	}
	if len(notes) > 0 {
		cell.Marks = []int{t.note(strings.Join(notes, "; "))}
	}
	return cell
}

func flatNote(v value) string {
	if v.Interval != "samples" || v.N < 2 {
		return "the interval has zero width: every resample gave this number"
	}
	return fmt.Sprintf("the interval has zero width: all %d samples are equal", v.N)
}

func caption(c *cache) string {
	var parts []string
	switch n := c.Prompts; {
	case n == 0:
	case c.Synthetic():
		parts = append(parts, fmt.Sprintf("n = %d synthetic draw%s.", n, plural(n)))
	default:
		parts = append(parts, fmt.Sprintf("n = %d prompt%s.", n, plural(n)))
	}
	parts = append(parts, "Ratio is raw bytes over bytes of the whole frame, of frames that were "+
		"decoded again and checked. In brackets: 95 % intervals, bootstrapped over prompts (KLD) or "+
		"timing samples (break-even). Speeds are medians in raw bytes per second, beside a plain "+
		"copy of the same bytes in the same run.")
	return strings.Join(parts, " ")
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
