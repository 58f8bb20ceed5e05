package report

import (
	"fmt"
	"image/color"
	"math"
	"sort"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// fp8 is the codec that others are compared with: what serving engines offer today.
const fp8 = "fp8_e4m3"

// A tradeoff is one codec on the plane of ratio and loss.
type tradeoff struct {
	row   *row
	ratio float64
	loss  value
	y     float64 // where it is drawn: loss, or the floor if that is zero
}

// A plane is the data of the Pareto chart.
type plane struct {
	points []tradeoff
	floor  float64 // where zero is drawn; 0 if no point needs it
	name   string  // of the loss
	kld    bool
	lo, hi float64 // range of y
	limit  bool
}

func paretoPlane(c *cache) plane {
	pl := plane{name: "KLD mean, nats", kld: true}
	loss := func(w *row) value { return measure(w.Rec, "kld_mean_nats") }
	if !anyOK(c.Rows, loss) {
		pl.name, pl.kld, loss = "NMSE, mean of K and V", false, nmse
	}
	low, high := math.Inf(1), 0.0
	for _, w := range c.Rows {
		r, l := ratioOf(w.Rec), loss(w)
		if !r.OK || !l.OK || !(r.X > 0) || l.X < 0 || math.IsInf(l.X, 0) {
			continue
		}
		pl.points = append(pl.points, tradeoff{row: w, ratio: r.X, loss: l, y: l.X})
		if l.X > 0 {
			low, high = math.Min(low, l.X), math.Max(high, l.X)
		}
	}
	if high == 0 {
		low, high = 1e-6, 1e-6
	}
	low, high = math.Max(low, axisMin), math.Min(math.Max(high, axisMin), axisMax)
	pl.floor = math.Pow(10, math.Floor(math.Log10(low))-1)
	zero := false
	for i := range pl.points {
		if pl.points[i].y == 0 {
			pl.points[i].y, zero = pl.floor, true
		}
	}
	pl.lo, pl.hi = logRange(low, high, 0.08)
	if zero {
		pl.lo = pl.floor / 2.2
	} else {
		pl.floor = 0
	}
	pl.limit = pl.kld && MaxKLD > pl.lo && MaxKLD < pl.hi
	return pl
}

func anyOK(rows []*row, get func(*row) value) bool {
	for _, w := range rows {
		if get(w).OK {
			return true
		}
	}
	return false
}

// nmse is the mean of the normalised errors of K and V; of one alone where the other is absent.
func nmse(w *row) value {
	k, v := point(w.Rec, "nmse_k", mean), point(w.Rec, "nmse_v", mean)
	switch {
	case !k.OK:
		return v
	case v.OK:
		k.X = (k.X + v.X) / 2
	}
	return k
}

// front returns the points that no other beats in ratio and loss at once, by ratio.
func front(points []tradeoff) []tradeoff {
	sorted := append([]tradeoff{}, points...)
	sort.SliceStable(sorted, func(i, j int) bool {
		a, b := sorted[i], sorted[j]
		return a.ratio > b.ratio || (a.ratio == b.ratio && a.loss.X < b.loss.X)
	})
	var out []tradeoff
	best := math.Inf(1)
	for _, t := range sorted {
		if t.loss.X < best {
			best = t.loss.X
			out = append([]tradeoff{t}, out...)
		}
	}
	return out
}

func paretoChart(c *cache) (chart, bool) {
	pl := paretoPlane(c)
	if len(pl.points) < 2 {
		return chart{}, false
	}
	ch := chart{
		ID: "pareto-" + c.ID, Title: "Compression ratio against loss", W: pageWidth, H: 380,
		Caption: pl.caption(c),
	}
	ch.draw = func(dc draw.Canvas) { pl.plot().Draw(dc) }
	ch.live = pl.live(ch.ID)
	return ch, true
}

func (pl plane) caption(c *cache) string {
	text := "Right and down is better. The stepped line joins codecs that no other beats in both. "
	if pl.kld {
		text += "Bars are 95 % intervals over prompts. "
	} else {
		text += "No model stands behind this cache, so the loss is the error of the values " +
			"themselves, which does not tell what a model would make of them. "
	}
	if pl.floor > 0 {
		text += "A loss of exactly zero is drawn at the floor, labelled 0. "
	}
	var dashed []string
	if _, ok := pl.find(fp8); ok {
		dashed = append(dashed, "the loss of FP8 E4M3")
	}
	if t, ok := pl.bestLossless(); ok && t.ratio > pays {
		dashed = append(dashed, "the best lossless ratio")
	}
	if len(dashed) > 0 {
		text += "Dashed: " + nameList(dashed) + "."
	}
	return strings.TrimSpace(text)
}

func (pl plane) find(codec string) (tradeoff, bool) {
	for _, t := range pl.points {
		if t.row.Codec == codec {
			return t, true
		}
	}
	return tradeoff{}, false
}

// pays is the ratio from which a lossless codec is more than a copy.
const pays = 1.001

// bestLossless is the lossless codec of highest ratio.
func (pl plane) bestLossless() (best tradeoff, ok bool) {
	for _, t := range pl.points {
		if lossless(t.row) && t.ratio > best.ratio {
			best, ok = t, true
		}
	}
	return best, ok
}

func (pl plane) xRange() (lo, hi float64) {
	lo, hi = math.Inf(1), 0
	for _, t := range pl.points {
		lo, hi = math.Min(lo, t.ratio), math.Max(hi, t.ratio)
	}
	return logRange(lo, hi, 0.09)
}

func (pl plane) plot() *plot.Plot {
	p := newPlot("", "compression ratio, raw ÷ frame", pl.name)
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker = ratioTicks
	p.Y.Tick.Marker = floorTicks{logTicks{power}, pl.floor}
	p.X.Min, p.X.Max = pl.xRange()
	p.Y.Min, p.Y.Max = pl.lo, pl.hi
	p.Add(gridLines{true, true}, pl)
	p.Add(pl.labels())
	return p
}

func (pl plane) labels() nearLabels {
	var ls nearLabels
	for _, t := range pl.points {
		ls = append(ls, label{t.ratio, t.y, t.row.Codec, style(small, colorOf(t.row))})
	}
	return ls
}

func short(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }

// floorTicks labels the floor 0 and drops what lies below the tick above it.
type floorTicks struct {
	logTicks
	floor float64
}

// Ticks implements plot.Ticker.
func (f floorTicks) Ticks(lo, hi float64) []plot.Tick {
	ticks := f.logTicks.Ticks(lo, hi)
	if f.floor == 0 {
		return ticks
	}
	out := []plot.Tick{{Value: f.floor, Label: "0"}}
	for _, t := range ticks {
		if t.Value > f.floor*5 {
			out = append(out, t)
		}
	}
	return out
}

// Plot implements plot.Plotter: reference lines, front, intervals, points.
func (pl plane) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	pl.references(c, trX, trY)
	stairs := draw.LineStyle{Color: muted, Width: 1}
	f := front(pl.points)
	for i := range f[1:] {
		a, b := f[i], f[i+1]
		c.StrokeLine2(stairs, trX(a.ratio), trY(a.y), trX(a.ratio), trY(b.y))
		c.StrokeLine2(stairs, trX(a.ratio), trY(b.y), trX(b.ratio), trY(b.y))
	}
	for _, t := range pl.points {
		col := colorOf(t.row)
		x := trX(t.ratio)
		if t.loss.has() && t.loss.X > 0 {
			bar := draw.LineStyle{Color: col, Width: 1}
			lo, hi := trY(math.Max(t.loss.Low, pl.lo)), trY(math.Min(t.loss.High, pl.hi))
			c.StrokeLine2(bar, x, lo, x, hi)
			for _, y := range []vg.Length{lo, hi} {
				c.StrokeLine2(bar, x-3, y, x+3, y)
			}
		}
		g := draw.GlyphStyle{Color: col, Radius: 3.6, Shape: shapeOf(t.row)}
		c.DrawGlyph(g, vg.Point{X: x, Y: trY(t.y)})
	}
}

func (pl plane) references(c draw.Canvas, trX, trY func(float64) vg.Length) {
	dashed := func(col color.Color) draw.LineStyle {
		return draw.LineStyle{Color: col, Width: 0.8, Dashes: []vg.Length{4, 3}}
	}
	word := style(small, muted)
	if t, ok := pl.find(fp8); ok {
		c.StrokeLine2(dashed(muted), c.Min.X, trY(t.y), c.Max.X, trY(t.y))
		word.XAlign, word.YAlign = draw.XRight, draw.YBottom
		c.FillText(word, vg.Point{X: c.Max.X - 2, Y: trY(t.y) + 2}, "loss of FP8 E4M3")
	}
	if t, ok := pl.bestLossless(); ok && t.ratio > pays {
		c.StrokeLine2(dashed(muted), trX(t.ratio), c.Min.Y, trX(t.ratio), c.Max.Y)
		word.XAlign, word.YAlign = draw.XLeft, draw.YTop
		c.FillText(word, vg.Point{X: trX(t.ratio) + 4, Y: c.Max.Y - 2},
			fmt.Sprintf("best lossless ratio, %.2f", t.ratio))
	}
	if pl.limit {
		line := draw.LineStyle{Color: muted, Width: 0.8, Dashes: []vg.Length{1.2, 2.4}}
		c.StrokeLine2(line, c.Min.X, trY(MaxKLD), c.Max.X, trY(MaxKLD))
		word.XAlign, word.YAlign = draw.XRight, draw.YBottom
		c.FillText(word, vg.Point{X: c.Max.X - 2, Y: trY(MaxKLD) + 2},
			fmt.Sprintf("limit of the verdicts, %g nats", MaxKLD))
	}
}
