package report

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
	"pgregory.net/rapid"

	"kvgauge/results"
)

func TestNumbersAreShortAndTrue(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{sig3(0), "0"}, {sig3(3.14159), "3.14"}, {sig3(0.0012345), "0.00123"}, {sig3(0.00099951), "0.00100"},
		{sig3(0.00099949), "9.99e−4"}, {sig3(-2.8e-5), "−2.80e−5"}, {sig3(99.96), "100"}, {sig3(12345), "12300"},
		{sig3(math.NaN()), "NaN"}, {gbps(0), "never"}, {gbps(math.Inf(1)), "always"}, {gbps(31.24), "31.2"},
		{seconds(0.00412), "4.12 ms"}, {seconds(1.5), "1.50 s"}, {seconds(-13.5e-6), "−13.5 µs"},
		{share(1), "100 %"}, {share(0.99999), "> 99.9 %"}, {share(0.958), "95.8 %"}, {link(25), "25 Gbps"},
		{link(0.5), "0.5 Gbps"}, {mark(0), "a"}, {mark(25), "z"}, {mark(26), "aa"}, {mark(52), "ba"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if m, p, ok := exponent("−2.80e−5"); !ok || m != "−2.80" || p != "−5" {
		t.Errorf("exponent: %q %q %v", m, p, ok)
	}
	for _, word := range []string{"never", "e4", "q4_0", "8e", "0.5"} {
		if _, _, ok := exponent(word); ok {
			t.Errorf("%q was taken for a number with an exponent", word)
		}
	}
}

// A timing is a codec of a small run for verdicts.
type timing struct {
	codec    string
	lossless bool
	kld      float64 // negative: unknown
	total    float64 // milliseconds; raw takes 10
}

func timed(ts ...timing) *cache {
	f := &results.File{Header: results.Header{Name: "v"}}
	cell := []results.Coord{{Axis: "source", Value: "model"}, {Axis: "model", Value: "m"}, {Axis: "cache", Value: "model:name=m"}}
	for _, x := range ts {
		base := append(cell[:len(cell):len(cell)], results.Coord{Axis: "codec", Value: x.codec})
		rec := results.Record{Type: "codec", Cell: base, Attrs: map[string]string{"lossless": fmt.Sprint(x.lossless)}}
		if x.kld >= 0 {
			add(&rec, "kld_mean_nats", results.Numeric, -1, "prompt", results.Numbers(x.kld, x.kld))
		}
		at := append(base[:len(base):len(base)], results.Coord{Axis: "device", Value: "cpu"},
			results.Coord{Axis: "transfer", Value: "sequential"})
		even := results.Record{Type: "breakeven", Cell: at}
		add(&even, "breakeven_gbps", results.Timed, 1, "", results.Numbers(7))
		move := results.Record{Type: "transfer", Cell: append(at[:len(at):len(at)], results.Coord{Axis: "link_gbps", Value: "25"})}
		add(&move, "total_seconds", results.Timed, -1, "repeat", results.Numbers(x.total/1e3))
		add(&move, "raw_seconds", results.Timed, 0, "", results.Numbers(10e-3))
		f.Records = append(f.Records, rec, even, move)
	}
	v, err := arrange(only(f))
	if err != nil {
		panic(err)
	}
	return v.Caches[0]
}

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		codecs []timing
		want   string
	}{
		"the quickest within the limit":    {[]timing{{"a", false, .001, 6}, {"b", false, .002, 5}}, "b takes 5.00 ms, saves 5.00 ms of 10.0 ms raw (50.0 %) at KLD 0.00200 nats."},
		"not the quickest above it":        {[]timing{{"a", false, .02, 1}, {"b", true, -1, 8}}, "b takes 8.00 ms, saves 2.00 ms of 10.0 ms raw (20.0 %), lossless."},
		"a lossless codec needs no KLD":    {[]timing{{"a", true, -1, 4}}, "a takes 4.00 ms, saves 6.00 ms of 10.0 ms raw (60.0 %), lossless."},
		"raw where none pays":              {[]timing{{"a", true, -1, 14}, {"b", false, .001, 12}}, "send it raw (10.0 ms). None of the 2 codecs within the quality limit pays; the nearest, b, takes 12.0 ms and pays below 7.00 Gbps."},
		"raw where none is good enough":    {[]timing{{"a", false, .5, 1}}, "send it raw (10.0 ms). No codec that was timed is lossless or known to stay within 0.01 nats."},
		"unmeasured quality is no licence": {[]timing{{"a", false, -1, 1}, {"b", true, -1, 9}}, "b takes 9.00 ms, saves 1.00 ms of 10.0 ms raw (10.0 %), lossless. Quicker still, with quality unmeasured on this cache: a (1.00 ms)."},
		"a slower unknown is not named":    {[]timing{{"a", false, -1, 11}, {"b", true, -1, 9}}, "b takes 9.00 ms, saves 1.00 ms of 10.0 ms raw (10.0 %), lossless."},
	} {
		vs := verdicts(timed(c.codecs...))
		if len(vs) != 1 || vs[0].Text != c.want || vs[0].Head != "At 25 Gbps on cpu, sequential:" {
			t.Errorf("%s: got %+v, want %q", name, vs, c.want)
		}
	}
}

func TestTheVerdictLinkIsTheNearestByRatio(t *testing.T) {
	for _, c := range []struct {
		links []float64
		want  float64
	}{{[]float64{1, 10, 25, 100}, 25}, {[]float64{10, 50}, 50}, {[]float64{400}, 400}} {
		if got, ok := verdictLink(c.links); !ok || got != c.want {
			t.Errorf("of %v got %v, want %v", c.links, got, c.want)
		}
	}
	if _, ok := verdictLink(nil); ok {
		t.Error("a run without links has a verdict")
	}
}

func TestShardsAreOneRunAndRunsStandSideBySide(t *testing.T) {
	whole := fixture()
	a, b := *whole, *whole
	a.Header.Shard, b.Header.Shard = "0/2", "1/2"
	a.Records, b.Records = whole.Records[:200], whole.Records[200:]
	v, err := arrange([]*results.File{&a, &b})
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Runs) != 1 || v.Runs[0].Shards != 2 || len(v.Caches) != 3 {
		t.Errorf("two shards made %d runs and %d caches", len(v.Runs), len(v.Caches))
	}
	v, err = arrange([]*results.File{whole, whole})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, c := range v.Caches {
		ids[c.ID] = true
		if !strings.Contains(c.Title, "run fixture (") {
			t.Errorf("the title %q does not tell the runs apart", c.Title)
		}
	}
	if len(v.Runs) != 2 || len(ids) != 6 {
		t.Errorf("two runs made %d runs and %d distinct caches", len(v.Runs), len(ids))
	}
}

func TestSplittingKeepsEveryColumnOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "columns")
		table := &Table{Columns: make([]Column, n+1)}
		widths := make([]int, n+1)
		for i := range widths {
			widths[i] = rapid.IntRange(1, 20).Draw(t, "width")
			if i > 0 {
				table.Columns[i] = Column{Head: fmt.Sprint(i), Group: fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "group"))}
			}
		}
		page := rapid.IntRange(1, 90).Draw(t, "page")
		next := 1
		for _, p := range table.split(page, func(c int) int { return widths[c] }) {
			used := widths[0]
			for _, c := range p.Columns[1:] {
				if c.Head != fmt.Sprint(next) {
					t.Fatalf("column %s stands where %d should", c.Head, next)
				}
				used += widths[next]
				next++
			}
			if used > page && len(p.Columns) > 2 {
				t.Fatalf("a part of %d columns is %d wide on a page of %d", len(p.Columns), used, page)
			}
		}
		if next != n+1 {
			t.Fatalf("%d of %d columns are left", next-1, n)
		}
	})
}

func TestSpreadKeepsOrderAndDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ys := rapid.SliceOfN(rapid.Float64Range(0, 100), 1, 12).Draw(t, "heights")
		out := spread(ys, 5, 0, 100)
		for i := range ys {
			for j := range ys {
				if ys[i] < ys[j] && out[j]-out[i] < 5-1e-9 {
					t.Fatalf("%v and %v came to %v and %v", ys[i], ys[j], out[i], out[j])
				}
			}
			if out[i] < -1e-9 || out[i] > 100+1e-9 {
				t.Fatalf("%v left the plot: %v", ys[i], out[i])
			}
		}
	})
}

func TestLabelsOfTheFixtureDoNotTouch(t *testing.T) {
	v, err := arrange(only(fixture()))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Caches {
		pl := paretoPlane(c)
		points := make([]vg.Point, len(pl.points))
		lo, hi := pl.xRange()
		for i, p := range pl.points {
			points[i] = vg.Point{X: vg.Length(680 * position(p.ratio, lo, hi)), Y: vg.Length(300 * position(p.y, pl.lo, pl.hi))}
		}
		rooms := pl.labels().place(vg.Rectangle{Max: vg.Point{X: 680, Y: 300}}, points)
		for i := range rooms {
			for j := range rooms[:i] {
				if overlap(rooms[i], rooms[j]) > 0 {
					t.Errorf("%s: %s covers %s", c.ID, pl.points[i].row.Codec, pl.points[j].row.Codec)
				}
			}
		}
	}
}

func TestTheFrontIsWhatNothingBeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := make([]tradeoff, rapid.IntRange(1, 10).Draw(t, "n"))
		for i := range points {
			points[i].ratio = float64(rapid.IntRange(1, 6).Draw(t, "ratio"))
			points[i].loss.X = float64(rapid.IntRange(0, 6).Draw(t, "loss"))
		}
		on := map[[2]float64]bool{}
		for _, p := range front(points) {
			on[[2]float64{p.ratio, p.loss.X}] = true
		}
		for _, p := range points {
			beaten := false
			for _, q := range points {
				beaten = beaten || q.ratio >= p.ratio && q.loss.X <= p.loss.X && (q.ratio > p.ratio || q.loss.X < p.loss.X)
			}
			if on[[2]float64{p.ratio, p.loss.X}] == beaten {
				t.Fatalf("ratio %v, loss %v: on the front %v, beaten %v", p.ratio, p.loss.X, !beaten, beaten)
			}
		}
	})
}

func TestAMissingNumberHasItsReason(t *testing.T) {
	c := timed(timing{"a", false, -1, 6}, timing{"b", false, .001, 6})
	table := codecTable(c)
	found := false
	for _, r := range table.Rows {
		for _, cell := range r {
			if cell.Text == dash {
				found = true
				if len(cell.Marks) == 0 || table.Notes[cell.Marks[0]] != "not among the metrics of this run" {
					t.Errorf("row %s: a dash without its reason", r[0].Text)
				}
			}
		}
	}
	if !found {
		t.Error("no dash for the KLD that was not measured")
	}
	if len(table.Remarks) == 0 || !strings.Contains(strings.Join(table.Remarks, " "), "ratio") {
		t.Errorf("columns without any number are not named: %q", table.Remarks)
	}
}

func TestPDFTextIsInItsCodePage(t *testing.T) {
	if got, want := windows1252("100 µs ÷ – × −2.8e−5 ≤ 模"), "100 \xb5s \xf7 \x96 \xd7 -2.8e-5 <= \x1a"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnotherEChartsIsLeftAlone(t *testing.T) {
	if pinned([]byte("alert(1)")) {
		t.Error("a script of another digest goes into pages")
	}
}
