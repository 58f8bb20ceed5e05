package report

import (
	"encoding/json"
	"fmt"
	"image/color"
	"math"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"
)

// A live is the interactive form of a chart: panels side by side, each the options of one
// ECharts instance. Colours stand in it as CSS variables, which the page's script resolves.
type live struct {
	Cols   int
	Panels []panel
}

// A panel is one ECharts instance.
type panel struct {
	ID     string
	Option string // JSON, safe inside a script element
}

// A drawn is a chart of go-echarts, once its options are set.
type drawn interface {
	Validate()
	JSON() map[string]any
}

// An extra is what go-echarts has no words for; the page's script adds it to the options.
type extra struct {
	Floor    float64           `json:"floor,omitempty"`    // y that is labelled 0
	Ends     bool              `json:"ends,omitempty"`     // lines are named at their ends
	Left     int               `json:"left,omitempty"`     // pixels for the names of categories
	Marks    []reference       `json:"marks,omitempty"`    // lines across the plot
	Whiskers []whisker         `json:"whiskers,omitempty"` // intervals of bars
	Labels   map[string][2]int `json:"labels,omitempty"`   // pixels from point to name
}

// A reference is a line across a plot, with words at its end.
type reference struct {
	Axis string  `json:"axis"` // x or y
	At   float64 `json:"at"`
	Text string  `json:"text,omitempty"`
}

// A whisker is the interval of bar k of n in a category.
type whisker struct {
	Category int     `json:"category"`
	K        int     `json:"k"`
	N        int     `json:"n"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// room is pixels enough for the names of categories.
func room(names []string) int {
	longest := 0
	for _, n := range names {
		longest = max(longest, width(n))
	}
	return 16 + 7*longest
}

// add appends a panel. The options are taken as data and marshalled here: the library's own
// snippet undoes HTML escapes in it, and a codec's name must not be able to end the script.
func (l *live) add(id string, c drawn, x extra) {
	c.Validate()
	option := c.JSON()
	option["kvgauge"] = x
	text, err := json.Marshal(option)
	if err != nil {
		return // without options the panel stays the drawing that it is
	}
	name := fmt.Sprintf("%s-live-%d", id, len(l.Panels))
	l.Panels = append(l.Panels, panel{ID: name, Option: string(text)})
}

// cssVar is the variable that holds a colour in the page.
func cssVar(c color.Color) string {
	for _, v := range cssVars() {
		if v.light == c {
			return "var(--" + v.name + ")"
		}
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

// A themed is a colour that has a light and a dark form.
type themed struct {
	name        string
	light, dark color.RGBA
}

func cssVars() []themed {
	vars := []themed{
		{"ink", ink, color.RGBA{0xe6, 0xe8, 0xeb, 0xff}},
		{"muted", muted, color.RGBA{0x9a, 0xa3, 0xad, 0xff}},
		{"grid", grid, color.RGBA{0x33, 0x39, 0x41, 0xff}},
		{"paper", paper, color.RGBA{0x15, 0x18, 0x1c, 0xff}},
	}
	for i := range series {
		vars = append(vars, themed{fmt.Sprintf("c%d", i), series[i], seriesDark[i]})
	}
	return vars
}

// base are the options that all panels share.
func base(id, title string, legend bool) []charts.GlobalOpts {
	top := "36"
	if legend && title != "" {
		top = "58"
	}
	o := []charts.GlobalOpts{
		charts.WithInitializationOpts(opts.Initialization{ChartID: id}),
		charts.WithAnimation(false),
		charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: "item", Formatter: "{b}"}),
		charts.WithLegendOpts(opts.Legend{Show: opts.Bool(legend), Type: "scroll", Top: "0"}),
		charts.WithGridOpts(opts.Grid{Left: "76", Right: "24", Top: top, Bottom: "56"}),
	}
	if title != "" {
		o = append(o, charts.WithTitleOpts(opts.Title{Title: title, Left: "center",
			Top:        map[bool]string{true: "24", false: "4"}[legend],
			TitleStyle: &opts.TextStyle{FontSize: 13, FontWeight: "normal", Color: cssVar(ink)}}))
	}
	return o
}

func xAxis(name, kind string, lo, hi float64) charts.GlobalOpts {
	a := opts.XAxis{Name: name, Type: kind, NameLocation: "middle", NameGap: 28}
	if hi > lo {
		a.Min, a.Max = lo, hi
	}
	return charts.WithXAxisOpts(a)
}

func yAxis(name, kind string, lo, hi float64) charts.GlobalOpts {
	a := opts.YAxis{Name: name, Type: kind, NameLocation: "middle", NameGap: 56}
	if hi > lo {
		a.Min, a.Max = lo, hi
	}
	return charts.WithYAxisOpts(a)
}

// pairs are points of a line, each with the words of its tooltip.
func pairs(xs, ys []float64, words func(i int) string) []opts.LineData {
	out := make([]opts.LineData, len(xs))
	for i := range xs {
		out[i] = opts.LineData{Name: words(i), Value: []float64{xs[i], ys[i]}, Symbol: "circle",
			SymbolSize: 6}
	}
	return out
}

// stroke is a line's style.
func stroke(c color.Color, width float32, dashed bool) []charts.SeriesOpts {
	kind := "solid"
	if dashed {
		kind = "dashed"
	}
	col := cssVar(c)
	return []charts.SeriesOpts{
		charts.WithLineStyleOpts(opts.LineStyle{Color: col, Width: width, Type: kind}),
		charts.WithItemStyleOpts(opts.ItemStyle{Color: col}),
		charts.WithEmphasisOpts(opts.Emphasis{Focus: "series"}),
	}
}

// codecs are the names of rows.
func codecs(rows []*row) []string {
	list := make([]string, len(rows))
	for i, w := range rows {
		list[i] = w.Codec
	}
	return list
}

// categories is an axis of names, the first on top.
func categories(names []string) charts.GlobalOpts {
	return charts.WithYAxisOpts(opts.YAxis{Type: "category", Data: names, Inverse: opts.Bool(true)})
}

// decades widens a range to powers of base, where an axis has its ticks.
func decades(lo, hi, base float64) (float64, float64) {
	down := math.Floor(math.Log(lo)/math.Log(base) + 1e-9)
	up := math.Ceil(math.Log(hi)/math.Log(base) - 1e-9)
	return math.Pow(base, down), math.Pow(base, math.Max(up, down+1))
}
