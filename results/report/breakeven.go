package report

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// evens is the data of one panel of the break-even chart: a bar per codec and transfer model.
type evens struct {
	c      *cache
	device string
	rows   []*row // those that have a break-even anywhere, so that panels align
	lo, hi float64
}

func breakevenChart(c *cache) (chart, bool) {
	rows, lo, hi := evenRows(c)
	if len(rows) == 0 {
		return chart{}, false
	}
	per := 2
	panels := (len(c.Devices) + per - 1) / per
	if len(c.Devices) < per {
		per = len(c.Devices)
	}
	height := vg.Length(46 + len(rows)*(6+9*len(c.Transfers)))
	ch := chart{
		ID: "breakeven-" + c.ID, Title: "Break-even bandwidth", W: pageWidth,
		H: height*vg.Length(panels) + 18,
		Caption: bounds(c) + "On links slower than the bar's end, compressing is quicker than sending " +
			"raw; on faster ones it is slower. Whiskers are 95 % intervals. Vertical lines mark the links " +
			"of this run.",
	}
	ch.draw = func(dc draw.Canvas) {
		legend(dc, c.Transfers)
		plots := make([][]*plot.Plot, panels)
		for i := range plots {
			for j := range per {
				var p *plot.Plot
				if k := i*per + j; k < len(c.Devices) {
					p = evens{c, c.Devices[k], rows, lo, hi}.plot(j == 0)
				}
				plots[i] = append(plots[i], p)
			}
		}
		dc.Max.Y -= 18
		tiles(dc, plots, 12, 10)
	}
	ch.live = breakevenLive(c, rows, lo, hi, ch.ID)
	return ch, true
}

// legend says which shade is which transfer model.
func legend(dc draw.Canvas, transfers []string) {
	x := dc.Min.X + 4
	for i, tr := range transfers {
		dc.FillPolygon(shade(ink, i, len(transfers)), box(x, dc.Max.Y-11, x+14, dc.Max.Y-4))
		st := style(normal, ink)
		dc.FillText(st, vg.Point{X: x + 19, Y: dc.Max.Y - 7.5}, tr)
		x += st.Width(tr) + 38
	}
}

func box(x0, y0, x1, y1 vg.Length) []vg.Point {
	return []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}}
}

func evenRows(c *cache) (rows []*row, lo, hi float64) {
	lo, hi = math.Inf(1), 0
	widen := func(x float64) {
		if x > 0 && !math.IsInf(x, 0) {
			lo, hi = math.Min(lo, x), math.Max(hi, x)
		}
	}
	for _, w := range c.Rows {
		any := false
		for _, line := range routes(c) {
			for _, at := range line {
				v := evenOf(w, at)
				if !v.OK || w.Codec == identity {
					continue
				}
				any = true
				widen(v.X)
				if v.has() {
					widen(v.Low)
					widen(v.High)
				}
			}
		}
		if any {
			rows = append(rows, w)
		}
	}
	for _, l := range c.Links {
		widen(l)
	}
	lo, hi = logRange(lo, hi, 0.06)
	return rows, lo, hi
}

func evenOf(w *row, at route) value {
	return measure(w.Breakeven[at], "breakeven_gbps")
}

func (e evens) plot(names bool) *plot.Plot {
	p := newPlot(e.device, "break-even, Gbps", "")
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = logTicks{power}
	p.X.Min, p.X.Max = e.lo, e.hi
	p.Y.Min, p.Y.Max = -0.5, float64(len(e.rows))-0.5
	p.Y.LineStyle.Width, p.Y.Tick.Length = 0, 0
	ticks := make([]plot.Tick, len(e.rows))
	for i, w := range e.rows {
		ticks[i] = plot.Tick{Value: e.place(i)}
		if names {
			ticks[i].Label = w.Codec
		} else {
			ticks[i].Label = " "
		}
	}
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Tick.Label.Color = ink
	p.Add(gridLines{true, false}, e)
	return p
}

// place is the height of the i-th codec: the first is on top.
func (e evens) place(i int) float64 { return float64(len(e.rows) - 1 - i) }

// Plot implements plot.Plotter.
func (e evens) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	for _, l := range e.c.Links {
		c.StrokeLine2(draw.LineStyle{Color: muted, Width: 0.7, Dashes: []vg.Length{1.2, 2.4}},
			trX(l), c.Min.Y, trX(l), c.Max.Y)
	}
	n := len(e.c.Transfers)
	for i, w := range e.rows {
		for k, tr := range e.c.Transfers {
			y := trY(e.place(i)) + vg.Length(n-1-2*k)*9/2
			e.bar(c, trX, y, w, evenOf(w, route{e.device, tr}), k)
		}
	}
}

func (e evens) bar(c draw.Canvas, trX func(float64) vg.Length, y vg.Length, w *row, v value, k int) {
	col := shade(colorOf(w), k, len(e.c.Transfers))
	word := style(small-1, muted)
	end := c.Min.X
	text := ""
	switch {
	case !v.OK:
		text = dash
	case v.X == 0:
		text = "never pays"
	case math.IsInf(v.X, 1):
		end, text = c.Max.X, "always pays"
	default:
		end = trX(v.X)
	}
	frame := box(c.Min.X, y-3.4, end, y+3.4)
	switch {
	case end <= c.Min.X:
	case bound(v.Flags):
		c.StrokeLines(draw.LineStyle{Color: col, Width: 0.7, Dashes: []vg.Length{0.8, 1.6}},
			append(frame, frame[0]))
	default:
		c.FillPolygon(col, frame)
	}
	if v.has() && !math.IsInf(v.X, 0) && v.X > 0 {
		lo, hi := trX(math.Max(v.Low, e.lo)), trX(math.Min(v.High, e.hi))
		bar := draw.LineStyle{Color: ink, Width: 0.8}
		c.StrokeLine2(bar, lo, y, hi, y)
		c.StrokeLine2(bar, lo, y-2, lo, y+2)
		c.StrokeLine2(bar, hi, y-2, hi, y+2)
	}
	if text != "" {
		at := vg.Point{X: c.Min.X + 3, Y: y}
		if end == c.Max.X {
			word.Color = ink
		}
		c.FillText(word, at, text)
	}
}
