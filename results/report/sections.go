package report

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// sections are the parts of a frame, as its metrics name them.
var sections = []string{"payload", "scales", "indices", "tables", "raw", "header"}

// sectionColors go with sections.
var sectionColors = []color.RGBA{series[0], series[1], series[4], series[2], series[9], series[3]}

// A breakdown is how a codec's frame divides.
type breakdown struct {
	row    *row
	shares []float64 // as sections, summing to 1
	bits   value     // per value
}

func breakdowns(c *cache) []breakdown {
	var out []breakdown
	for _, w := range c.Rows {
		frame := point(w.Rec, "frame_bytes", sum)
		if !frame.OK || frame.X <= 0 {
			continue
		}
		b := breakdown{row: w, bits: point(w.Rec, "bits_per_value", mean)}
		known := false
		for _, s := range sections {
			v := point(w.Rec, "section_"+s+"_bytes", sum)
			known = known || v.OK
			b.shares = append(b.shares, v.X/frame.X) // a missing section weighs nothing
		}
		if known {
			out = append(out, b)
		}
	}
	return out
}

func sectionChart(c *cache) (chart, bool) {
	bs := breakdowns(c)
	if len(bs) == 0 {
		return chart{}, false
	}
	ch := chart{
		ID: "sections-" + c.ID, Title: "What a frame is made of", W: pageWidth,
		H: vg.Length(62 + 16*len(bs)),
		Caption: "Shares of the frame's bytes; bits are per value, of the whole frame. Scales, " +
			"tables and raw windows weigh less as the cache grows longer.",
	}
	ch.draw = func(dc draw.Canvas) {
		sectionLegend(dc, used(bs))
		dc.Max.Y -= 20
		stack(bs).plot().Draw(dc)
	}
	ch.live = sectionLive(ch.ID, bs)
	return ch, true
}

// used says which sections occur.
func used(bs []breakdown) []bool {
	out := make([]bool, len(sections))
	for _, b := range bs {
		for i, s := range b.shares {
			out[i] = out[i] || s > 0
		}
	}
	return out
}

func sectionLegend(dc draw.Canvas, show []bool) {
	x := dc.Min.X + 4
	for i, s := range sections {
		if !show[i] {
			continue
		}
		dc.FillPolygon(sectionColors[i], box(x, dc.Max.Y-11, x+9, dc.Max.Y-3))
		st := style(normal, ink)
		dc.FillText(st, vg.Point{X: x + 14, Y: dc.Max.Y - 7.5}, s)
		x += st.Width(s) + 30
	}
}

// A stack draws breakdowns as bars, the first on top.
type stack []breakdown

func (s stack) plot() *plot.Plot {
	p := newPlot("", "share of the frame", "")
	p.X.Min, p.X.Max = 0, 1
	p.Y.Min, p.Y.Max = -0.5, float64(len(s))-0.5
	p.Y.LineStyle.Width, p.Y.Tick.Length = 0, 0
	p.X.Tick.Marker = atTicks{[]float64{0, 0.25, 0.5, 0.75, 1}, func(x float64) string {
		return fmt.Sprintf("%g %%", 100*x)
	}}
	ticks := make([]plot.Tick, len(s))
	for i, b := range s {
		ticks[i] = plot.Tick{Value: float64(len(s) - 1 - i), Label: b.row.Codec}
	}
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Tick.Label.Color = ink
	p.Add(gridLines{true, false}, s)
	return p
}

// Plot implements plot.Plotter.
func (s stack) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	for i, b := range s {
		y, at := trY(float64(len(s)-1-i)), 0.0
		for k, share := range b.shares {
			if share > 0 {
				c.FillPolygon(sectionColors[k], box(trX(at), y-5, trX(at+share), y+5))
				at += share
			}
		}
		if b.bits.OK {
			c.FillText(style(small, muted), vg.Point{X: c.Max.X + 6, Y: y}, bitsText(b.bits.X))
		}
	}
}

func bitsText(x float64) string { return fmt.Sprintf("%.2f bits", x) }

// GlyphBoxes implements plot.GlyphBoxer: it keeps room for the words at the right.
func (s stack) GlyphBoxes(*plot.Plot) []plot.GlyphBox {
	w := style(small, muted).Width(bitsText(16.00))
	return []plot.GlyphBox{{X: 1, Y: 0.5, Rectangle: vg.Rectangle{
		Min: vg.Point{X: 0, Y: -1}, Max: vg.Point{X: w + 8, Y: 1}}}}
}
