package compressors

import (
	"encoding/binary"
	"math"
	"sync"

	"kvgauge/compressors/internal/entropy"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// How a block of pca_ecsq is kept.
const (
	pcaCoded = iota
	pcaZero
	pcaRaw
)

// pcaScratch is room for one unit.
type pcaScratch struct {
	span          spanScratch
	x, z, comps   []float32 // rows, their components, and these by component
	syms          []byte
	lows, escapes []byte
	lowBits       bitWriter
	stream        []byte
	runs          entropy.RunEncoder
	decoder       entropy.RunDecoder
}

var pcaPool = sync.Pool{New: func() any { return new(pcaScratch) }}

// AppendCompress implements Codec.
func (c *pcaECSQ) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if c.fit == nil {
		return dst, ErrUnfitted
	}
	turn, err := fittedTurner(src, c.fit.shape, c.PreRope)
	if err != nil {
		return dst, err
	}
	return appendUnits(dst, c.workers, c.fit.work(src, turn)), nil
}

func (f *pcaFit) work(t kv.Tensor, turn keyTurner) unitWork {
	return unitWork{coder: f, t: t, units: len(f.units), turn: turn}
}

// appendUnit implements unitCoder.
func (f *pcaFit) appendUnit(dst []byte, w *unitWork, i int) []byte {
	s := pcaPool.Get().(*pcaScratch)
	defer pcaPool.Put(s)
	return s.appendUnit(dst, w.t, f, &f.units[i], &w.turn)
}

// afterUnit implements unitCoder.
func (f *pcaFit) afterUnit(w *unitWork, src []byte, i int) (rest []byte, err error) {
	_, rest, err = f.units[i].cut(src, w.t.Tokens, w.t.Shape)
	return rest, err
}

// restoreUnit implements unitCoder.
func (f *pcaFit) restoreUnit(w *unitWork, src []byte, i int) error {
	s := pcaPool.Get().(*pcaScratch)
	defer pcaPool.Put(s)
	p, _, err := f.units[i].cut(src, w.t.Tokens, w.t.Shape)
	if err != nil {
		return err
	}
	return s.restoreUnit(w.t, f, &f.units[i], p, &w.turn)
}

func (s *pcaScratch) appendUnit(dst []byte, src kv.Tensor, f *pcaFit, u *pcaUnit, turn *keyTurner) []byte {
	s.syms, s.escapes, s.lowBits = s.syms[:0], s.escapes[:0], bitWriter{dst: s.lows[:0]}
	modes, coded := len(dst), false
	for i := range u.blocks {
		b := &u.blocks[i]
		s.x = growTo(s.x, src.Tokens*b.width)
		b.load(s.x, src, 0, src.Tokens, turn, &s.span)
		mode := s.code(f, b, u.delta, src.Tokens)
		dst, coded = append(dst, mode), coded || mode == pcaCoded
	}
	s.lows = s.lowBits.flush()
	if coded {
		dst = s.appendCodes(dst, f, u, dst[modes:modes+len(u.blocks)], src.Tokens)
	}
	for i := range u.blocks {
		if b := &u.blocks[i]; dst[modes+i] == pcaRaw {
			for h := range b.heads {
				dst = appendBits(dst, src.Plane(b.side, b.layer, b.head+h))
			}
		}
	}
	return dst
}

// code appends the symbols, low bits and escapes of the block in s.x, or none if it is better kept
// in another way, which it returns.
func (s *pcaScratch) code(f *pcaFit, b *pcaBlock, delta float32, tokens int) byte {
	energy := squares(s.x)
	if energy == 0 {
		return pcaZero
	}
	s.z, s.comps = growTo(s.z, tokens*b.rank), growTo(s.comps, tokens*b.rank)
	b.forward(s.z, s.x, tokens)
	kern.Transpose(s.comps, s.z, tokens, b.rank)
	syms, escapes, lows := len(s.syms), len(s.escapes), s.lowBits
	kept := len(lows.dst)
	sse := 0.0
	for k := range b.rank {
		comp := s.comps[k*tokens : (k+1)*tokens]
		if b.table[k] == pcaDropped {
			sse += squares(comp)
			continue
		}
		sse += s.quantise(comp, f, int(b.table[k]), int(b.low[k]), delta)
	}
	if sse <= energy {
		return pcaCoded
	}
	s.syms, s.escapes, s.lowBits = s.syms[:syms], s.escapes[:escapes], lows
	s.lowBits.dst = s.lowBits.dst[:kept]
	if energy < float64(float64(delta)*float64(delta))*float64(len(s.x)) {
		return pcaZero
	}
	return pcaRaw
}

// squares returns the sum of squares.
func squares(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(float64(v) * float64(v))
	}
	return sum
}

const (
	pcaMagic     = 0x1.8p23 // added to a number below 2^22, rounds it to the nearest integer
	pcaMagicBits = 0x4b400000
	pcaFarthest  = 1 << 22
)

// quantise appends one component and returns its squared error.
func (s *pcaScratch) quantise(comp []float32, f *pcaFit, table, low int, delta float32) float64 {
	enc, shifts := &f.enc[table], &f.shifts[table]
	n := len(s.syms)
	s.syms = growBytes(s.syms, len(comp))
	syms, inv := s.syms[n:], 1/delta
	half, sse := int32(1)<<low>>1, 0.0
	for i, v := range comp {
		x := float32(v * inv)
		sym, q := int32(-1), int32(0)
		if x > -pcaFarthest && x < pcaFarthest {
			q = int32(math.Float32bits(x+pcaMagic)) - pcaMagicBits + half
			sym = q>>low + entropy.NormalMid
		}
		if sym < 0 || sym >= entropy.NormalEscape || !enc.Has(byte(sym)) {
			syms[i] = entropy.NormalEscape
			s.escapes = binary.LittleEndian.AppendUint32(s.escapes, math.Float32bits(v))
			sse += float64(v - v) // not a number if v is infinite
			continue
		}
		syms[i] = byte(sym)
		y := float32(q - half)
		if low > 0 {
			s.lowBits.add(uint32(q&(1<<low-1)), low)
		} else {
			y += shifts[sym]
		}
		e := float64(v - float32(y*delta))
		sse += float64(e * e)
	}
	return sse
}

// appendCodes appends the stream of a unit, its low bits and escapes, behind their lengths.
func (s *pcaScratch) appendCodes(dst []byte, f *pcaFit, u *pcaUnit, modes []byte, tokens int) []byte {
	s.runs.Begin(len(s.syms))
	at := len(s.syms)
	for i := len(u.blocks) - 1; i >= 0; i-- {
		b := &u.blocks[i]
		for k := b.rank - 1; k >= 0 && modes[i] == pcaCoded; k-- {
			if b.table[k] != pcaDropped {
				s.runs.Put(&f.enc[b.table[k]], s.syms[at-tokens:at])
				at -= tokens
			}
		}
	}
	s.stream = s.runs.Append(s.stream[:0])
	for _, part := range [][]byte{s.stream, s.lows, s.escapes} {
		dst = binary.AppendUvarint(dst, uint64(len(part)))
	}
	return append(append(append(dst, s.stream...), s.lows...), s.escapes...)
}

// A pcaCut is one unit's part of a payload.
type pcaCut struct{ modes, lengths, stream, lows, escapes, raw []byte }

// cut takes the next unit off src.
func (u *pcaUnit) cut(src []byte, tokens int, shape kv.Shape) (c pcaCut, rest []byte, err error) {
	r := &frameReader{b: src}
	c.modes = r.take(len(u.blocks))
	coded, raw := false, 0
	for i, mode := range c.modes {
		switch b := &u.blocks[i]; mode {
		case pcaCoded:
			coded = true
		case pcaZero:
		case pcaRaw:
			raw += 2 * b.span.channels(shape) * tokens
		default:
			r.fail("a block kept in way %d", mode)
		}
	}
	if coded {
		from := r.at
		var n [3]int
		for i := range n {
			n[i] = r.uvarint(uint64(len(src)))
		}
		if r.err == nil {
			c.lengths = src[from:r.at]
		}
		c.stream, c.lows, c.escapes = r.take(n[0]), r.take(n[1]), r.take(n[2])
	}
	c.raw = r.take(raw)
	if r.err != nil {
		return c, nil, corrupt("pca_ecsq: %v", r.err)
	}
	return c, src[r.at:], nil
}

// Decompress implements Codec.
func (c *pcaECSQ) Decompress(dst kv.Tensor, src []byte) error {
	if c.fit == nil {
		return ErrUnfitted
	}
	turn, err := fittedBackTurner(dst, c.fit.shape, c.PreRope)
	if err != nil {
		return err
	}
	return restoreUnits(src, c.workers, c.fit.work(dst, turn))
}

func (s *pcaScratch) restoreUnit(dst kv.Tensor, f *pcaFit, u *pcaUnit, p pcaCut, turn *keyTurner) error {
	coded := p.lengths != nil
	if coded && s.decoder.Begin(p.stream) != nil {
		return corrupt("pca_ecsq: a stream does not decode")
	}
	lows := bitReader{src: p.lows}
	for i := range u.blocks {
		b := &u.blocks[i]
		s.x = growTo(s.x, dst.Tokens*b.width)
		switch p.modes[i] {
		case pcaCoded:
			if !s.restore(f, b, u.delta, dst.Tokens, &p, &lows) {
				return corrupt("pca_ecsq: a stream does not decode")
			}
			b.store(dst, s.x, 0, dst.Tokens, turn, &s.span)
		case pcaZero:
			for h := range b.heads {
				clear(dst.Plane(b.side, b.layer, b.head+h))
			}
		case pcaRaw:
			for h := range b.heads {
				plane := dst.Plane(b.side, b.layer, b.head+h)
				readBits(plane, p.raw)
				p.raw = p.raw[2*len(plane):]
			}
		}
	}
	if coded && (s.decoder.End() != nil || len(lows.rest()) > 0 || len(p.escapes) > 0) {
		return corrupt("pca_ecsq: a stream is too long")
	}
	return nil
}

// restore sets s.x to a block's rows.
func (s *pcaScratch) restore(f *pcaFit, b *pcaBlock, delta float32, tokens int, p *pcaCut,
	lows *bitReader) bool {
	s.z, s.comps = growTo(s.z, tokens*b.rank), growTo(s.comps, tokens*b.rank)
	s.syms = growTo(s.syms, tokens)
	for k := range b.rank {
		comp := s.comps[k*tokens : (k+1)*tokens]
		if b.table[k] == pcaDropped {
			clear(comp)
			continue
		}
		table, low := int(b.table[k]), int(b.low[k])
		if s.decoder.Get(&f.dec[table], s.syms) != nil {
			return false
		}
		if low == 0 {
			shifts := &f.shifts[table]
			for i, sym := range s.syms {
				y := float32(int32(sym)-entropy.NormalMid) + shifts[sym]
				comp[i] = float32(y * delta)
			}
		} else {
			half := int32(1) << low >> 1
			for i, sym := range s.syms {
				if sym != entropy.NormalEscape {
					q := (int32(sym)-entropy.NormalMid)<<low + int32(lows.take(low)) - half
					comp[i] = float32(float32(q) * delta)
				}
			}
		}
		for i, sym := range s.syms {
			if sym == entropy.NormalEscape {
				if len(p.escapes) < 4 {
					return false
				}
				comp[i] = getFloat(p.escapes)
				p.escapes = p.escapes[4:]
			}
		}
	}
	kern.Transpose(s.z, s.comps, b.rank, tokens)
	b.inverse(s.x, s.z, tokens)
	return true
}

// AppendSections implements Sectioner. Kinds alternate: the sizes are totals.
func (c *pcaECSQ) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	if c.fit == nil {
		return dst, ErrUnfitted
	}
	if err := wantFitted(head.Shape, c.fit.shape); err != nil {
		return dst, err
	}
	header, codes, raw := 0, 0, 0
	for i := range c.fit.units {
		p, rest, err := c.fit.units[i].cut(payload, head.Tokens, head.Shape)
		if err != nil {
			return dst, err
		}
		header += len(p.modes) + len(p.lengths)
		codes += len(p.stream) + len(p.lows)
		raw += len(p.escapes) + len(p.raw)
		payload = rest
	}
	return append(dst, Section{Header, header}, Section{Codes, codes}, Section{Raw, raw}), nil
}
