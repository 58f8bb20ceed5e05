package report

import (
	"fmt"
	"math"
	"strconv"
)

// MaxKLD is the largest mean KLD, in nats per token, at which a lossy codec may be chosen by a
// verdict. It is a convention, stated wherever it acts: a hundredth of a nat is what 8-bit
// formats stay well below and 3-bit ones rarely reach.
const MaxKLD = 0.01

// VerdictGbps is the link for which verdicts are worded, or the nearest to it in the run.
const VerdictGbps = 25

// A choice is what should travel over one link by one route.
type choice struct {
	At      move
	Row     *row  // nil: send it raw
	Total   value // seconds with Row's codec
	Raw     value // seconds without
	Saved   value
	KLD     value // of Row, if it is lossy
	Within  int   // codecs within the quality limit that were timed on this route
	Nearest *row  // where Row is nil: which codec comes nearest to paying
	Bounds  int   // codecs left out because their times are only bounds
	// Unjudged is the fastest codec whose quality is unknown, where it beats the choice.
	Unjudged *row
}

// within says whether a verdict may choose the codec: it is lossless or its mean KLD is known
// and at most MaxKLD.
func within(w *row) bool {
	if lossless(w) {
		return true
	}
	kld := point(w.Rec, "kld_mean_nats", mean)
	return kld.OK && kld.X <= MaxKLD
}

// judged says whether the codec's quality is known at all.
func judged(w *row) bool {
	return lossless(w) || point(w.Rec, "kld_mean_nats", mean).OK
}

// choose picks the codec with the least total time among those within the quality limit. ok is
// false where nothing was timed.
func choose(c *cache, at move) (ch choice, ok bool) {
	ch.At = at
	best, unjudged := math.Inf(1), math.Inf(1)
	for _, w := range c.Rows {
		total := point(w.Moves[at], "total_seconds", median)
		if !total.OK {
			continue
		}
		if !ch.Raw.OK {
			ch.Raw = point(w.Moves[at], "raw_seconds", median)
		}
		switch {
		case w.Codec == identity: // sending raw, and copies
		case bound(total.Flags):
			ch.Bounds++
		case within(w):
			ch.Within++
			if total.X < best {
				best, ch.Row, ch.Total = total.X, w, total
			}
		case !judged(w) && total.X < unjudged:
			unjudged, ch.Unjudged = total.X, w
		}
	}
	if !ch.Raw.OK {
		return ch, false
	}
	if ch.Row != nil && best >= ch.Raw.X {
		ch.Nearest, ch.Row, best = ch.Row, nil, ch.Raw.X
	}
	if unjudged >= math.Min(best, ch.Raw.X) {
		ch.Unjudged = nil
	}
	if ch.Row != nil {
		ch.Saved = measure(ch.Row.Moves[at], "saved_seconds")
		if !ch.Saved.OK {
			ch.Saved = value{OK: true, X: ch.Raw.X - ch.Total.X, Interval: "none"}
		}
		ch.KLD = measure(ch.Row.Rec, "kld_mean_nats")
	}
	return ch, true
}

// verdictLink is the link nearest to VerdictGbps, by ratio.
func verdictLink(links []float64) (float64, bool) {
	best, found := 0.0, false
	for _, l := range links {
		if !found || math.Abs(math.Log(l/VerdictGbps)) < math.Abs(math.Log(best/VerdictGbps)) {
			best, found = l, true
		}
	}
	return best, found
}

// A verdict is a sentence, with its head apart so that a page can set it off.
type verdict struct {
	Head, Text string
	Raw        bool // send it raw
}

// verdicts words the choice for every route of a cache at the verdict link.
func verdicts(c *cache) []verdict {
	gbps, ok := verdictLink(c.Links)
	if !ok {
		return nil
	}
	var out []verdict
	for _, d := range c.Devices {
		for _, tr := range c.Transfers {
			ch, ok := choose(c, move{route{d, tr}, gbps})
			if !ok {
				continue
			}
			out = append(out, verdict{
				Head: fmt.Sprintf("At %s on %s, %s:", link(gbps), d, tr),
				Text: ch.words(), Raw: ch.Row == nil,
			})
		}
	}
	return out
}

func (ch choice) words() string {
	text := ""
	switch {
	case ch.Row != nil:
		text = ch.pays()
	case ch.Nearest != nil:
		text = ch.sendRaw()
	default:
		text = fmt.Sprintf("send it raw (%s). No codec that was timed is lossless or known to stay "+
			"within %g nats.", seconds(ch.Raw.X), MaxKLD)
	}
	if ch.Unjudged != nil {
		total := point(ch.Unjudged.Moves[ch.At], "total_seconds", median)
		text += fmt.Sprintf(" Quicker still, with quality unmeasured on this cache: %s (%s).",
			ch.Unjudged.Codec, seconds(total.X))
	}
	if ch.Bounds > 0 {
		text += fmt.Sprintf(" Not considered: %d codec%s known here only by a bound.", ch.Bounds,
			plural(ch.Bounds))
	}
	return text
}

func (ch choice) pays() string {
	text := fmt.Sprintf("%s takes %s, saves %s", ch.Row.Codec, seconds(ch.Total.X),
		seconds(ch.Saved.X))
	if ch.Saved.has() && !ch.Saved.flat() {
		text += " " + between(ch.Saved, seconds)
	}
	text += fmt.Sprintf(" of %s raw (%s)", seconds(ch.Raw.X), share(ch.Saved.X/ch.Raw.X))
	switch {
	case lossless(ch.Row):
		text += ", lossless"
	case ch.KLD.OK:
		text += " at KLD " + sig3(ch.KLD.X) + " nats"
		if ch.KLD.has() && !ch.KLD.flat() {
			text += " " + between(ch.KLD, sig3)
		}
		if ch.KLD.has() && ch.KLD.High > MaxKLD {
			text += fmt.Sprintf(" (the interval reaches above the limit of %g)", MaxKLD)
		}
	}
	if ch.Saved.has() && ch.Saved.Low <= 0 {
		text += "; the saving is within the noise"
	}
	return text + flagWords(ch.Saved.Flags) + "."
}

func (ch choice) sendRaw() string {
	text := fmt.Sprintf("send it raw (%s). ", seconds(ch.Raw.X))
	if ch.Within == 1 {
		text += "The one codec within the quality limit does not pay: "
	} else {
		text += fmt.Sprintf("None of the %d codecs within the quality limit pays; the nearest, ", ch.Within)
	}
	total := point(ch.Nearest.Moves[ch.At], "total_seconds", median)
	text += ch.Nearest.Codec
	if ch.Within > 1 {
		text += ","
	}
	text += fmt.Sprintf(" takes %s", seconds(total.X))
	even := point(ch.Nearest.Breakeven[ch.At.route], "breakeven_gbps", median)
	switch {
	case even.OK && even.X == 0:
		text += " and pays at no link rate"
	case even.OK && !math.IsInf(even.X, 0):
		text += fmt.Sprintf(" and pays below %s Gbps", gbps(even.X))
	}
	return text + flagWords(total.Flags) + "."
}

// rule states by what the verdicts choose.
func rule() string {
	return fmt.Sprintf("Rule: the least total time among codecs that are lossless or whose mean KLD "+
		"is at most %g nats per token.", MaxKLD)
}

// winnerTable says for every route and link what should travel; brief gives savings as shares
// alone.
func winnerTable(c *cache, brief bool) *Table {
	if len(c.Links) == 0 {
		return nil
	}
	t := &Table{
		ID: "winners-" + c.ID, Title: "What to send, by link", Caption: rule() + " Beneath each: the " +
			"time it saves against sending raw.",
		Columns: []Column{{Head: "device, transfer", Left: true}},
	}
	for _, l := range c.Links {
		t.Columns = append(t.Columns, Column{Head: link(l), Left: true})
	}
	for _, d := range c.Devices {
		for _, tr := range c.Transfers {
			cells := []Cell{{Text: d + ", " + tr}}
			found := false
			for _, l := range c.Links {
				ch, ok := choose(c, move{route{d, tr}, l})
				found = found || ok
				cells = append(cells, winnerCell(t, ch, ok, brief))
			}
			if found {
				t.Rows = append(t.Rows, cells)
			}
		}
	}
	return t
}

func winnerCell(t *Table, ch choice, ok, brief bool) Cell {
	if !ok {
		return Cell{Text: dash, Marks: []int{t.note("no codec has times here")}}
	}
	if ch.Row == nil {
		return Cell{Text: "raw"}
	}
	part := minus(strconv.FormatFloat(-100*ch.Saved.X/ch.Raw.X, 'f', 0, 64)) + " %"
	cell := Cell{Text: ch.Row.Codec, Sub: part}
	if !brief {
		cell.Sub = "−" + seconds(ch.Saved.X) + " (" + part + ")"
	}
	if text := flagNote(ch.Saved.Flags); text != "" {
		cell.Marks = append(cell.Marks, t.note(text))
	}
	if ch.Saved.has() && ch.Saved.Low <= 0 {
		cell.Marks = append(cell.Marks, t.note("the saving is within the noise"))
	}
	return cell
}
