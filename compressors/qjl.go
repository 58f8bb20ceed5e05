package compressors

import (
	"fmt"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// qjl is QJL (Zandieh et al., arXiv 2406.03482): of a key k only the signs of m random projections
// Sk and its length are kept, from which inner products with any query are estimated without bias,
//
//	⟨q, k⟩ ≈ √(π/2)/m · ‖k‖ · ⟨Sq, sign(Sk)⟩,
//
// and values are quantised by range, per token in groups of channels. What comes back as a key is
// the vector whose inner products are these estimates; as a reconstruction it is poor, by design.
//
// The rows of S are orthogonal within each block of head_dim rows and of length √head_dim, as in the
// authors' code: independent Gaussian rows are unbiased only on average over draws. A last block
// that m does not fill has its first rows. Departures: no channels are set apart as outliers and
// sketched on their own, every layer has the same m, and no recent tokens stay raw.
//
// A head dimension of more than m is refused, because the estimate would be worse than none; so
// are tensors without values, because an MLA latent serves as value too.
//
// Scales: keys the length, binary16; values a binary16 scale and minimum a group. Codes: signs, the
// first row in the lowest bit; value codes packed along the row. Bits per value at head_dim D: keys
// (m + 16)/D, values bits + 32/group.
type qjl struct {
	rowWise
	m int
}

type qjlParams struct {
	M     int `param:"m" doc:"signs a key, at least the head dimension"`
	Bits  int `param:"bits" doc:"width of a value's code, 1 to 8"`
	Group int `param:"group" doc:"channels of a value that share scale and minimum"`
	Seed  int `param:"seed" doc:"of the projections"`
}

func init() {
	Register(registry.Family[Codec, qjlParams]{
		Name: "qjl", Doc: "signs of random projections for keys, 2-bit integers for values",
		Source: "Zandieh et al., arXiv 2406.03482", Tags: []string{"quantiser"},
		Defaults: qjlParams{M: 256, Bits: 2, Group: 32, Seed: 1},
		Variants: []qjlParams{{M: 128, Bits: 4, Group: 128, Seed: 2}},
		New: func(p qjlParams) (Codec, error) {
			const most = 1 << 14
			switch {
			case p.M < 1 || p.M > most:
				return nil, fmt.Errorf("m is %d, want 1 to %d", p.M, most)
			case p.Bits < 1 || p.Bits > 8:
				return nil, fmt.Errorf("bits is %d, want 1 to 8", p.Bits)
			case p.Group < 1:
				return nil, fmt.Errorf("group is %d, want at least 1", p.Group)
			}
			c := &qjl{m: p.M}
			c.format = &qjlRows{p.M, p.Bits, p.Group, uint64(p.Seed)}
			return c, nil
		},
	})
	unbiased := func(spec string) Anchor {
		return Anchor{Spec: spec, Measure: Slope, Want: 1, Within: .01, Basis: Published,
			From: "arXiv 2406.03482, lemma 3.2: inner products without bias"}
	}
	Certify("qjl", Certificate{
		Deviations: []string{
			"no channels are set apart as outliers and sketched on their own",
			"every layer has the same m, where the authors have 512 in the first 15 layers",
			"no recent tokens stay raw",
		},
		Anchors: append([]Anchor{unbiased("qjl"), unbiased("qjl:seed=7"), unbiased("qjl:m=128"),
			unbiased("qjl:m=320")}, OnWhite(Independently,
			WhiteRow{Spec: "qjl:m=128", Bits: 2.0625, Keys: .567, Values: .1544},
			WhiteRow{Spec: "qjl", Bits: 2.5625, Keys: .567 / 2, Values: .1544})...),
		Beyond: []Claim{{"more than five times less memory at 3 bits without loss of accuracy (arXiv 2406.03482, " +
			"abstract)", "Llama 2 and 3 and LongBench on a GPU"}},
		UseWhen: "only inner products with keys matter; as a reconstruction it is poor",
	})
}

// Capabilities implements Codec.
func (c *qjl) Capabilities() Capabilities {
	caps := c.rowWise.Capabilities()
	caps.KeyOnly = false
	return caps
}

// AppendCompress implements Codec.
func (c *qjl) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if err := c.check(src); err != nil {
		return dst, err
	}
	return c.rowWise.AppendCompress(dst, src)
}

// Decompress implements Codec.
func (c *qjl) Decompress(dst kv.Tensor, src []byte) error {
	if err := c.check(dst); err != nil {
		return corrupt("%v", err)
	}
	return c.rowWise.Decompress(dst, src)
}

func (c *qjl) check(t kv.Tensor) error {
	if t.KeyDim > c.m {
		return fmt.Errorf("%w: head dimension %d of k, and only %d signs", ErrUnsupported, t.KeyDim, c.m)
	}
	if t.ValueDim == 0 {
		return fmt.Errorf("%w: no values, and the sketch of a key cannot serve as one", ErrUnsupported)
	}
	return nil
}

type qjlRows struct {
	m, bits, group int
	seed           uint64
}

func (q *qjlRows) rowBytes(side kv.Side, dim int) (scales, codes int) {
	if side == kv.K {
		return 2, quant.PackedBytes(q.m, 1)
	}
	return 4 * ((dim + q.group - 1) / q.group), quant.PackedBytes(dim, q.bits)
}

func (q *qjlRows) compressRow(w *rowScratch, side kv.Side, scales, codes []byte) bool {
	if side == kv.V {
		return q.compressValue(w, scales, codes)
	}
	return qjlKeys{q}.compressVals(w, len(w.vals), scales, codes)
}

func (q *qjlRows) compressValue(w *rowScratch, scales, codes []byte) bool {
	for at := 0; at < len(w.vals); at += q.group {
		part := w.vals[at:min(at+q.group, len(w.vals))]
		lo, hi := quant.Range(part)
		s, m, ok := affineF16(scales[at/q.group*4:], lo, hi, q.bits)
		if !ok {
			return false
		}
		inv, top := float32(0), float32(int(1)<<q.bits-1)
		if s > 0 {
			inv = 1 / s
		}
		for i, x := range part {
			w.codes[at+i] = byte(quant.Nearest(min(max(float32((x-m)*inv), 0), top)))
		}
	}
	quant.Pack(codes, w.codes, q.bits)
	return true
}

func (q *qjlRows) decompressRow(w *rowScratch, side kv.Side, scales, codes []byte) bool {
	if side == kv.V {
		return q.decompressValue(w, scales, codes)
	}
	return qjlKeys{q}.decompressVals(w, len(w.vals), scales, codes)
}

func (q *qjlRows) decompressValue(w *rowScratch, scales, codes []byte) bool {
	quant.Unpack(w.codes, codes, q.bits)
	for at := 0; at < len(w.vals); at += q.group {
		s, ok1 := getNorm(scales[at/q.group*4:])
		m, ok2 := getHalf(scales[at/q.group*4+2:])
		if !ok1 || !ok2 {
			return false
		}
		for i := at; i < min(at+q.group, len(w.vals)); i++ {
			w.vals[i] = float32(float32(w.codes[i])*s) + m
		}
	}
	return true
}

// getHalf reads a binary16 number; it returns false if that is not finite.
func getHalf(src []byte) (float32, bool) {
	h := uint16(src[0]) | uint16(src[1])<<8
	return kern.F16ToF32(h), h&0x7c00 != 0x7c00
}
