package compressors

import (
	"fmt"
	"strings"

	"kvgauge/compressors/internal/entropy"
	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// allocate gives every head of every layer, keys and values apart, its own number of bits within a
// budget, for any codec that has a parameter bits: what RateQuant (arXiv 2605.06675) found that
// uniform allocation lacks. The first and last layers stay raw, as vLLM's TurboQuant presets keep
// them.
//
// On the calibration caches the codec's distortion is measured at each width, D(b) = α·β^−b is
// fitted with one β for the codec and an α for each head, and bits go where they lower Σ D most,
// one at a time, until the budget is spent: reverse water-filling with whole bits. Distortions are
// counted relative to the energy of their layer and side (weight=nmse), so that large keys do not
// outbid small values, or as they are (weight=mse).
//
// The budget counts payload bits a value, scales and all, of the heads that are compressed; raw
// layers come on top, and every ratio counts them. Where RateQuant weighs heads by how much the
// loss feels their errors, which takes gradients, this codec's weights are the two above.
//
// Payload: as a wrapper's, one part for each raw layer and each head. State: layers, heads, then
// the width of each head of K, then of V, a byte each.
type allocate struct {
	params  allocateParams
	widths  []int
	inner   []Codec // by widths
	caps    Capabilities
	wrapper // of the fitted codec; without parts before
	layers  int
	heads   int
}

type allocateParams struct {
	Budget float64 `param:"budget" doc:"payload bits a value, over what is not raw, 1 to 16"`
	Codec  string  `param:"codec" doc:"a codec that has a parameter bits, without it"`
	Raw    int     `param:"raw" doc:"how many first and how many last layers stay raw"`
	Weight string  `param:"weight" doc:"nmse: errors relative to their layer's energy; mse: as they are"`
}

// Canonical returns p with its spec in canonical form.
func (p allocateParams) Canonical() (allocateParams, error) {
	spec, _, err := openInner(p.Codec)
	if err != nil {
		return p, fmt.Errorf("codec: %w", err)
	}
	p.Codec = spec
	return p, nil
}

func init() {
	Register(registry.Family[Codec, allocateParams]{
		Name: "allocate", Doc: "a budget of bits, spent by layer and head where it lowers errors most",
		Source: "RateQuant, arXiv 2605.06675", Tags: []string{"wrapper", "fitted"},
		Defaults: allocateParams{4.5, "uniform", 1, "nmse"},
		Variants: []allocateParams{{3.5, "hadamard", 0, "mse"}},
		New:      newAllocate,
	})
	Certify("allocate", Certificate{
		Deviations: []string{"heads are weighted by energy, not by the gradient of the loss"},
		Anchors: []Anchor{{Spec: "allocate:budget=3.75,raw=0,weight=mse", Source: halved, Measure: NMSE,
			Want: .01711, Within: .02 * .01711, Basis: Oracle,
			From: "4 bits for the large head and 3 for the small, of int4's and int3's NMSE on white noise"}},
		Beyond: []Claim{{"KIVI at 2.5 bits from a perplexity of 49.3 to 14.9, Qwen3-8B (arXiv 2605.06675, abstract)",
			"that model on a GPU, and gradients of its loss"}},
		UseWhen: "a fixed number of bits has to go further than the same width everywhere",
	})
}

// halved is white noise whose second head is half as large: a bit less of reverse water-filling.
var halved = Source{Name: "white Gaussian, f16, D=128, one head half as large",
	Make: func() kv.Tensor { return halvedNoise(512) },
	Fit:  func() []kv.Tensor { return []kv.Tensor{halvedNoise(300)} },
}

func halvedNoise(tokens int) kv.Tensor {
	t := WhiteNoise(tokens, kv.F16)
	for _, side := range kv.Sides {
		plane := t.Plane(side, 0, 1)
		for i, b := range plane {
			plane[i] = kv.F16.Bits(kv.F16.Float(b) / 2)
		}
	}
	return t
}

func newAllocate(p allocateParams) (Codec, error) {
	if !(p.Budget >= 1 && p.Budget <= 16) {
		return nil, fmt.Errorf("budget is %v bits, want 1 to 16", p.Budget)
	}
	if p.Raw < 0 || p.Raw > 1<<16 {
		return nil, fmt.Errorf("raw is %d, want a number of layers", p.Raw)
	}
	if p.Weight != "nmse" && p.Weight != "mse" {
		return nil, fmt.Errorf("weight is %q, want nmse or mse", p.Weight)
	}
	if strings.Contains(p.Codec, "+") {
		return nil, fmt.Errorf("codec is %s, want one codec, not a chain", p.Codec)
	}
	a := &allocate{params: p}
	var reason error
	for b := 1; b <= 8; b++ {
		join := ":"
		if strings.Contains(p.Codec, ":") {
			join = ","
		}
		_, c, err := openInner(fmt.Sprintf("%s%sbits=%d", p.Codec, join, b))
		if err != nil {
			reason = err
			continue
		}
		a.widths, a.inner = append(a.widths, b), append(a.inner, c)
	}
	if len(a.inner) < 2 {
		return nil, fmt.Errorf("codec %s has no two widths to choose among: %w", p.Codec, reason)
	}
	a.caps = a.inner[0].Capabilities()
	if a.caps.NeedsFit || a.caps.Lossless {
		return nil, fmt.Errorf("codec %s: want a lossy codec that needs no fitting", p.Codec)
	}
	// Each part's length is written before it, and what a width takes is known only once fitted.
	a.caps.NeedsFit, a.caps.FixedRate, a.caps.Streaming = true, false, "tensor"
	return a, nil
}

// Capabilities implements Codec.
func (a *allocate) Capabilities() Capabilities { return a.caps }

// A share is one head of one side of one layer: what its widths cost and leave.
type share struct {
	bytes []float64 // payload bytes by width, over the calibration caches
	logD  []float64 // log2 of the weighted distortion, by width
	base  float64   // log2 α of the fit
	width int       // index of the width that it was given
}

// Fit implements Fitter.
func (a *allocate) Fit(caches []kv.Tensor) (Codec, error) {
	t := caches[0]
	state := []byte{byte(t.Layers >> 8), byte(t.Layers), byte(t.Heads >> 8), byte(t.Heads)}
	if t.Layers >= 1<<16 || t.Heads >= 1<<16 {
		return nil, fmt.Errorf("%w: %d layers and %d heads", ErrUnsupported, t.Layers, t.Heads)
	}
	var shares []*share
	values := 0.0
	for _, side := range kv.Sides {
		for l := a.params.Raw; l < t.Layers-a.params.Raw && t.Dim(side) > 0; l++ {
			energy := a.energy(caches, side, l)
			for h := range t.Heads {
				s, err := a.measure(caches, side, l, h, energy)
				if err != nil {
					return nil, err
				}
				shares = append(shares, s)
			}
			for _, c := range caches {
				values += float64(c.Heads * c.Tokens * c.Dim(side))
			}
		}
	}
	spend(shares, a.params.Budget*values/8)
	at := 0
	for _, side := range kv.Sides {
		for l := range t.Layers {
			for range t.Heads {
				width := 0 // raw, or no such side
				if t.Dim(side) > 0 && l >= a.params.Raw && l < t.Layers-a.params.Raw {
					width = a.widths[shares[at].width]
					at++
				}
				state = append(state, byte(width))
			}
		}
	}
	return a.WithState(state)
}

// energy is what errors of a layer and side are held against.
func (a *allocate) energy(caches []kv.Tensor, side kv.Side, l int) float64 {
	if a.params.Weight == "mse" {
		return 1
	}
	sum := 0.0
	for _, t := range caches {
		for h := range t.Heads {
			for token := range t.Tokens {
				for _, b := range t.Row(side, l, h, token) {
					x := float64(t.DType.Float(b))
					sum += float64(x * x)
				}
			}
		}
	}
	return max(sum, 0x1p-1000)
}

// measure takes one head through every width.
func (a *allocate) measure(caches []kv.Tensor, side kv.Side, l, h int, energy float64) (*share, error) {
	s := &share{}
	var payload []byte
	for _, c := range a.inner {
		bytes, sse := 0, 0.0
		for _, t := range caches {
			view := t.Head(l, h).Only(side)
			var err error
			if payload, err = c.AppendCompress(payload[:0], view); err != nil {
				return nil, err
			}
			back := kv.New(view.Shape, view.DType)
			back.Meta = view.Meta
			if err := c.Decompress(back, payload); err != nil {
				return nil, err
			}
			bytes += len(payload)
			sse += squaredError(view, back, side)
		}
		s.bytes = append(s.bytes, float64(bytes))
		s.logD = append(s.logD, entropy.Log2(max(sse/energy, 0x1p-1000)))
	}
	return s, nil
}

func squaredError(a, b kv.Tensor, side kv.Side) float64 {
	sum := 0.0
	for token := range a.Tokens {
		x, y := a.Row(side, 0, 0, token), b.Row(side, 0, 0, token)
		for i := range x {
			e := float64(a.DType.Float(x[i])) - float64(b.DType.Float(y[i]))
			sum += float64(e * e)
		}
	}
	return sum
}

// spend gives widths to the shares until their bytes reach the budget. With D = α·β^−b the next
// bit is worth most where log2 α − b·log2 β is largest, whatever β: logarithms alone decide.
func spend(shares []*share, budget float64) {
	slope := fitSlope(shares)
	spent := 0.0
	for _, s := range shares {
		spent += s.bytes[0]
	}
	for {
		var best *share
		for _, s := range shares {
			if s.width+1 < len(s.bytes) && spent+s.bytes[s.width+1]-s.bytes[s.width] <= budget &&
				(best == nil || s.worth(slope) > best.worth(slope)) {
				best = s
			}
		}
		if best == nil {
			return
		}
		spent += best.bytes[best.width+1] - best.bytes[best.width]
		best.width++
	}
}

// worth is log2 of the distortion that the next width takes away, but for what all shares have in
// common.
func (s *share) worth(slope float64) float64 { return s.base + float64(slope*float64(s.width)) }

// fitSlope fits log2 D = base + slope·width to all shares by least squares, with one slope.
func fitSlope(shares []*share) float64 {
	if len(shares) == 0 {
		return 0
	}
	n := float64(len(shares[0].logD))
	middle, xx, xy := (n-1)/2, 0.0, 0.0
	for _, s := range shares {
		for i, d := range s.logD {
			x := float64(i) - middle
			xx += float64(x * x)
			xy += float64(x * d)
		}
	}
	slope := xy / xx
	for _, s := range shares {
		sum := 0.0
		for _, d := range s.logD {
			sum += d
		}
		s.base = sum/n - float64(slope*middle)
	}
	return slope
}

// WithState implements Fitter.
func (a *allocate) WithState(state []byte) (Codec, error) {
	if len(state) < 4 {
		return nil, corrupt("an allocation of %d bytes", len(state))
	}
	layers, heads := int(state[0])<<8|int(state[1]), int(state[2])<<8|int(state[3])
	if len(state)-4 != len(kv.Sides)*layers*heads {
		return nil, corrupt("an allocation of %d bytes for %d layers and %d heads", len(state), layers, heads)
	}
	f := *a
	f.layers, f.heads = layers, heads
	f.wrapper = wrapper{state: NewState(append([]byte(nil), state...)), lossy: true}
	for i, width := range state[4:] {
		side := kv.Sides[i/(layers*heads)]
		l, h := i/heads%layers, i%heads
		var c Codec = identity{}
		if width > 0 {
			if c = a.ofWidth(int(width)); c == nil {
				return nil, corrupt("an allocation of %d bits", width)
			}
		}
		f.parts = append(f.parts, part{c, func(t kv.Tensor) (kv.Tensor, bool) {
			return t.Head(l, h).Only(side), t.Dim(side) > 0
		}})
	}
	return &f, nil
}

func (a *allocate) ofWidth(bits int) Codec {
	for i, b := range a.widths {
		if b == bits {
			return a.inner[i]
		}
	}
	return nil
}

func (a *allocate) check(t kv.Tensor) error {
	switch {
	case a.state == nil:
		return ErrUnfitted
	case t.Layers != a.layers || t.Heads != a.heads:
		return fmt.Errorf("%w: %d layers of %d heads, and fitted to %d of %d", ErrUnsupported,
			t.Layers, t.Heads, a.layers, a.heads)
	}
	return nil
}

// AppendCompress implements Codec.
func (a *allocate) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if err := a.check(src); err != nil {
		return dst, err
	}
	return a.wrapper.AppendCompress(dst, src)
}

// Decompress implements Codec.
func (a *allocate) Decompress(dst kv.Tensor, src []byte) error {
	if err := a.check(dst); err != nil {
		return err
	}
	return a.wrapper.Decompress(dst, src)
}
