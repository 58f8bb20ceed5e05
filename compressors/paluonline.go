package compressors

import (
	"encoding/binary"
	"math"
	"sync"

	"kvgauge/compressors/internal/lowrank"
	"kvgauge/compressors/internal/rotate"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// paluOnline is palu without a fit: every request pays for the singular value decomposition of its
// own rows, and for sending the mean in float32 and the directions in binary16. It shows what a fit
// saves, and how good latents could be. Rank is at most the number of tokens.
//
// Payload: that of palu, with means and directions, by rows, in the order of the modes, before the
// raw groups. Bits per value of S tokens: rank·(bits + 32/group) + (16·rank·width + 32)/S for rows of
// that width.
type paluOnline struct{ paluParams }

func init() {
	Register(registry.Family[Codec, paluParams]{
		Name: "palu_online", Doc: "Palu with the directions of each request, which travel with it",
		Source: "Chang et al., arXiv 2407.21118", Tags: []string{"low rank"},
		Defaults: paluParams{Bits: 4, Rank: .5, Heads: 4, PreRope: true},
		Variants: []paluParams{{Bits: 8, Rank: .25, Heads: 1, Group: 8}},
		New:      func(p paluParams) (Codec, error) { return bySpans(&paluOnline{p}), p.check() },
	})
	Certify("palu_online", Certificate{
		Deviations: []string{
			"directions are those of the cache itself, where the paper factors weights",
			"groups of heads that come out worse than zeros are kept in 16 bits",
		},
		Anchors: []Anchor{{Source: paluSource().source(), Measure: BitsPerValue, Within: .001, Basis: Rate,
			Want: .5*(4+32./128) + (16*128*256+32*256)/(256.*1024),
			From: "half of the channels in 4 bits with scales, and mean and directions over 1024 tokens"},
			paluAtMost(paluSource())},
		Beyond:  paluClaims,
		UseWhen: "you want to know what a fit saves palu, and time is no matter",
	})
}

// Capabilities implements Codec.
func (c *paluOnline) Capabilities() Capabilities {
	return Capabilities{FixedRate: true, PreRope: c.PreRope, KeyOnly: true, Streaming: "layer"}
}

// onlineScratch is room for the rows of a whole span.
type onlineScratch struct {
	palu    paluScratch
	rows    []float32
	column  []float32
	left    []float64
	right   []float64
	work    lowrank.Workspace
	basis   basis
	sums    []float64
	latent  []float32
	comps   []float32 // latents by channel
	codes   []byte
	rotated map[int]rotate.Hadamard
}

var onlinePool = sync.Pool{New: func() any {
	return &onlineScratch{rotated: map[int]rotate.Hadamard{}}
}}

// check implements spanCoder.
func (c *paluOnline) check(kv.Shape, []span) error { return nil }

// sizes implements spanCoder: scales, codes and a basis.
func (c *paluOnline) sizes(shape kv.Shape, s span) payloadRuns {
	if shape.Tokens == 0 {
		return payloadRuns{}
	}
	width := s.channels(shape)
	rank := min(c.rank(width), shape.Tokens)
	scales, codes := c.rowBytes(rank)
	return payloadRuns{scales * shape.Tokens, codes * shape.Tokens, 4*width + 2*rank*width}
}

// compress implements spanCoder.
func (c *paluOnline) compress(w *onlineScratch, src kv.Tensor, s span, turn *keyTurner, out [3][]byte) byte {
	rank := min(c.rank(s.channels(src.Shape)), src.Tokens)
	if mode := w.fit(src, s, turn, rank, out[2], true); mode != pcaCoded {
		return mode
	}
	return w.palu.compress(&c.paluParams, src, s, &w.basis, turn, out[0], out[1])
}

// restore implements spanCoder.
func (c *paluOnline) restore(w *onlineScratch, dst kv.Tensor, s span, turn *keyTurner, in [3][]byte) bool {
	width := s.channels(dst.Shape)
	return w.read(in[2], width, min(c.rank(width), dst.Tokens)) &&
		w.palu.restore(&c.paluParams, dst, s, &w.basis, turn, in[0], in[1])
}

// fit writes the mean and directions of a span, with a Hadamard matrix in them if spread is true, and
// makes them w.basis. Numbers that they cannot hold make the span a raw one.
func (w *onlineScratch) fit(src kv.Tensor, s span, turn *keyTurner, rank int, out []byte,
	spread bool) byte {
	width := s.channels(src.Shape)
	w.rows = growTo(w.rows, src.Tokens*width)
	s.load(w.rows, src, 0, src.Tokens, turn, &w.palu.span)
	w.sums = growTo(w.sums, width)
	clear(w.sums)
	for i := 0; i < len(w.rows); i += width {
		for c, x := range w.rows[i : i+width] {
			w.sums[c] += float64(x)
		}
	}
	b := w.room(width, rank)
	for c, sum := range w.sums {
		b.mean[c] = float32(sum / float64(src.Tokens))
		binary.LittleEndian.PutUint32(out[4*c:], math.Float32bits(b.mean[c]))
	}
	for i := 0; i < len(w.rows); i += width {
		for c, m := range b.mean {
			w.rows[i+c] -= m
		}
	}
	w.left, w.right = growTo(w.left, src.Tokens*rank), growTo(w.right, rank*width)
	w.work.Top(w.rows, src.Tokens, width, rank, w.left, w.right)
	if spread {
		w.spread(width, rank)
	}
	if !putHalves(out[4*width:], w.right) {
		return pcaRaw
	}
	w.read(out, width, rank)
	return pcaCoded
}

// spread multiplies the directions by a Hadamard matrix from the left.
func (w *onlineScratch) spread(width, rank int) {
	h := w.hadamard(rank)
	w.column = growTo(w.column, rank)
	for c := range width {
		for k := range w.column {
			w.column[k] = float32(w.right[k*width+c])
		}
		h.Forward(w.column)
		for k, x := range w.column {
			w.right[k*width+c] = float64(x)
		}
	}
}

// hadamard returns the matrix that spreads latents of so many channels.
func (w *onlineScratch) hadamard(rank int) rotate.Hadamard {
	h, ok := w.rotated[rank]
	if !ok {
		h = rotate.NewHadamard(rank, 0, false)
		w.rotated[rank] = h
	}
	return h
}

// room makes w.basis one of this size, with memory that it has already.
func (w *onlineScratch) room(width, rank int) *basis {
	b := &w.basis
	b.width, b.rank = width, rank
	b.mean = growTo(b.mean, width)
	b.up, b.down = growTo(b.up, rank*width), growTo(b.down, rank*width)
	return b
}

// read sets w.basis to what fit wrote, and returns false for numbers that it writes none of.
func (w *onlineScratch) read(in []byte, width, rank int) bool {
	b := w.room(width, rank)
	for c := range b.mean {
		if b.mean[c] = getFloat(in[4*c:]); b.mean[c]-b.mean[c] != 0 {
			return false
		}
	}
	for i := range b.up {
		x, ok := getHalf(in[4*width+2*i:])
		if !ok {
			return false
		}
		b.up[i] = x
	}
	kern.Transpose(b.down, b.up, rank, width)
	return true
}

// AppendSections implements Sectioner.
func (c *paluOnline) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	spans := c.appendSpans(nil, head.Shape)
	var n payloadRuns
	for _, s := range spans {
		for i, size := range c.sizes(head.Shape, s) {
			n[i] += size
		}
	}
	return appendSpanSections(dst, payload, Section{Header, len(spans)}, Section{Scales, n[0]},
		Section{Codes, n[1]}, Section{Tables, n[2]})
}
