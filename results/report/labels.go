package report

import (
	"math"
	"sort"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A label names a point of a plot.
type label struct {
	x, y  float64
	text  string
	style text.Style
}

// nearLabels writes each label beside its point, where it covers no other label and no point;
// one that finds no room close by moves away and is tied to its point by a thin line.
type nearLabels []label

// Plot implements plot.Plotter.
func (ls nearLabels) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	points := make([]vg.Point, len(ls))
	for i, l := range ls {
		points[i] = vg.Point{X: trX(l.x), Y: trY(l.y)}
	}
	for i, room := range ls.place(c.Rectangle, points) {
		end := nearest(room, points[i])
		if dx, dy := end.X-points[i].X, end.Y-points[i].Y; dx*dx+dy*dy > 9*9 {
			tie := draw.LineStyle{Color: ls[i].style.Color, Width: 0.4}
			c.StrokeLine2(tie, points[i].X, points[i].Y, end.X, end.Y)
		}
		c.FillPolygon(veil, corners(grow(room, 0.5)))
		at := vg.Point{X: room.Min.X, Y: (room.Min.Y + room.Max.Y) / 2}
		c.FillText(ls[i].style, at, ls[i].text)
	}
}

// place finds room for every label, from the top down.
func (ls nearLabels) place(frame vg.Rectangle, points []vg.Point) []vg.Rectangle {
	order := make([]int, len(ls))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool {
		p, q := points[order[a]], points[order[b]]
		return p.Y > q.Y || (p.Y == q.Y && p.X < q.X)
	})
	rooms := make([]vg.Rectangle, len(ls))
	var taken []vg.Rectangle
	for _, i := range order {
		rooms[i] = roomFor(frame, ls[i], points, i, taken)
		taken = append(taken, rooms[i])
	}
	return rooms
}

// roomFor finds the cheapest place for a label around its point.
func roomFor(frame vg.Rectangle, l label, points []vg.Point, self int,
	taken []vg.Rectangle) vg.Rectangle {
	w, h := l.style.Width(l.text), l.style.Font.Size*1.1
	at := points[self]
	best, bestCost := vg.Rectangle{}, math.Inf(1)
	for ring, r := range []vg.Length{6, 13, 22, 33, 46, 60} {
		for k := range 12 {
			sin, cos := math.Sincos(float64(k) * math.Pi / 6)
			cx := at.X + r*vg.Length(cos) + w/2*vg.Length(clamp(cos*1.5))
			cy := at.Y + r*vg.Length(sin) + h/2*vg.Length(clamp(sin))
			box := vg.Rectangle{Min: vg.Point{X: cx - w/2, Y: cy - h/2}}
			box.Max = vg.Point{X: cx + w/2, Y: cy + h/2}
			cost := 12*float64(ring) + math.Abs(sin) + 1 - cos + crowding(frame, box, points, self, taken)
			if cost < bestCost-1e-9 {
				best, bestCost = box, cost
			}
		}
	}
	return best
}

func clamp(x float64) float64 { return math.Max(-1, math.Min(1, x)) }

// crowding is the price of what a box would cover.
func crowding(frame, box vg.Rectangle, points []vg.Point, self int, taken []vg.Rectangle) float64 {
	cost := 0.0
	for _, t := range taken {
		cost += 4 * float64(overlap(grow(box, 1), t))
	}
	for i, q := range points {
		if i != self && inside(grow(box, 4), q) {
			cost += 60
		}
	}
	outside := (box.Max.X-box.Min.X)*(box.Max.Y-box.Min.Y) - overlap(box, frame)
	return cost + 10*float64(outside)
}

func corners(r vg.Rectangle) []vg.Point { return box(r.Min.X, r.Min.Y, r.Max.X, r.Max.Y) }

func overlap(a, b vg.Rectangle) vg.Length {
	w := min(a.Max.X, b.Max.X) - max(a.Min.X, b.Min.X)
	h := min(a.Max.Y, b.Max.Y) - max(a.Min.Y, b.Min.Y)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h
}

func grow(r vg.Rectangle, by vg.Length) vg.Rectangle {
	return vg.Rectangle{Min: vg.Point{X: r.Min.X - by, Y: r.Min.Y - by},
		Max: vg.Point{X: r.Max.X + by, Y: r.Max.Y + by}}
}

func inside(r vg.Rectangle, p vg.Point) bool {
	return p.X >= r.Min.X && p.X <= r.Max.X && p.Y >= r.Min.Y && p.Y <= r.Max.Y
}

// nearest is the point of a box closest to p.
func nearest(r vg.Rectangle, p vg.Point) vg.Point {
	return vg.Point{X: max(r.Min.X, min(p.X, r.Max.X)), Y: max(r.Min.Y, min(p.Y, r.Max.Y))}
}

// endLabels writes labels in a column to the right of the plot, in the order of their heights,
// pushed apart where they would touch and tied to the ends of their lines.
type endLabels []label

// Plot implements plot.Plotter.
func (ls endLabels) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	ys := make([]float64, len(ls))
	for i, l := range ls {
		ys[i] = float64(trY(l.y))
	}
	step := 1.12 * small
	placed := spread(ys, step, float64(c.Min.Y), float64(c.Max.Y))
	for i, l := range ls {
		x, tie := trX(l.x), draw.LineStyle{Color: l.style.Color, Width: 0.5}
		c.StrokeLine2(tie, x+2, vg.Length(ys[i]), x+11, vg.Length(placed[i]))
		c.FillText(l.style, vg.Point{X: x + 13, Y: vg.Length(placed[i])}, l.text)
	}
}

// spread moves ys apart to at least step, each as little as it can, within [lo, hi] if they fit.
func spread(ys []float64, step, lo, hi float64) []float64 {
	order := make([]int, len(ys))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return ys[order[a]] < ys[order[b]] })
	// Pool adjacent violators: a block is a run of labels that touch, centred on its members.
	type block struct{ sum, n float64 }
	var blocks []block
	for k, i := range order {
		blocks = append(blocks, block{ys[i] - float64(k)*step, 1})
		for len(blocks) > 1 {
			a, b := blocks[len(blocks)-2], blocks[len(blocks)-1]
			if a.sum/a.n < b.sum/b.n {
				break
			}
			blocks = append(blocks[:len(blocks)-2], block{a.sum + b.sum, a.n + b.n})
		}
	}
	out := make([]float64, len(ys))
	k := 0
	for _, b := range blocks {
		for range int(b.n) {
			y := b.sum/b.n + float64(k)*step
			low, high := lo+float64(k)*step, hi-float64(len(ys)-1-k)*step
			out[order[k]] = math.Max(low, math.Min(y, math.Max(low, high)))
			k++
		}
	}
	return out
}
