package compressors

import (
	"fmt"
	"math"

	"kvgauge/compressors/kv"
	"kvgauge/internal/nprand"
)

// A Source makes the tensor on which an anchor is measured. The zero value stands for White.
type Source struct {
	Name string // as reports print it; no other source has it

	// Make returns the tensor, the same at every call; it is nil where the data come
	// from outside, and then Checker.Outside is asked for Name.
	Make func() kv.Tensor

	// Fit returns the caches on which a codec that needs it is fitted first, never the tensor that
	// it is measured on. It may be nil where no anchor's codec needs fitting, and is where Make is.
	Fit func() []kv.Tensor
}

// Data are the caches of a source, as Checker.Outside hands them in.
type Data struct {
	Cache kv.Tensor // what anchors are measured on

	// Fit returns the caches on which a codec that needs it is fitted first, none of them Cache. It
	// is nil where there are none.
	Fit func() ([]kv.Tensor, error)

	// LnPPL decodes on from a changed cache and returns the mean negative log-likelihood of what
	// follows, less that from Cache itself, in nats: the logarithm of the ratio of perplexities. It
	// is nil where no model stands behind the cache.
	LnPPL func(changed kv.Tensor) (float64, error)
}

// data is what t, which Make returned, comes with.
func (s Source) data(t kv.Tensor) Data {
	d := Data{Cache: t}
	if s.Fit != nil {
		d.Fit = func() ([]kv.Tensor, error) { return s.Fit(), nil }
	}
	return d
}

// White is white Gaussian noise of unit variance in binary16: 2^18 values in rows of 128. Codecs
// can be held to theory on it.
var White = Source{Name: "white Gaussian, f16, D=128",
	Make: func() kv.Tensor { return WhiteNoise(512, kv.F16) }}

// WhiteLong is four times as many values, for what needs them.
var WhiteLong = Source{Name: "white Gaussian, f16, D=128, 2048 tokens",
	Make: func() kv.Tensor { return WhiteNoise(2048, kv.F16) }}

// WhiteBF16 is the same noise in bfloat16.
var WhiteBF16 = Source{Name: "white Gaussian, bf16, D=128",
	Make: func() kv.Tensor { return WhiteNoise(512, kv.BF16) }}

// Caches of SmolLM2-135M, 512 tokens of a passage, in the two types, and of bfloat16 in binary16. They
// come from outside: tests have them.
var (
	SmolLM2BF16      = Source{Name: "SmolLM2-135M, bf16, 512 tokens"}
	SmolLM2F16       = Source{Name: "SmolLM2-135M, f16, 512 tokens"}
	SmolLM2BF16InF16 = Source{Name: "SmolLM2-135M, bf16 held in f16, 512 tokens"}
)

// WhiteNoise returns N(0, 1) in keys and values: one layer, two heads, rows of 128.
func WhiteNoise(tokens int, d kv.DType) kv.Tensor {
	t := kv.New(kv.Shape{Layers: 1, Heads: 2, Tokens: tokens, KeyDim: 128, ValueDim: 128}, d)
	r := nprand.New(20260101)
	for _, side := range kv.Sides {
		for i := range t.Bits[side] {
			t.Bits[side][i] = d.Bits(float32(r.Normal()))
		}
	}
	return t
}

// A Pass is what became of a tensor that went through a codec.
type Pass struct {
	Spec    Spec
	Codec   Codec
	Src     kv.Tensor
	Got     kv.Tensor // what came back
	Payload []byte
	Data    Data // where Src is from
}

// A Measure is a number that is taken of a pass.
type Measure struct {
	Name string // as reports print it
	Of   func(Pass) (float64, error)
}

// The measures that most anchors need.
var (
	// BitsPerValue is payload bits over values, without the frame around it.
	BitsPerValue = Measure{"bits per value", func(p Pass) (float64, error) {
		return 16 * float64(len(p.Payload)) / float64(p.Src.RawBytes()), nil
	}}

	// UnderEightBits is how many times smaller than 8 bits a value the payload is: how CacheGen counts.
	UnderEightBits = Measure{"times smaller than 8 bits", func(p Pass) (float64, error) {
		return float64(p.Src.RawBytes()) / 2 / float64(len(p.Payload)), nil
	}}

	// BytesPerTokenHead is payload bytes, keys and values, of one token and head of one layer.
	BytesPerTokenHead = Measure{"bytes per token and head", func(p Pass) (float64, error) {
		return float64(len(p.Payload)) / float64(p.Src.Layers*p.Src.Heads*p.Src.Tokens), nil
	}}

	// LnPPLRatio is what a model loses in likelihood from the cache that came back, in nats a token.
	LnPPLRatio = Measure{"ln of the ratio of perplexities", func(p Pass) (float64, error) {
		if p.Data.LnPPL == nil {
			return 0, fmt.Errorf("no model stands behind the source")
		}
		return p.Data.LnPPL(p.Got)
	}}

	// FrameRatio is raw bytes over frame bytes.
	FrameRatio = Measure{"ratio", frameRatio}

	// NMSE is the squared error over the squares, of keys and values together.
	NMSE = Measure{"NMSE", func(p Pass) (float64, error) { return p.nmse(kv.Sides[:]...) }}

	// NMSEKeys is NMSE of the keys alone, NMSEValues of the values.
	NMSEKeys   = Measure{"NMSE of keys", func(p Pass) (float64, error) { return p.nmse(kv.K) }}
	NMSEValues = Measure{"NMSE of values", func(p Pass) (float64, error) { return p.nmse(kv.V) }}

	// Changed counts the values that did not come back bit for bit.
	Changed = Measure{"values changed", changed}

	// Slope is the regression on the true inner products, of keys with random queries, of those
	// with the keys that came back: 1 where estimates are unbiased.
	Slope = Measure{"slope of inner products", slope}

	// WhiteGap is bits per value of the whole frame less ½·log2(1/NMSE), the rate at which the
	// best of all codecs reaches that error on white Gaussian noise.
	WhiteGap = Measure{"bits above the white bound", whiteGap}
)

// pass sends a cache through what text names, fitted to what comes with it if it needs that.
func pass(text string, data Data) (Pass, error) {
	spec, c, err := Open(text)
	if err == nil && c.Capabilities().NeedsFit {
		c, err = data.fit(c)
	}
	if err != nil {
		return Pass{}, err
	}
	src := data.Cache
	p := Pass{Spec: spec, Codec: c, Src: src, Got: kv.New(src.Shape, src.DType), Data: data}
	p.Got.Meta = src.Meta
	if p.Payload, err = c.AppendCompress(nil, src); err != nil {
		return p, err
	}
	return p, c.Decompress(p.Got, p.Payload)
}

// fit returns c fitted to the caches that come with the data.
func (d Data) fit(c Codec) (Codec, error) {
	if d.Fit == nil {
		return nil, fmt.Errorf("it needs caches to be fitted on, and the source has none")
	}
	caches, err := d.Fit()
	if err != nil {
		return nil, err
	}
	return Fit(c, caches)
}

func (p Pass) nmse(sides ...kv.Side) (float64, error) {
	var sse, power float64
	for _, side := range sides {
		for i, bits := range p.Src.Bits[side] {
			x := float64(p.Src.DType.Float(bits))
			e := float64(p.Got.DType.Float(p.Got.Bits[side][i])) - x
			sse += float64(e * e)
			power += float64(x * x)
		}
	}
	if power == 0 {
		return 0, fmt.Errorf("the source is all zeros")
	}
	return sse / power, nil
}

func changed(p Pass) (float64, error) {
	n := 0
	for _, side := range kv.Sides {
		for i, bits := range p.Src.Bits[side] {
			if bits != p.Got.Bits[side][i] {
				n++
			}
		}
	}
	return float64(n), nil
}

func frameRatio(p Pass) (float64, error) {
	blob, err := AppendPayloadFrame(nil, p.Spec, p.Codec, p.Src, p.Payload)
	if err != nil {
		return 0, err
	}
	return float64(p.Src.RawBytes()) / float64(len(blob)), nil
}

func whiteGap(p Pass) (float64, error) {
	ratio, err := frameRatio(p)
	if err != nil {
		return 0, err
	}
	e, err := p.nmse(kv.Sides[:]...)
	if err != nil || e == 0 {
		return 0, fmt.Errorf("no error to set a rate against")
	}
	return 16/ratio + math.Log2(e)/2, nil
}

// slopeQueries is how many queries slope draws; with 1,024 keys that makes 1e5 pairs.
const slopeQueries = 100

func slope(p Pass) (float64, error) {
	dim := p.Src.KeyDim
	queries := make([]float64, slopeQueries*dim)
	nprand.New(20260202).FillNormal(queries)
	a, b := make([]float32, dim), make([]float32, dim)
	var cross, power float64
	for l := range p.Src.Layers {
		for h := range p.Src.Heads {
			for token := range p.Src.Tokens {
				p.Src.DType.Widen(a, p.Src.Row(kv.K, l, h, token))
				p.Got.DType.Widen(b, p.Got.Row(kv.K, l, h, token))
				for at := 0; at < len(queries); at += dim {
					x, y := inner(queries[at:at+dim], a, b)
					cross += float64(x * y)
					power += float64(x * x)
				}
			}
		}
	}
	if power == 0 {
		return 0, fmt.Errorf("the keys are all zeros")
	}
	return cross / power, nil
}

// inner returns the inner products of a query with two rows.
func inner(query []float64, a, b []float32) (x, y float64) {
	for i, q := range query {
		x += float64(q * float64(a[i]))
		y += float64(q * float64(b[i]))
	}
	return x, y
}
