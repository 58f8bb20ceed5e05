package compressors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// kvQuant is KVQuant (Hooper et al., NeurIPS 2024, arXiv 2401.18079, sections 3.1 to 3.6; nuqB-1% in
// its tables). A row is what a token has in all heads of a layer.
//
//	keys    as they were before rotation; every channel has fitted thresholds, its 0.5th and 99.5th
//	        percentile, and is normalised to [-1, 1] by them; what lies beyond is an outlier
//	values  the largest and the smallest 0.5 % of a row are outliers; the rest is normalised to
//	        [-1, 1] by its own minimum and maximum
//
// A layer has one code book of 2^bits centroids for keys and one for values, fitted by k-means to
// normalised values. Outliers are kept apart: a value of 16 bits and an index of 16 bits. The first
// tokens of a sequence, attention's sinks, stay in 16 bits. With qnorm the centroids are moved so
// that mean and deviation survive quantisation (section 3.6). With cap a row of keys has places for 21
// outliers in 4096 at either end, whether there are so many or not; of more the farthest out are kept,
// and the others get the code nearest to them.
//
// Departures. Centroids are not weighted by Fisher information, because caches come without
// gradients: this is what the authors' code does without them. k-means is solved exactly, on bins
// of 1/2048. A row that the grid would serve worse than zeros would, with more than half its keys
// outliers or with a number beyond binary16 stays in 16 bits and is flagged.
//
// State: shape; per layer the offset and half width of each key channel, then the centroids of keys
// and of values, as float32.
//
// Payload: per layer and token after the sinks, the number of outliers of keys (u16), then of values
// the offset and half width (binary16); packed codes; outliers' values, in binary16 for keys and as
// patterns for values; their channels; rows in 16 bits. In each run keys come first. Bits per value
// for rows of n: bits + 0.01·32 + 16/n for keys, bits + 0.01·32 + 32/n for values.
type kvQuant struct {
	kvQuantParams
	state  *State
	to     fittedTo
	layers []nuqLayer
}

type kvQuantParams struct {
	Bits  int  `param:"bits" doc:"width of a code: 2, 3 or 4"`
	Sink  int  `param:"sink" doc:"first tokens of a sequence, kept in 16 bits"`
	QNorm bool `param:"qnorm" doc:"centroids keep mean and deviation"`
	Cap   bool `param:"cap" doc:"a row of keys has a fixed number of places for outliers"`
}

// kvQuantTail is the share of outliers at either end, kvQuantCap that for which a capped row of keys
// has places: 21 of 4096.
const (
	kvQuantTail = .005
	kvQuantCap  = 21. / 4096
)

func init() {
	Register(registry.Family[Codec, kvQuantParams]{
		Name:     "kvquant",
		Doc:      "KVQuant: keys before rotation, fitted code books, 1 % outliers apart",
		Source:   "Hooper et al., NeurIPS 2024, arXiv 2401.18079",
		Tags:     []string{"quantiser", "fitted"},
		Defaults: kvQuantParams{Bits: 3, Sink: 1},
		Variants: []kvQuantParams{{Bits: 4, Sink: 1}, {Bits: 2, Sink: 1, QNorm: true}, {Bits: 2}, {Bits: 3, Cap: true}},
		New: func(p kvQuantParams) (Codec, error) {
			switch {
			case p.Bits < 2 || p.Bits > 4:
				return nil, fmt.Errorf("bits is %d, want 2, 3 or 4", p.Bits)
			case p.Sink < 0:
				return nil, fmt.Errorf("sink is %d, want 0 or more", p.Sink)
			}
			if p.Cap {
				return kvQuantCapped{&kvQuant{kvQuantParams: p}}, nil
			}
			return &kvQuant{kvQuantParams: p}, nil
		},
	})
	Certify("kvquant", Certificate{
		Deviations: []string{
			"centroids are not weighted by Fisher information, because caches come without gradients: " +
				"the authors' code does the same without them",
			"k-means is solved exactly, on bins of 1/2048 of the half width",
			"outliers of keys are rounded to binary16, those of values keep their own type",
			"a row that its grid serves worse than zeros would, of which more than half are outliers, or " +
				"with a number beyond binary16 stays in 16 bits",
		},
		Anchors: onUneven("computed independently, from 2^22 values, by Lloyd's algorithm",
			WhiteRow{Spec: "kvquant:bits=2,sink=0", Bits: 2.336, Keys: .09642, Values: .09817},
			WhiteRow{Spec: "kvquant:bits=2,qnorm=true,sink=0", Bits: 2.336, Keys: .09913, Values: .10099},
			WhiteRow{Spec: "kvquant:sink=0", Bits: 3.336, Keys: .02624, Values: .02674},
			WhiteRow{Spec: "kvquant:bits=4,sink=0", Bits: 4.336, Keys: .006752, Values: .00687},
			WhiteRow{Spec: "kvquant:cap=true,sink=0", Bits: 3.336, Keys: .02732, Values: .02674}),
		Beyond: []Claim{
			{"perplexity of WikiText-2 3.96 → 3.98, 4.03, 4.26 at 4, 3, 2 bits, DBRX-base (authors' repository)",
				"a model of 132B and Fisher information"},
			{"perplexity less than 0.1 worse at 3 bits, LLaMA and Mistral (arXiv 2401.18079, abstract)",
				"models of 7B on a GPU"},
		},
		UseWhen: "2 to 4 bits must do, calibration caches are at hand, and keys have outlier channels",
	})
}

// Capabilities implements Codec.
func (c *kvQuant) Capabilities() Capabilities {
	return Capabilities{NeedsFit: true, PreRope: true, KeyOnly: true, FixedRate: c.Cap, Streaming: "token"}
}

// kvQuantCapped is a kvQuant with Cap: its payloads have a fixed size.
type kvQuantCapped struct{ *kvQuant }

// Fit implements Fitter.
func (c kvQuantCapped) Fit(caches []kv.Tensor) (Codec, error) { return capped(c.kvQuant.Fit(caches)) }

// WithState implements Fitter.
func (c kvQuantCapped) WithState(state []byte) (Codec, error) {
	return capped(c.kvQuant.WithState(state))
}

func capped(c Codec, err error) (Codec, error) {
	if err != nil {
		return nil, err
	}
	return kvQuantCapped{c.(*kvQuant)}, nil
}

// PredictedBytes implements Sizer.
func (c kvQuantCapped) PredictedBytes(head kv.Tensor) int {
	rows := c.rows(head)
	size := c.heads(head, rows).codes
	for _, side := range kv.Sides {
		width := head.Heads * head.Dim(side)
		each := (width*c.Bits+7)/8 + 4*2*kvQuantOutliers(width)
		if side == kv.K {
			each = (width*c.Bits+7)/8 + 4*2*kvQuantPlaces(width)
		}
		if width > 0 {
			size += head.Layers * (rows*each + 2*width*(head.Tokens-rows))
		}
	}
	return size
}

// kvQuantPlaces returns for how many outliers a capped row of n keys has places at either end.
func kvQuantPlaces(n int) int { return max(1, int(math.Round(kvQuantCap*float64(n)))) }

// State implements Stateful.
func (c *kvQuant) State() *State { return c.state }

// A nuqLayer is what one layer was fitted to.
type nuqLayer struct {
	off, half, inv, lo, hi []float32 // per channel of keys
	code, value            [2]*nuqBook
	books                  [2]*kern.Book   // bounds of code, and what value's codes stand for
	grids                  []kern.BookGrid // the numbers of channels of keys, by eight
}

// outliers returns how many values of a row of n are kept apart at either end.
func kvQuantOutliers(n int) int {
	return min(max(1, int(math.Round(kvQuantTail*float64(n)))), (n-1)/2)
}

// Fit implements Fitter.
func (c *kvQuant) Fit(caches []kv.Tensor) (Codec, error) {
	to := fittedToTensor(caches[0])
	state := to.append(nil)
	for l := range to.layers {
		for _, side := range kv.Sides {
			if to.dims[side] == 0 {
				continue
			}
			h := new(nuqHistogram)
			if side == kv.K {
				var err error
				if state, err = c.fitKeys(state, h, caches, l); err != nil {
					return nil, err
				}
			} else {
				c.fitValues(h, caches, l)
			}
			book := newNUQBook(h.fit(1 << c.Bits))
			for _, x := range book.values[:1<<c.Bits] {
				state = appendFloat(state, x)
			}
			if c.QNorm {
				h.normalise(book)
				for _, x := range book.values[:1<<c.Bits] {
					state = appendFloat(state, x)
				}
			}
		}
	}
	return c.WithState(state)
}

// fitKeys appends every channel's offset and half width, and counts the normalised keys of layer l.
func (c *kvQuant) fitKeys(state []byte, h *nuqHistogram, caches []kv.Tensor, l int) ([]byte, error) {
	width := fittedToTensor(caches[0]).width(kv.K)
	channels := make([][]float32, width)
	row := make([]float32, width)
	for _, t := range caches {
		turn, err := newKeyTurner(t)
		if err != nil {
			return nil, err
		}
		for token := range t.Tokens {
			if c.sunk(t, token) {
				continue
			}
			loadRow(row, t, kv.K, l, token)
			turnRow(row, turn, t.KeyDim, token, true)
			for i, x := range row {
				channels[i] = append(channels[i], x)
			}
		}
	}
	for _, values := range channels {
		slices.Sort(values)
		low, high := quantile(values, kvQuantTail), quantile(values, 1-kvQuantTail)
		off, half := float32((low+high)/2), float32((high-low)/2)
		state = appendFloat(appendFloat(state, off), half)
		inv := oneOver(half)
		for _, x := range values {
			if x >= off-half && x <= off+half {
				h.add((x - off) * inv)
			}
		}
	}
	return state, nil
}

// oneOver returns 1/half, and 0 for widths that are none.
func oneOver(half float32) float32 {
	if half < 0x1p-120 {
		return 0
	}
	return 1 / half
}

func (c *kvQuant) fitValues(h *nuqHistogram, caches []kv.Tensor, l int) {
	row := make([]float32, fittedToTensor(caches[0]).width(kv.V))
	apart := kvQuantOutliers(len(row))
	var e extremes
	for _, t := range caches {
		for token := range t.Tokens {
			if c.sunk(t, token) {
				continue
			}
			loadRow(row, t, kv.V, l, token)
			e.find(row, apart)
			off, half := valueGrid(e.bottom[apart].value, e.top[apart].value)
			inv := oneOver(half)
			if inv == 0 || off-off != 0 || half-half != 0 {
				continue
			}
			for _, x := range row {
				if x <= e.top[apart].value && x >= e.bottom[apart].value {
					h.add((x - off) * inv)
				}
			}
		}
	}
}

// sunk says whether a token is one of the sequence's first.
func (c *kvQuant) sunk(t kv.Tensor, token int) bool { return int(t.Meta.Position(token)) < c.Sink }

// loadRow fills row with what a token has in all heads of a layer.
func loadRow(row []float32, t kv.Tensor, side kv.Side, l, token int) {
	dim := t.Dim(side)
	for h := range t.Heads {
		t.DType.Widen(row[h*dim:(h+1)*dim], t.Row(side, l, h, token))
	}
}

// turnRow undoes or applies the rotation of the keys of a row.
func turnRow(row []float32, turn keyTurner, dim, token int, undo bool) {
	for ; len(row) > 0; row = row[dim:] {
		if undo {
			turn.undo(row[:dim], token)
		} else {
			turn.redo(row[:dim], token)
		}
	}
}

// WithState implements Fitter.
func (c *kvQuant) WithState(state []byte) (Codec, error) {
	state = bytes.Clone(state)
	to, rest, err := readFittedTo(state)
	if err != nil {
		return nil, err
	}
	books := 1 << c.Bits
	if c.QNorm {
		books *= 2
	}
	each := 0 // numbers per layer
	for _, side := range kv.Sides {
		if to.dims[side] > 0 {
			each += books
		}
	}
	if each += 2 * to.width(kv.K); len(rest) != 4*each*to.layers {
		return nil, corrupt("state of %d bytes, want %d", len(rest), 4*each*to.layers)
	}
	out := &kvQuant{c.kvQuantParams, NewState(state), to, make([]nuqLayer, to.layers)}
	r := stateReader{b: rest}
	for l := range out.layers {
		out.layers[l].read(&r, to, c.kvQuantParams)
	}
	if r.bad {
		return nil, corrupt("state holds what is no grid or code book")
	}
	return out, nil
}

func (y *nuqLayer) read(r *stateReader, to fittedTo, p kvQuantParams) {
	n := to.width(kv.K)
	room := make([]float32, 5*n)
	y.off, y.half, y.inv, y.lo, y.hi = room[:n], room[n:2*n], room[2*n:3*n], room[3*n:4*n], room[4*n:]
	for _, side := range kv.Sides {
		for i := 0; i < n && side == kv.K; i++ {
			y.off[i], y.half[i] = r.float(), r.float()
			y.inv[i], y.lo[i], y.hi[i] = oneOver(y.half[i]), y.off[i]-y.half[i], y.off[i]+y.half[i]
			r.bad = r.bad || y.half[i] < 0
		}
		if to.dims[side] == 0 {
			continue
		}
		y.code[side] = r.book(1<<p.Bits, true)
		y.value[side] = y.code[side]
		if p.QNorm {
			y.value[side] = r.book(1<<p.Bits, false)
		}
		y.books[side] = kern.NewBook(y.value[side].values[:], y.code[side].bounds[:nuqMax-1])
	}
	y.grids = make([]kern.BookGrid, ceilDiv(n, 8))
	for i := range n {
		g := &y.grids[i/8]
		g.Off[i%8], g.Half[i%8], g.Inv[i%8] = y.off[i], y.half[i], y.inv[i]
		g.Lo[i%8], g.Hi[i%8] = y.lo[i], y.hi[i]
	}
}

// book reads a code book, whose centroids must increase if codes are chosen by it.
func (r *stateReader) book(n int, increasing bool) *nuqBook {
	var centroids [nuqMax]float32
	for i := range n {
		centroids[i] = r.float()
		if increasing && (i > 0 && centroids[i] < centroids[i-1] || centroids[i] < -1 || centroids[i] > 1) {
			r.bad = true
		}
	}
	return newNUQBook(centroids[:n])
}

// Marks of a row that stays in 16 bits: in place of the number of its outliers, and of its width.
const (
	kvQuantRawKeys   = 0xffff
	kvQuantRawValues = 0xffff
)

// A kvQuantLayout is where the runs of a payload begin.
type kvQuantLayout struct {
	counts, grids, codes, values, channels, raw, end int
}

// heads returns the layout up to the codes, of a tensor of rows tokens after its sinks.
func (c *kvQuant) heads(t kv.Tensor, rows int) kvQuantLayout {
	var y kvQuantLayout
	if t.KeyDim > 0 {
		y.grids = 2 * t.Layers * rows
	}
	y.codes = y.grids
	if t.ValueDim > 0 {
		y.codes += 4 * t.Layers * rows
	}
	return y
}

// rows returns how many tokens are no sinks.
func (c *kvQuant) rows(t kv.Tensor) int {
	n := t.Tokens
	for token := range t.Tokens {
		if c.sunk(t, token) {
			n--
		}
	}
	return n
}

// layout reads from the heads of a payload where its runs begin.
func (c *kvQuant) layout(t kv.Tensor, src []byte) (kvQuantLayout, error) {
	rows := c.rows(t)
	y := c.heads(t, rows)
	if len(src) < y.codes {
		return y, corrupt("%d bytes, want at least %d", len(src), y.codes)
	}
	apart, raw, codes := 0, 0, 0
	for _, side := range kv.Sides {
		width := t.Heads * t.Dim(side)
		if width == 0 {
			continue
		}
		raw += t.Layers * (t.Tokens - rows) * width
		for i := range t.Layers * rows {
			n, isRaw := 2*kvQuantOutliers(width), false
			if side == kv.K {
				n = int(binary.LittleEndian.Uint16(src[2*i:]))
				isRaw = n == kvQuantRawKeys
			} else {
				isRaw = binary.LittleEndian.Uint16(src[y.grids+4*i+2:]) == kvQuantRawValues
			}
			if isRaw {
				raw += width
				continue
			}
			most := width
			if side == kv.K && c.Cap {
				most = 2 * kvQuantPlaces(width)
			}
			if n > most {
				return y, corrupt("%d outliers among %d values", n, width)
			}
			if c.Cap {
				n = most
				if side == kv.V {
					n = 2 * kvQuantOutliers(width)
				}
			}
			apart += n
			codes += (width*c.Bits + 7) / 8
		}
	}
	y.values = y.codes + codes
	y.channels = y.values + 2*apart
	y.raw = y.channels + 2*apart
	y.end = y.raw + 2*raw
	return y, nil
}

// AppendSections implements Sectioner.
func (c *kvQuant) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	y, err := c.layout(head, payload)
	if err != nil {
		return dst, err
	}
	return append(dst, Section{Indices, y.grids + y.raw - y.channels}, Section{Scales, y.codes - y.grids},
		Section{Codes, y.values - y.codes}, Section{Raw, y.channels - y.values + y.end - y.raw}), nil
}
