package report

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A curve is the time one codec takes, by link.
type curve struct {
	row    *row // nil: raw
	links  []float64
	totals []float64
	bound  bool // the times are bounds that no kernel can beat
}

// curves returns raw's times and each codec's over a route.
func curves(c *cache, at route) []curve {
	out := []curve{{}}
	for _, w := range c.Rows {
		cv := curve{row: w}
		for _, l := range c.Links {
			rec := w.Moves[move{at, l}]
			total := point(rec, "total_seconds", median)
			cv.bound = cv.bound || bound(total.Flags)
			if total.OK && total.X > 0 && !math.IsInf(total.X, 0) {
				cv.links, cv.totals = append(cv.links, l), append(cv.totals, total.X)
			}
			raw := point(rec, "raw_seconds", median)
			n := len(out[0].links)
			if raw.OK && raw.X > 0 && (n == 0 || out[0].links[n-1] < l) {
				out[0].links, out[0].totals = append(out[0].links, l), append(out[0].totals, raw.X)
			}
		}
		if len(cv.links) > 0 {
			out = append(out, cv)
		}
	}
	if len(out[0].links) == 0 {
		return out[1:]
	}
	return out
}

// routes lists a cache's routes over which something was timed.
func routes(c *cache) [][]route {
	var out [][]route
	for _, d := range c.Devices {
		var line []route
		for _, tr := range c.Transfers {
			line = append(line, route{d, tr})
		}
		out = append(out, line)
	}
	return out
}

func latencyChart(c *cache) (chart, bool) {
	if len(c.Links) < 2 {
		return chart{}, false
	}
	lines := routes(c)
	panel := vg.Length(270)
	ch := chart{
		ID: "latency-" + c.ID, Title: "Transfer time against link rate",
		W: pageWidth, H: panel * vg.Length(len(lines)),
		Caption: bounds(c) + fmt.Sprintf("Time until the decode worker has the cache, per request; below "+
			"the dark line compressing pays. Solid: lossless, or mean KLD at most %g nats. Dashed: above "+
			"that, or unknown. Medians over timing samples.", MaxKLD),
	}
	ch.draw = func(dc draw.Canvas) {
		plots := make([][]*plot.Plot, len(lines))
		for i, line := range lines {
			for _, at := range line {
				plots[i] = append(plots[i], latencyPlot(c, at))
			}
		}
		tiles(dc, plots, 12, 14)
	}
	ch.live = latencyLive(c, ch.ID)
	return ch, true
}

// bounds explains dotted lines and hollow bars where there are any.
func bounds(c *cache) string {
	for _, w := range c.Rows {
		for _, rec := range w.Breakeven {
			if m := rec.Metric("breakeven_gbps"); m != nil && bound(m.Flags) {
				return "Dotted, or hollow: not a time but what memory bandwidth alone would allow. "
			}
		}
	}
	return ""
}

func latencyPlot(c *cache, at route) *plot.Plot {
	p := newPlot(at.Device+", "+at.Transfer, "link, Gbps", "total time")
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker = atTicks{c.Links, short}
	p.Y.Tick.Marker = logTicks{seconds1}
	lo, hi := math.Inf(1), 0.0
	cs := curves(c, at)
	for _, cv := range cs {
		for _, t := range cv.totals {
			lo, hi = math.Min(lo, t), math.Max(hi, t)
		}
	}
	p.Y.Min, p.Y.Max = logRange(lo, hi, 0.04)
	p.X.Min, p.X.Max = c.Links[0], c.Links[len(c.Links)-1]
	if len(cs) == 0 {
		p.Title.Text += ": nothing was timed"
	}
	var ends endLabels
	p.Add(gridLines{true, true})
	for i := len(cs) - 1; i >= 0; i-- {
		p.Add(cs[i])
		ends = append(ends, cs[i].end())
	}
	p.Add(ends)
	return p
}

// seconds1 prints a tick of a time axis.
func seconds1(x float64) string {
	switch {
	case x < 0.9e-6:
		return sig(x*1e9, 1) + " ns"
	case x < 0.9e-3:
		return short(math.Round(x*1e7)/10) + " µs"
	case x < 0.9:
		return short(math.Round(x*1e4)/10) + " ms"
	}
	return short(math.Round(x*10)/10) + " s"
}

func (cv curve) name() string {
	if cv.row == nil {
		return "raw"
	}
	if cv.bound {
		return cv.row.Codec + " (bound)"
	}
	return cv.row.Codec
}

func (cv curve) line() draw.LineStyle {
	if cv.row == nil {
		return draw.LineStyle{Color: ink, Width: 2}
	}
	s := draw.LineStyle{Color: colorOf(cv.row), Width: 1.2}
	switch {
	case cv.bound:
		s.Width, s.Dashes = 0.8, []vg.Length{0.8, 2.2}
	case !within(cv.row):
		s.Width, s.Dashes = 0.9, []vg.Length{3, 2}
	}
	return s
}

func (cv curve) end() label {
	n := len(cv.links) - 1
	st := style(small, ink)
	if cv.row != nil {
		st.Color = colorOf(cv.row)
	}
	return label{cv.links[n], cv.totals[n], cv.name(), st}
}

// Plot implements plot.Plotter.
func (cv curve) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	pts := make([]vg.Point, len(cv.links))
	for i := range pts {
		pts[i] = vg.Point{X: trX(cv.links[i]), Y: trY(cv.totals[i])}
	}
	c.StrokeLines(cv.line(), pts)
	for _, pt := range pts {
		c.DrawGlyph(draw.GlyphStyle{Color: cv.line().Color, Radius: 1.6, Shape: draw.CircleGlyph{}}, pt)
	}
}

// GlyphBoxes implements plot.GlyphBoxer: it keeps room for the label at the line's end.
func (cv curve) GlyphBoxes(p *plot.Plot) []plot.GlyphBox {
	if len(cv.links) == 0 {
		return nil
	}
	l := cv.end()
	w := l.style.Width(l.text)
	return []plot.GlyphBox{{X: 1, Y: 0.5, Rectangle: vg.Rectangle{
		Min: vg.Point{X: 0, Y: -1}, Max: vg.Point{X: w + 16, Y: 1}}}}
}
