package compressors

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// wrapper gives parts of a cache to codecs of their own. Files with wrappers are named wrap*.go,
// because they open other codecs when they register, and init runs in the order of file names.
//
// Payload: for each part that the tensor has, uvarint length, then the part's payload.
type wrapper struct {
	parts []part
	state *State // nil if no part was fitted
	lossy bool   // refuse NaN and infinities even if no part would
}

// A part is a window of a tensor and the codec that takes it.
type part struct {
	codec Codec
	view  func(kv.Tensor) (kv.Tensor, bool) // false if this tensor has no such part
}

// openInner opens a codec for a wrapper, which takes no token droppers.
func openInner(text string) (string, Codec, error) {
	if strings.Count(text, "(") > 8 {
		return "", nil, fmt.Errorf("codec %.40q…: wrappers in wrappers beyond reason", text)
	}
	spec, c, err := Open(text)
	if err != nil {
		return "", nil, err
	}
	if c.Capabilities().DropsTokens {
		return "", nil, fmt.Errorf("%s drops tokens, which stands before the wrapper: %s+…",
			spec, spec.Name())
	}
	return string(spec), c, nil
}

// codecs are those of the parts, in order.
func (w *wrapper) codecs() []Codec {
	out := make([]Codec, len(w.parts))
	for i, p := range w.parts {
		out[i] = p.codec
	}
	return out
}

// with returns the wrapper with other codecs for its parts, fitted ones.
func (w *wrapper) with(codecs []Codec, state *State) wrapper {
	parts := append([]part(nil), w.parts...)
	for i := range parts {
		parts[i].codec = codecs[i]
	}
	return wrapper{parts: parts, state: state}
}

func (w *wrapper) fit(caches []kv.Tensor) (wrapper, error) {
	view := func(i int, t kv.Tensor) (kv.Tensor, bool) { return w.parts[i].view(t) }
	codecs, state, err := fitParts(w.codecs(), view, caches)
	if err != nil {
		return *w, err
	}
	return w.with(codecs, state), nil
}

func (w *wrapper) withState(b []byte) (wrapper, error) {
	codecs, state, err := partsWithState(w.codecs(), b)
	if err != nil {
		return *w, err
	}
	return w.with(codecs, state), nil
}

// State implements Stateful.
func (w *wrapper) State() *State { return w.state }

// Fit implements Fitter: each part is fitted to what it takes.
func (w *wrapper) Fit(caches []kv.Tensor) (Codec, error) {
	fitted, err := w.fit(caches)
	return &fitted, err
}

// WithState implements Fitter.
func (w *wrapper) WithState(b []byte) (Codec, error) {
	fitted, err := w.withState(b)
	return &fitted, err
}

// Capabilities implements Codec: what all parts promise, and what any needs.
func (w *wrapper) Capabilities() Capabilities {
	all := Capabilities{Lossless: true, KeyOnly: true, Streaming: "tensor"}
	for _, p := range w.parts {
		c := p.codec.Capabilities()
		all.Lossless = all.Lossless && c.Lossless
		all.KeyOnly = all.KeyOnly && c.KeyOnly
		all.NeedsFit = all.NeedsFit || c.NeedsFit
		all.NeedsStats = all.NeedsStats || c.NeedsStats
		all.PreRope = all.PreRope || c.PreRope
		all.RecentWindow = all.RecentWindow || c.RecentWindow
	}
	return all
}

// AppendCompress implements Codec.
func (w *wrapper) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	base, lossy := len(dst), w.lossy || !w.Capabilities().Lossless
	for _, p := range w.parts {
		view, ok := p.view(src)
		if !ok {
			continue
		}
		var err error
		if lossy && p.codec.Capabilities().Lossless { // one rule for the whole: others see to it themselves
			err = checkFinite(view)
		}
		if err == nil {
			dst, err = p.append(dst, view)
		}
		if errors.Is(err, ErrNonFinite) {
			err = cmp.Or(checkFinite(src), err) // names the place in the whole
		}
		if err != nil {
			return dst[:base], err
		}
	}
	return dst, nil
}

// append appends the length of a part's payload and the payload.
func (p part) append(dst []byte, view kv.Tensor) ([]byte, error) {
	room := binary.MaxVarintLen64
	if sizer, ok := p.codec.(Sizer); ok {
		room = (max(bits.Len(uint(sizer.PredictedBytes(view))), 1) + 6) / 7
	}
	at := len(dst)
	var blank [binary.MaxVarintLen64]byte
	dst, err := p.codec.AppendCompress(append(dst, blank[:room]...), view)
	if err != nil {
		return dst, err
	}
	n := len(dst) - at - room
	used := binary.PutUvarint(blank[:], uint64(n))
	if used != room { // the size was not known, or groups are raw
		dst = append(dst, blank[:]...)
		copy(dst[at+used:], dst[at+room:at+room+n])
	}
	copy(dst[at:], blank[:used])
	return dst[:at+used+n], nil
}

// spread implements spreader.
func (w *wrapper) spread(workers int) Codec {
	wide := w.widened(workers)
	return &wide
}

func (w *wrapper) widened(workers int) wrapper {
	wide := *w
	wide.parts = slices.Clone(w.parts)
	for i, p := range w.parts {
		wide.parts[i].codec = Parallel(p.codec, workers)
	}
	return wide
}

// cut takes the next part's payload off src.
func (w *wrapper) cut(src []byte) (payload, rest []byte, err error) {
	n, used := binary.Uvarint(src)
	if used <= 0 || n > uint64(len(src)-used) || n > math.MaxInt32 {
		return nil, nil, corrupt("a part is cut short")
	}
	return src[used : used+int(n)], src[used+int(n):], nil
}

// Decompress implements Codec.
func (w *wrapper) Decompress(dst kv.Tensor, src []byte) error {
	for _, p := range w.parts {
		view, ok := p.view(dst)
		if !ok {
			continue
		}
		payload, rest, err := w.cut(src)
		if err != nil {
			return err
		}
		if err := p.codec.Decompress(view, payload); err != nil {
			return err
		}
		src = rest
	}
	if len(src) > 0 {
		return corrupt("%d bytes left over", len(src))
	}
	return nil
}

// AppendSections implements Sectioner.
func (w *wrapper) AppendSections(dst []Section, head kv.Tensor, src []byte) ([]Section, error) {
	for _, p := range w.parts {
		view, ok := p.view(head)
		if !ok {
			continue
		}
		payload, rest, err := w.cut(src)
		if err != nil {
			return dst, err
		}
		dst = append(dst, Section{Header, len(src) - len(rest) - len(payload)})
		if s, ok := p.codec.(Sectioner); ok {
			if dst, err = s.AppendSections(dst, view, payload); err != nil {
				return dst, err
			}
		} else {
			dst = append(dst, Section{Codes, len(payload)})
		}
		src = rest
	}
	return dst, nil
}

type asymParams struct {
	K string `param:"k" doc:"codec of the keys"`
	V string `param:"v" doc:"codec of the values"`
}

// Canonical returns p with its specs in canonical form.
func (p asymParams) Canonical() (asymParams, error) {
	k, _, err := openInner(p.K)
	if err != nil {
		return p, fmt.Errorf("k: %w", err)
	}
	v, _, err := openInner(p.V)
	if err != nil {
		return p, fmt.Errorf("v: %w", err)
	}
	return asymParams{k, v}, nil
}

type layersParams struct {
	Only  int    `param:"only" doc:"the layer that is compressed, from 0; the others stay raw"`
	Codec string `param:"codec" doc:"codec of that layer"`
}

// Canonical returns p with its spec in canonical form.
func (p layersParams) Canonical() (layersParams, error) {
	spec, _, err := openInner(p.Codec)
	if err != nil {
		return p, fmt.Errorf("codec: %w", err)
	}
	return layersParams{p.Only, spec}, nil
}

func init() {
	Register(registry.Family[Codec, asymParams]{
		Name: "asym", Doc: "one codec for the keys, another for the values", Source: "this repository",
		Tags: []string{"wrapper"}, Defaults: asymParams{"q8_0", "q4_0"},
		Variants: []asymParams{{"kivi:residual=0", "lossless_split"}, {"identity", "uniform:bits=2"}},
		New: func(p asymParams) (Codec, error) {
			_, k, err := openInner(p.K)
			if err != nil {
				return nil, fmt.Errorf("k: %w", err)
			}
			_, v, err := openInner(p.V)
			if err != nil {
				return nil, fmt.Errorf("v: %w", err)
			}
			return &wrapper{parts: []part{{k, onlySide(kv.K)}, {v, onlySide(kv.V)}}}, nil
		},
	})
	Register(registry.Family[Codec, layersParams]{
		Name: "layers", Doc: "one layer through a codec, the others raw: what a layer costs",
		Source: "this repository", Tags: []string{"wrapper"},
		Defaults: layersParams{0, "q4_0"}, Variants: []layersParams{{0, "lossless_split"}},
		New: func(p layersParams) (Codec, error) {
			_, c, err := openInner(p.Codec)
			if err != nil {
				return nil, fmt.Errorf("codec: %w", err)
			}
			if p.Only < 0 || p.Only > 1<<20 {
				return nil, fmt.Errorf("only is %d, want the number of a layer, from 0", p.Only)
			}
			return &layerWrapper{wrapper{parts: []part{
				{identity{}, someLayers(func(l int) (int, int) { return 0, p.Only })},
				{c, someLayers(func(l int) (int, int) { return p.Only, p.Only + 1 })},
				{identity{}, someLayers(func(l int) (int, int) { return p.Only + 1, l })},
			}}, p.Only}, nil
		},
	})
	Certify("asym", Certificate{
		Anchors: OnWhite("q8_0's and q4_0's", WhiteRow{Spec: "asym", Bits: 6.5, Keys: 2.86e-5, Values: .00740}),
		UseWhen: "keys need more bits than values, as they mostly do",
	})
	Certify("layers", Certificate{
		Anchors: OnWhite("q4_0's", WhiteRow{Spec: "layers", Bits: 4.5, NMSE: .00740}),
		UseWhen: "you ask what one layer costs",
	})
}

// onlySide returns the view of one side.
func onlySide(side kv.Side) func(kv.Tensor) (kv.Tensor, bool) {
	return func(t kv.Tensor) (kv.Tensor, bool) {
		t = t.Only(side)
		return t, t.Dim(side) > 0
	}
}

// someLayers returns the view of a range of layers, which depends on how many there are.
func someLayers(span func(layers int) (from, to int)) func(kv.Tensor) (kv.Tensor, bool) {
	return func(t kv.Tensor) (kv.Tensor, bool) {
		from, to := span(t.Layers)
		if from >= to || to > t.Layers {
			return t, false
		}
		return t.SliceLayers(from, to), true
	}
}

// layerWrapper is a wrapper that names a layer, which a tensor may not have.
type layerWrapper struct {
	wrapper
	only int
}

// Fit implements Fitter.
func (w *layerWrapper) Fit(caches []kv.Tensor) (Codec, error) {
	fitted, err := w.fit(caches)
	return &layerWrapper{fitted, w.only}, err
}

// WithState implements Fitter.
func (w *layerWrapper) WithState(b []byte) (Codec, error) {
	fitted, err := w.withState(b)
	return &layerWrapper{fitted, w.only}, err
}

// AppendCompress implements Codec.
func (w *layerWrapper) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if w.only >= src.Layers {
		return dst, fmt.Errorf("%w: layer %d of %d", ErrUnsupported, w.only, src.Layers)
	}
	return w.wrapper.AppendCompress(dst, src)
}

// Decompress implements Codec.
func (w *layerWrapper) Decompress(dst kv.Tensor, src []byte) error {
	if w.only >= dst.Layers {
		return corrupt("layer %d of %d", w.only, dst.Layers)
	}
	return w.wrapper.Decompress(dst, src)
}

// spread implements spreader.
func (w *layerWrapper) spread(workers int) Codec {
	return &layerWrapper{w.widened(workers), w.only}
}
