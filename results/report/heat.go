package report

import (
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A heat is the error of every codec in every layer, of keys or of values.
type heat struct {
	rows   []*row
	cells  [][]float64 // [row][layer]; NaN where there is no number
	layers int
}

// heatOf averages a by-layer metric over prompts.
func heatOf(c *cache, metric string) heat {
	h := heat{layers: c.Layers}
	for _, w := range c.Rows {
		m, xs, reason := lookup(w.Rec, metric)
		if reason != "" || len(m.Dims) != 2 || m.Dims[0] < 1 || m.Dims[1] != c.Layers ||
			m.Dims[0]*m.Dims[1] != len(xs) {
			continue
		}
		line := make([]float64, c.Layers)
		for l := range line {
			for p := range m.Dims[0] {
				line[l] += xs[p*c.Layers+l] / float64(m.Dims[0])
			}
		}
		h.rows, h.cells = append(h.rows, w), append(h.cells, line)
	}
	return h
}

func heatChart(c *cache) (chart, bool) {
	if c.Layers < 2 {
		return chart{}, false
	}
	k, v := heatOf(c, "nmse_k_by_layer"), heatOf(c, "nmse_v_by_layer")
	lo, hi := heatRange(k, v)
	if len(k.rows)+len(v.rows) == 0 || !(hi > 0) {
		return chart{}, false
	}
	ch := chart{
		ID: "layers-" + c.ID, Title: "Error by layer", W: pageWidth,
		H: vg.Length(88 + 15*max(len(k.rows), len(v.rows))),
		Caption: "NMSE of keys and values in each layer, mean over prompts; one colour scale for both. " +
			"Cells left blank are exact.",
	}
	ch.draw = func(dc draw.Canvas) { drawHeat(dc, k, v, lo, hi) }
	ch.live = heatLive(ch.ID, k, v, lo, hi)
	return ch, true
}

func heatRange(hs ...heat) (lo, hi float64) {
	lo = math.Inf(1)
	for _, h := range hs {
		for _, line := range h.cells {
			for _, x := range line {
				if x > 0 && !math.IsInf(x, 0) {
					lo, hi = math.Min(lo, x), math.Max(hi, x)
				}
			}
		}
	}
	return lo, hi
}

func drawHeat(dc draw.Canvas, k, v heat, lo, hi float64) {
	bar := draw.Crop(dc, 0, 0, 0, -(dc.Max.Y - dc.Min.Y - 30))
	colorBar(bar, lo, hi)
	var line []*plot.Plot
	for i, h := range []heat{k, v} {
		if len(h.rows) > 0 {
			line = append(line, h.plot([]string{"keys", "values"}[i], len(line) == 0, lo, hi))
		}
	}
	tiles(draw.Crop(dc, 0, 0, 32, 0), [][]*plot.Plot{line}, 10, 0)
}

func (h heat) plot(title string, names bool, lo, hi float64) *plot.Plot {
	p := newPlot(title, "layer", "")
	p.X.Min, p.X.Max = -0.5, float64(h.layers)-0.5
	p.Y.Min, p.Y.Max = -0.5, float64(len(h.rows))-0.5
	p.X.LineStyle.Width, p.Y.LineStyle.Width = 0, 0
	p.X.Tick.Length, p.Y.Tick.Length = 0, 0
	var xs, ys []plot.Tick
	every := max(1, h.layers/8)
	for l := range h.layers {
		if l%every == 0 {
			xs = append(xs, plot.Tick{Value: float64(l), Label: strconv.Itoa(l)})
		}
	}
	for i, w := range h.rows {
		t := plot.Tick{Value: float64(len(h.rows) - 1 - i), Label: " "}
		if names {
			t.Label = w.Codec
		}
		ys = append(ys, t)
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks(xs), plot.ConstantTicks(ys)
	p.Y.Tick.Label.Color = ink
	p.Add(heatCells{h, lo, hi})
	return p
}

type heatCells struct {
	heat
	lo, hi float64
}

// Plot implements plot.Plotter.
func (h heatCells) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	for i, line := range h.cells {
		y := float64(len(h.cells) - 1 - i)
		for l, x := range line {
			x0, x1 := trX(float64(l)-0.5), trX(float64(l)+0.5)
			y0, y1 := trY(y-0.5), trY(y+0.5)
			if !(x > 0) {
				continue
			}
			c.FillPolygon(ramp(position(x, h.lo, h.hi)), box(x0, y0+0.5, x1-0.5, y1-0.5))
		}
	}
}

// position is where x stands between lo and hi on a log scale, in [0, 1].
func position(x, lo, hi float64) float64 {
	if hi <= lo {
		return 1
	}
	return math.Max(0, math.Min(1, math.Log(x/lo)/math.Log(hi/lo)))
}

// rampStops run from little to much error, ever darker and redder: distinct to readers who see
// few colours, and on light and dark pages.
var rampStops = []color.RGBA{
	{0xd7, 0xe8, 0xf5, 0xff}, {0x8f, 0xc4, 0xd8, 0xff}, {0x4d, 0x96, 0xb8, 0xff},
	{0x6b, 0x62, 0xa3, 0xff}, {0x9c, 0x3f, 0x7c, 0xff}, {0xa8, 0x1e, 0x3c, 0xff},
}

// ramp is the colour at t in [0, 1].
func ramp(t float64) color.Color {
	at := t * float64(len(rampStops)-1)
	i := min(int(at), len(rampStops)-2)
	a, b, f := rampStops[i], rampStops[i+1], at-float64(i)
	mix := func(x, y uint8) uint8 { return uint8(math.Round(float64(x) + f*(float64(y)-float64(x)))) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xff}
}

// colorBar draws the scale of a heat map along the bottom.
func colorBar(c draw.Canvas, lo, hi float64) {
	const steps = 60
	w := vg.Length(240)
	x0 := (c.Min.X+c.Max.X)/2 - w/2
	y0, y1 := c.Min.Y+14, c.Min.Y+22
	for i := range steps {
		a := x0 + w*vg.Length(i)/steps
		c.FillPolygon(ramp((float64(i)+0.5)/steps), box(a, y0, a+w/steps+0.3, y1))
	}
	st := style(small, muted)
	st.XAlign, st.YAlign = draw.XCenter, draw.YTop
	for _, t := range (logTicks{power}).Ticks(lo, hi) {
		if t.Label != "" {
			x := x0 + w*vg.Length(position(t.Value, lo, hi))
			c.StrokeLine2(draw.LineStyle{Color: muted, Width: 0.5}, x, y0, x, y0-2)
			c.FillText(st, vg.Point{X: x, Y: y0 - 3}, t.Label)
		}
	}
	st.XAlign, st.YAlign = draw.XRight, draw.YCenter
	c.FillText(st, vg.Point{X: x0 - 8, Y: (y0 + y1) / 2}, "NMSE")
}
