package report

import (
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Colours of the parts of a chart that are not data. The page replaces each by a variable, so
// that pictures follow its light and dark themes; files keep them as they are.
var (
	ink   = color.RGBA{0x1f, 0x23, 0x28, 0xff} // text and the line for raw
	muted = color.RGBA{0x65, 0x6d, 0x76, 0xff} // axes and remarks
	grid  = color.RGBA{0xe1, 0xe4, 0xe8, 0xff}
	paper = color.RGBA{0xff, 0xff, 0xff, 0xff}
	veil  = color.NRGBA{0xff, 0xff, 0xff, 0xd8} // behind words, so that lines do not strike them
)

// series are the colours of codecs, in the order in which a report meets them; after the last,
// the first comes again with another marker.
var series = []color.RGBA{
	{0x2e, 0x6f, 0xbf, 0xff}, {0xd0, 0x6a, 0x0a, 0xff}, {0x1e, 0x8a, 0x5a, 0xff},
	{0xc9, 0x3a, 0x3a, 0xff}, {0x7d, 0x55, 0xc7, 0xff}, {0x8c, 0x5e, 0x3c, 0xff},
	{0xc9, 0x44, 0x8f, 0xff}, {0x13, 0x84, 0x94, 0xff}, {0x80, 0x80, 0x14, 0xff},
	{0x5b, 0x6b, 0x7f, 0xff}, {0x3d, 0x4a, 0xa8, 0xff}, {0xb5, 0x8a, 0x00, 0xff},
}

// seriesDark are the same for a dark page: lighter, of like hue.
var seriesDark = []color.RGBA{
	{0x6e, 0xa8, 0xf0, 0xff}, {0xf0, 0xa0, 0x50, 0xff}, {0x57, 0xc4, 0x95, 0xff},
	{0xf0, 0x7f, 0x7f, 0xff}, {0xb6, 0x97, 0xf2, 0xff}, {0xc7, 0x9a, 0x77, 0xff},
	{0xee, 0x8c, 0xc4, 0xff}, {0x4f, 0xc4, 0xd4, 0xff}, {0xc5, 0xc5, 0x5a, 0xff},
	{0xa3, 0xb2, 0xc6, 0xff}, {0x9a, 0xa6, 0xff, 0xff}, {0xe8, 0xc5, 0x4a, 0xff},
}

// colorOf is a codec's colour. Copying is no codec to watch: it is grey, and takes no colour from
// the others.
func colorOf(w *row) color.RGBA {
	if w.Index < 0 {
		return muted
	}
	return series[w.Index%len(series)]
}

func shapeOf(w *row) draw.GlyphDrawer {
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{},
		draw.RingGlyph{}}
	return shapes[max(w.Index, 0)/len(series)%len(shapes)]
}

// face is the one typeface of all charts; its metrics are those of Arial and Helvetica, which
// readers without it will see.
func face(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

func style(size vg.Length, c color.Color) text.Style {
	return text.Style{Color: c, Font: face(size), Handler: plot.DefaultTextHandler,
		XAlign: draw.XLeft, YAlign: draw.YCenter}
}

// Sizes of type on a chart, in points.
const (
	small  = 8
	normal = 9
	large  = 10.5
)

// newPlot is an empty plot in the style of the report.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.Title.Text = title
	p.Title.TextStyle = style(large, ink)
	p.Title.TextStyle.XAlign = draw.XCenter
	p.Title.TextStyle.YAlign = draw.YTop
	p.Title.TextStyle.Font.Weight = 0
	p.Title.Padding = 8
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle = draw.LineStyle{Color: muted, Width: 0.6}
		a.Tick.LineStyle = draw.LineStyle{Color: muted, Width: 0.6}
		a.Tick.Length = 3
		a.Tick.Label.Color, a.Tick.Label.Font = muted, face(normal)
		a.Label.TextStyle.Color, a.Label.TextStyle.Font = ink, face(normal)
		a.Label.Padding = 4
		a.Padding = 0
	}
	p.X.Label.Text, p.Y.Label.Text = x, y
	return p
}

// gridLines draws faint lines at the labelled ticks of both axes.
type gridLines struct{ x, y bool }

// Plot implements plot.Plotter.
func (g gridLines) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	line := draw.LineStyle{Color: grid, Width: 0.6}
	if g.x {
		for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
			if t.Label != "" {
				c.StrokeLine2(line, trX(t.Value), c.Min.Y, trX(t.Value), c.Max.Y)
			}
		}
	}
	if g.y {
		for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
			if t.Label != "" {
				c.StrokeLine2(line, c.Min.X, trY(t.Value), c.Max.X, trY(t.Value))
			}
		}
	}
}

// logTicks labels powers of ten, and 2 and 5 between them where the axis spans few of them.
type logTicks struct{ format func(float64) string }

// Ticks implements plot.Ticker.
func (l logTicks) Ticks(lo, hi float64) []plot.Tick {
	decades := math.Log10(hi / lo)
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v < lo*(1-1e-9) || v > hi*(1+1e-9) {
				continue
			}
			t := plot.Tick{Value: v}
			if m == 1 || (decades < 3 && (m == 2 || m == 5)) || (decades < 1 && m != 7 && m != 9) {
				t.Label = l.format(v)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// atTicks puts a labelled tick at each of some values.
type atTicks struct {
	values []float64
	format func(float64) string
}

// Ticks implements plot.Ticker.
func (a atTicks) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for _, v := range a.values {
		if v >= lo && v <= hi {
			ticks = append(ticks, plot.Tick{Value: v, Label: a.format(v)})
		}
	}
	return ticks
}

// ratioTicks serve any axis of compression ratios.
var ratioTicks = atTicks{
	[]float64{0.5, 0.7, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 64}, short}

// power prints a power of ten without an exponent while that is short.
func power(x float64) string {
	if x >= 1e-3 && x < 1e6 {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return sig(x, 1)
}

// Axes end here: beyond, a padded range would leave what a float64 holds.
const axisMin, axisMax = 1e-250, 1e250

// logRange widens [lo, hi] by a share of its length on a log axis.
func logRange(lo, hi, by float64) (float64, float64) {
	lo, hi = math.Max(lo, axisMin), math.Min(hi, axisMax)
	if !(hi >= lo) {
		return 0.1, 10
	}
	pad := math.Max(math.Pow(hi/lo, by), 1.05)
	return lo / pad, hi * pad
}

// shade lightens a colour for the k-th of n bars that share it.
func shade(c color.RGBA, k, n int) color.Color {
	if n < 2 {
		return c
	}
	alpha := 1 - 0.55*float64(k)/float64(n-1)
	return color.NRGBA{c.R, c.G, c.B, uint8(255 * alpha)}
}
