package report

import (
	"math"
	"sort"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"
)

// A growth is how one codec's ratio changes with the length of the cache.
type growth struct {
	row    *row
	tokens []float64
	ratios []float64
}

// A family is caches that differ in nothing but their length.
type family struct {
	id, title string
	caches    []*cache
}

// families groups the caches by all but tokens, keeping those of two lengths or more.
func families(v *view) []family {
	var order []string
	by := map[string]*family{}
	for _, c := range v.Caches {
		key := runLabel(v.Runs, c.Run) + "|" + c.Source + "|" + c.Model + "|" + c.Dataset + "|" + c.DType
		if by[key] == nil {
			title := *c
			title.Tokens = 0
			id := slug(c.Source + "-" + c.Model + "-" + c.Dataset)
			by[key] = &family{id: id, title: cacheTitle(&title)}
			order = append(order, key)
		}
		by[key].caches = append(by[key].caches, c)
	}
	var out []family
	for _, key := range order {
		lengths := []int{}
		for _, c := range by[key].caches {
			lengths = appendNew(lengths, c.Tokens)
		}
		if len(lengths) > 1 {
			out = append(out, *by[key])
		}
	}
	return out
}

func (f family) growths() []growth {
	var order []*growth
	by := map[string]*growth{}
	for _, c := range f.caches {
		for _, w := range c.Rows {
			r := ratioOf(w.Rec)
			if !r.OK || c.Tokens <= 0 || !(r.X > 0) {
				continue
			}
			if by[w.Codec] == nil {
				by[w.Codec] = &growth{row: w}
				order = append(order, by[w.Codec])
			}
			g := by[w.Codec]
			g.tokens, g.ratios = append(g.tokens, float64(c.Tokens)), append(g.ratios, r.X)
		}
	}
	var out []growth
	for _, g := range order {
		if len(g.tokens) > 1 {
			sort.Sort(g)
			out = append(out, *g)
		}
	}
	return out
}

// Len, Less and Swap sort by tokens.
func (g *growth) Len() int           { return len(g.tokens) }
func (g *growth) Less(i, j int) bool { return g.tokens[i] < g.tokens[j] }
func (g *growth) Swap(i, j int) {
	g.tokens[i], g.tokens[j] = g.tokens[j], g.tokens[i]
	g.ratios[i], g.ratios[j] = g.ratios[j], g.ratios[i]
}

// tokenCharts makes one chart for every family of caches of several lengths.
func tokenCharts(v *view) []chart {
	var out []chart
	ids := map[string]bool{}
	for _, f := range families(v) {
		gs := f.growths()
		id := "tokens-" + f.id
		if len(gs) == 0 || ids[id] {
			continue
		}
		ids[id] = true
		ch := chart{
			ID: id, Title: "Ratio against length: " + f.title, W: pageWidth, H: 300,
			Caption: "Windows kept raw, tables and headers weigh on short caches; what a codec reaches " +
				"on a long one says little about a short one.",
		}
		ch.draw = func(dc draw.Canvas) { growthPlot(gs).Draw(dc) }
		ch.live = growthLive(id, gs)
		out = append(out, ch)
	}
	return out
}

func growthPlot(gs []growth) *plot.Plot {
	p := newPlot("", "tokens", "compression ratio, raw ÷ frame")
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	lo, hi := math.Inf(1), 0.0
	var lengths []float64
	p.Add(gridLines{true, true})
	p.X.Min, p.X.Max = math.Inf(1), 0
	var ends endLabels
	for _, g := range gs {
		for i := range g.tokens {
			lo, hi = math.Min(lo, g.ratios[i]), math.Max(hi, g.ratios[i])
			lengths = appendNew(lengths, g.tokens[i])
			p.X.Min, p.X.Max = math.Min(p.X.Min, g.tokens[i]), math.Max(p.X.Max, g.tokens[i])
		}
		p.Add(g)
		ends = append(ends, g.end())
	}
	p.Add(ends)
	p.Y.Min, p.Y.Max = logRange(lo, hi, 0.05)
	p.X.Tick.Marker = atTicks{lengths, short}
	p.Y.Tick.Marker = ratioTicks
	return p
}

func (g growth) end() label {
	n := len(g.tokens) - 1
	return label{g.tokens[n], g.ratios[n], g.row.Codec, style(small, colorOf(g.row))}
}

// Plot implements plot.Plotter.
func (g growth) Plot(c draw.Canvas, p *plot.Plot) {
	curve{row: g.row, links: g.tokens, totals: g.ratios}.Plot(c, p)
}

// GlyphBoxes implements plot.GlyphBoxer: it keeps room for the label at the line's end.
func (g growth) GlyphBoxes(p *plot.Plot) []plot.GlyphBox {
	return curve{row: g.row, links: g.tokens, totals: g.ratios}.GlyphBoxes(p)
}
