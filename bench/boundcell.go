package bench

import (
	"context"
	"errors"
	"fmt"
	"math"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/configs"
	"kvgauge/internal/stats"
	"kvgauge/results"
)

// A sideRate is what a codec makes of one side of a cache: the rate that it spends and the
// distortion that it leaves, over the tokens behind the sinks.
type sideRate struct {
	Rate     results.Number   `json:"rate"`               // payload bits a value
	ByLayer  []results.Number `json:"by_layer"`           // of each layer alone, or Rate
	MSE      []results.Number `json:"mse"`                // of each layer
	Weighted []results.Number `json:"weighted,omitempty"` // eᵀ·E[qqᵀ]·e a channel, of each layer
	Whole    bool             `json:"whole,omitempty"`    // K and V could not be told apart
}

// A bounded is what the distance to the bound is made of.
type bounded struct {
	Sides [2]*sideRate `json:"sides"`
	Note  string       `json:"note,omitempty"` // why there is none
}

// boundOf returns the bounds of a source, or nil.
func (p *Plan) boundOf(source int) *bounds {
	p.fits.mu.Lock()
	defer p.fits.mu.Unlock()
	return p.fits.bounds[source]
}

// bound fits the bounds of a source, and codecs that need it to each side alone.
func (p *Plan) bound(ctx context.Context, source int, cells []Cell, caches []kv.Tensor, err error) error {
	b := &bounds{err: err}
	if err == nil {
		b = newBounds(caches)
		b.fitted = map[int][2]compressors.Codec{}
		for _, c := range cells {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if codec := p.Codecs[c.Codec]; c.Skip == "" && codec.Caps.NeedsFit {
				b.fitted[c.Codec] = fitSides(codec, caches)
			}
		}
	}
	p.fits.mu.Lock()
	defer p.fits.mu.Unlock()
	if p.fits.bounds == nil {
		p.fits.bounds = map[int]*bounds{}
	}
	p.fits.bounds[source] = b
	return nil
}

// fitSides fits a codec to keys alone and to values alone; nil where it does not take such caches.
func fitSides(c Codec, caches []kv.Tensor) (out [2]compressors.Codec) {
	for _, side := range kv.Sides {
		if caches[0].Dim(side) == 0 {
			continue
		}
		views := make([]kv.Tensor, len(caches))
		for i, t := range caches {
			views[i] = t.Only(side)
		}
		if f := fitOne(c, views); f.err == nil {
			out[side] = f.codec
		}
	}
	return out
}

// measureBound takes a cell's codec over each side of a cache.
func (p *Plan) measureBound(c Cell, cache kv.Tensor) (out *bounded) {
	codec, b := p.codec(c), p.boundOf(c.Source)
	switch {
	case b == nil || b.err != nil:
		return &bounded{Note: fmt.Sprint(b.err)}
	case codec.Caps.Lossless:
		return &bounded{Note: "lossless: no distortion, so no finite rate describes the source"}
	case codec.Caps.DropsTokens:
		return &bounded{Note: "drops tokens, whose error is not one of values"}
	case cache.Tokens <= boundSinks:
		return &bounded{Note: "no tokens behind the sinks"}
	}
	defer func() {
		if p := recover(); p != nil {
			out = &bounded{Note: fmt.Sprintf("codec %s panics: %v", codec.Spec, p)}
		}
	}()
	t := cache.Slice(boundSinks, cache.Tokens)
	out = &bounded{}
	for _, side := range kv.Sides {
		if cache.Dim(side) == 0 {
			continue
		}
		r, err := b.side(c.Codec, codec, t, side)
		if err != nil {
			return &bounded{Note: err.Error()}
		}
		out.Sides[side] = r
	}
	return out
}

// side measures one side of t.
func (b *bounds) side(index int, c Codec, t kv.Tensor, side kv.Side) (*sideRate, error) {
	codec, view, whole := c.Codec, t.Only(side), false
	if c.Caps.NeedsFit {
		codec = b.fitted[index][side]
	}
	var payload []byte
	err := compressors.ErrUnsupported
	if codec != nil && c.Caps.KeyOnly {
		payload, err = codec.AppendCompress(nil, view)
	}
	if errors.Is(err, compressors.ErrUnsupported) { // takes no side alone: both, at their mean rate
		codec, view, whole = c.Codec, t, true
		payload, err = codec.AppendCompress(nil, view)
	}
	if err != nil {
		return nil, err
	}
	back := kv.New(view.Shape, view.DType)
	back.Meta = view.Meta
	if err := codec.Decompress(back, payload); err != nil {
		return nil, err
	}
	r := &sideRate{Rate: results.Number(8 * float64(len(payload)) / float64(view.RawBytes()/2)), Whole: whole}
	for l := range t.Layers {
		weights := b.sides[side][l].weights
		mse, weighted := layerError(t, back, side, l, weights)
		r.MSE = append(r.MSE, results.Number(mse))
		if weights != nil {
			r.Weighted = append(r.Weighted, results.Number(weighted))
		}
	}
	r.ByLayer = byLayer(codec, c.Caps, view, len(payload), r.Rate)
	return r, nil
}

// byLayer returns the rate of each layer, if the layers' payloads made alone are together what the
// payload of all is; where layers depend on each other or on their number, the mean stands for all.
func byLayer(c compressors.Codec, caps compressors.Capabilities, t kv.Tensor, total int,
	mean results.Number) []results.Number {
	out, sum := make([]results.Number, t.Layers), 0
	for l := range out {
		out[l] = mean
	}
	if caps.NeedsFit || caps.FixedRate {
		return out
	}
	alone := make([]results.Number, t.Layers)
	for l := range alone {
		view := t.SliceLayers(l, l+1)
		payload, err := c.AppendCompress(nil, view)
		if err != nil {
			return out
		}
		sum += len(payload)
		alone[l] = results.Number(8 * float64(len(payload)) / float64(view.RawBytes()/2))
	}
	if math.Abs(float64(sum-total)) > 0.01*float64(total) {
		return out
	}
	return alone
}

// layerError returns the mean squared error of a value of one layer and, with weights M by head, the
// mean of eᵀMe over tokens and channels.
func layerError(a, b kv.Tensor, side kv.Side, l int, weights [][]float64) (mse, weighted float64) {
	dim := a.Dim(side)
	x, y := make([]float32, dim), make([]float32, dim)
	e := make([]float64, dim)
	for h := range a.Heads {
		for token := range a.Tokens {
			a.DType.Widen(x, a.Row(side, l, h, token))
			b.DType.Widen(y, b.Row(side, l, h, token))
			for i := range e {
				e[i] = float64(x[i]) - float64(y[i])
				mse += float64(e[i] * e[i])
			}
			if weights != nil {
				weighted += quadratic(weights[h], e)
			}
		}
	}
	n := float64(a.Heads * a.Tokens * dim)
	return mse / n, weighted / n
}

// quadratic is eᵀMe.
func quadratic(m, e []float64) float64 {
	sum := 0.0
	for i, v := range e {
		if v == 0 {
			continue
		}
		row := 0.0
		for j, w := range m[i*len(e) : (i+1)*len(e)] {
			row += float64(w * e[j])
		}
		sum += float64(v * row)
	}
	return sum
}

// boundMetrics makes a cell's metrics from what came of its samples.
func (p *Plan) boundMetrics(c Cell, outs []outcome) []results.Metric {
	b := p.boundOf(c.Source)
	if !p.Sweep.Has(configs.Bound) || b == nil {
		return nil
	}
	var out []results.Metric
	for _, side := range kv.Sides {
		note := ""
		for i := range outs {
			switch x := outs[i].Bound; {
			case x == nil:
				note = "not measured"
			case x.Note != "":
				note = x.Note
			case x.Sides[side] == nil:
				note = b.why(side, "")
			}
		}
		if note != "" {
			out = append(out, results.Metric{Name: fmt.Sprintf("rate_%v_bits", side), Kind: results.Numeric,
				Better: -1, Over: "prompt", Values: []results.Number{}, Note: note})
			continue
		}
		out = append(out, b.metrics(side, outs)...)
	}
	return out
}

// metrics makes those of one side.
func (b *bounds) metrics(side kv.Side, outs []outcome) []results.Metric {
	layers := len(b.sides[side])
	numeric := func(name string, better int, over string) results.Metric {
		return results.Metric{Name: fmt.Sprintf(name, side), Kind: results.Numeric, Better: better, Over: over,
			Values: []results.Number{}, Tolerance: boundTolerance, AbsTolerance: 1e-3}
	}
	rate, rates := numeric("rate_%v_bits", -1, "prompt"), make([]float64, layers)
	snr, errs := numeric("snr_%v_centred_db", 1, "prompt"), make([]float64, layers)
	for i := range outs {
		x := outs[i].Bound.Sides[side]
		if x.Whole {
			rate.Note = "of keys and values together: the codec takes neither alone"
		}
		rate.Values = append(rate.Values, x.Rate)
		decibels := 0.0
		for l, d := range x.MSE {
			signal := b.sides[side][l].spectra[scopeWhite].Total() / float64(b.sides[side][l].values)
			decibels += 10 * math.Log10(signal/float64(d)) / float64(layers)
			rates[l] += float64(x.ByLayer[l]) / float64(len(outs))
			errs[l] += float64(d) / float64(len(outs))
		}
		snr.Values = append(snr.Values, results.Number(decibels))
	}
	layerRate, layerErr := numeric("rate_%v_bits_by_layer", -1, "layer"), numeric("mse_%v_by_layer", -1, "layer")
	layerRate.Values, layerErr.Values = results.Numbers(rates...), results.Numbers(errs...)
	out := []results.Metric{rate, snr, layerRate, layerErr}
	if w := b.weightedSNR(side, outs); len(w) > 0 {
		m := numeric("snr_%v_weighted_db", 1, "prompt")
		m.Values = w
		out = append(out, m)
	}
	for _, scope := range boundScopes(side) {
		gap := numeric("gap_%v_"+scope+"_bits", -1, "prompt")
		layerGap := numeric("gap_%v_"+scope+"_bits_by_layer", -1, "layer")
		if gap.Note = b.gaps(&gap, &layerGap, side, scope, outs); gap.Note != "" {
			out = append(out, gap)
			continue
		}
		out = append(out, gap, layerGap)
	}
	return out
}

// weightedSNR is the signal-to-noise ratio where errors cost what queries make of them, in decibels,
// mean over layers; nil where there are no queries.
func (b *bounds) weightedSNR(side kv.Side, outs []outcome) []results.Number {
	var out []results.Number
	for i := range outs {
		x, sum := outs[i].Bound.Sides[side], 0.0
		for l, d := range x.Weighted {
			s := b.sides[side][l].spectra[scopeWeighted]
			if s == nil {
				return nil
			}
			sum += 10 * math.Log10(s.Total()/float64(b.sides[side][l].values)/float64(d))
		}
		if len(x.Weighted) > 0 {
			out = append(out, results.Number(sum/float64(len(x.Weighted))))
		}
	}
	return out
}

// gaps fills the metrics of one scope, or returns why there are none.
func (b *bounds) gaps(gap, byLayer *results.Metric, side kv.Side, scope string, outs []outcome) string {
	mean := make([]float64, len(b.sides[side]))
	for i := range outs {
		x, all := outs[i].Bound.Sides[side], make([]float64, 0, len(mean))
		for l := range mean {
			d := float64(x.MSE[l])
			if scope == scopeWeighted {
				if len(x.Weighted) == 0 {
					return b.why(side, scope)
				}
				d = float64(x.Weighted[l])
			}
			if d == 0 {
				return "a layer came back without error, which no finite rate describes"
			}
			bound, ok := b.sides[side][l].rate(scope, d)
			if !ok {
				return b.why(side, scope)
			}
			all = append(all, float64(x.ByLayer[l])-bound)
			mean[l] += all[l] / float64(len(outs))
		}
		gap.Values = append(gap.Values, results.Number(stats.Mean(all)))
	}
	byLayer.Values = results.Numbers(mean...)
	return ""
}
