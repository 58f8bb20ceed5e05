package compressors

import (
	"encoding/binary"
	"sync"

	"kvgauge/compressors/internal/bytecode"
	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// kvtcLevel is "better" among bytecode's levels.
const kvtcLevel = 2

// kvtcStreams are what a unit is divided into before Zstandard, so that each has codes of its own:
// scales, and the codes of each width.
const kvtcStreams = 4

// kvtcStream is where the codes of a width go.
var kvtcStream = [...]int{8: 1, 4: 2, 2: 3}

// kvtcTop is what the largest magnitude of a run becomes, by width.
var kvtcTop = [...]float32{2: 1.5, 4: 7, 8: 448}

// kvtcQuantise sets codes to those of a run of one token, and returns its binary16 scale and squared
// error. It is not ok if the scale is beyond its type.
func kvtcQuantise(codes []byte, z []float32, bits int) (scale uint16, sse float64, ok bool) {
	most := float32(0)
	for _, x := range z {
		most = max(most, x, -x)
	}
	if scale = kern.F32ToF16(most / kvtcTop[bits]); scale == 0 && most > 0 {
		scale = 1
	}
	if scale >= 0x7c00 {
		return 0, 0, false
	}
	s := kern.F16ToF32(scale)
	inv := float32(0)
	if scale > 0 {
		inv = 1 / s
	}
	for i, x := range z {
		y, v := float32(x*inv), float32(0)
		switch bits {
		case 2:
			q := quant.Nearest(max(min(y+1.5, 3), 0))
			codes[i], v = byte(q), float32(q)-1.5
		case 4:
			q := quant.Nearest(max(min(y, 7), -7))
			codes[i], v = byte(q+7), float32(q)
		default:
			codes[i] = quant.E4M3.Encode(y)
			v = quant.E4M3.Value(codes[i])
		}
		e := float64(x - float32(v*s))
		sse += float64(e * e)
	}
	return scale, sse, true
}

// kvtcRestore undoes kvtcQuantise.
func kvtcRestore(z []float32, codes []byte, scale float32, bits int) {
	switch bits {
	case 2:
		for i, c := range codes {
			z[i] = float32((float32(c) - 1.5) * scale)
		}
	case 4:
		for i, c := range codes {
			z[i] = float32((float32(c) - 7) * scale)
		}
	default:
		for i, c := range codes {
			z[i] = float32(quant.E4M3.Value(c) * scale)
		}
	}
}

// kvtcScratch is room for a few rows, and for the codes of a unit.
type kvtcScratch struct {
	span   spanScratch
	x, z   []float32
	row    []byte // one row's codes, a byte each
	modes  []byte
	plain  [kvtcStreams][]byte
	packed []byte
}

var kvtcPool = sync.Pool{New: func() any { return new(kvtcScratch) }}

// kvtcRows is how many tokens are taken at once.
const kvtcRows = 32

// AppendCompress implements Codec.
func (c *kvtc) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if c.fit == nil {
		return dst, ErrUnfitted
	}
	turn, err := fittedTurner(src, c.fit.shape, c.PreRope)
	if err != nil {
		return dst, err
	}
	from, to := c.body(src.Tokens)
	for _, side := range kv.Sides {
		dim := src.Dim(side)
		for i := 0; i < src.Layers*src.Heads && dim > 0; i++ {
			plane := src.Plane(side, i/src.Heads, i%src.Heads)
			dst = appendBits(appendBits(dst, plane[:from*dim]), plane[to*dim:])
		}
	}
	if from == to {
		return dst, nil
	}
	return appendUnits(dst, c.workers, c.fit.work(src, turn, from, to)), nil
}

func (f *kvtcFit) work(t kv.Tensor, turn keyTurner, from, to int) unitWork {
	return unitWork{coder: f, t: t, units: len(f.units), turn: turn, from: from, to: to}
}

// appendUnit implements unitCoder.
func (f *kvtcFit) appendUnit(dst []byte, w *unitWork, i int) []byte {
	s := kvtcPool.Get().(*kvtcScratch)
	defer kvtcPool.Put(s)
	return s.appendUnit(dst, w.t, f.units[i], w.from, w.to, &w.turn)
}

// afterUnit implements unitCoder.
func (f *kvtcFit) afterUnit(w *unitWork, src []byte, i int) (rest []byte, err error) {
	_, rest, err = cutKVTC(f.units[i], src, w.to-w.from)
	return rest, err
}

// restoreUnit implements unitCoder.
func (f *kvtcFit) restoreUnit(w *unitWork, src []byte, i int) error {
	s := kvtcPool.Get().(*kvtcScratch)
	defer kvtcPool.Put(s)
	return s.restoreUnit(w.t, f.units[i], src, w.from, w.to, &w.turn)
}

func (s *kvtcScratch) appendUnit(dst []byte, src kv.Tensor, unit []kvtcBlock, from, to int,
	turn *keyTurner) []byte {
	s.modes = s.modes[:0]
	for k := range s.plain {
		s.plain[k] = s.plain[k][:0]
	}
	for i := range unit {
		s.modes = append(s.modes, s.code(src, &unit[i], from, to, turn))
	}
	dst = append(dst, s.modes...)
	for _, plain := range s.plain {
		if len(plain) > 0 {
			s.packed = bytecode.AppendZstd(s.packed[:0], plain, kvtcLevel)
			dst = append(binary.AppendUvarint(dst, uint64(len(s.packed))), s.packed...)
		}
	}
	for i := range unit {
		if b := &unit[i]; s.modes[i] == pcaRaw {
			for j := range b.layers * b.heads {
				dim := src.Dim(b.side)
				plane := src.Plane(b.side, b.layer+j/b.heads, b.head+j%b.heads)
				dst = appendBits(dst, plane[from*dim:to*dim])
			}
		}
	}
	return dst
}

// code appends the scales and codes of a block to s.plain, or nothing if it is better kept in another
// way, which it returns.
func (s *kvtcScratch) code(src kv.Tensor, b *kvtcBlock, from, to int, turn *keyTurner) byte {
	s.x, s.z = growTo(s.x, kvtcRows*b.width), growTo(s.z, kvtcRows*b.rank)
	var before [kvtcStreams]int
	for k := range before {
		before[k] = len(s.plain[k])
	}
	energy, sse, ok := 0.0, 0.0, true
	for at := from; at < to && ok; at += kvtcRows {
		n := min(kvtcRows, to-at)
		x, z := s.x[:n*b.width], s.z[:n*b.rank]
		b.load(x, src, at, at+n, turn, &s.span)
		energy += squares(x)
		b.forward(z, x, n)
		sse += max(0, squares(x)-squares(z))
		for i := 0; i < n && ok; i++ {
			var e float64
			e, ok = s.codeRow(b, z[i*b.rank:(i+1)*b.rank])
			sse += e
		}
	}
	if ok && energy > 0 && sse <= energy {
		return pcaCoded
	}
	for k, n := range before {
		s.plain[k] = s.plain[k][:n]
	}
	if ok && energy == 0 {
		return pcaZero
	}
	return pcaRaw
}

// codeRow appends one row's scales and codes.
func (s *kvtcScratch) codeRow(b *kvtcBlock, z []float32) (sse float64, ok bool) {
	s.row = growTo(s.row, b.rank)
	at := 0
	for _, run := range b.runs {
		scale, e, ok := kvtcQuantise(s.row[at:at+run.n], z[at:at+run.n], run.bits)
		if !ok {
			return 0, false
		}
		s.plain[0] = append(s.plain[0], byte(scale), byte(scale>>8))
		sse += e
		at += run.n
	}
	for _, w := range b.widths {
		plain := &s.plain[kvtcStream[w.bits]]
		out := len(*plain)
		*plain = growBytes(*plain, quant.PackedBytes(w.n, w.bits))
		quant.Pack((*plain)[out:], s.row[w.at:w.at+w.n], w.bits)
	}
	return sse, true
}

// A kvtcCut is one unit's part of a payload.
type kvtcCut struct {
	modes, raw []byte
	packed     [kvtcStreams][]byte
	plain      [kvtcStreams]int // bytes that packed decompresses to
	lengths    int              // bytes before packed
}

// cutKVTC takes the next unit off src.
func cutKVTC(unit []kvtcBlock, src []byte, tokens int) (c kvtcCut, rest []byte, err error) {
	r := &frameReader{b: src}
	c.modes = r.take(len(unit))
	raw := 0
	for i, mode := range c.modes {
		switch b := &unit[i]; mode {
		case pcaCoded:
			c.plain[0] += tokens * 2 * len(b.runs)
			for _, w := range b.widths {
				c.plain[kvtcStream[w.bits]] += tokens * quant.PackedBytes(w.n, w.bits)
			}
		case pcaZero:
		case pcaRaw:
			raw += 2 * tokens * b.width
		default:
			r.fail("a block kept in way %d", mode)
		}
	}
	for k, plain := range c.plain {
		if plain > 0 {
			from := r.at
			n := r.uvarint(uint64(len(src)))
			c.lengths += r.at - from
			c.packed[k] = r.take(n)
		}
	}
	c.raw = r.take(raw)
	if r.err != nil {
		return c, nil, corrupt("kvtc: %v", r.err)
	}
	return c, src[r.at:], nil
}

// Decompress implements Codec.
func (c *kvtc) Decompress(dst kv.Tensor, src []byte) error {
	if c.fit == nil {
		return ErrUnfitted
	}
	turn, err := fittedBackTurner(dst, c.fit.shape, c.PreRope)
	if err != nil {
		return err
	}
	from, to := c.body(dst.Tokens)
	if len(src) < c.rawBytes(dst) {
		return corrupt("kvtc: cut short in its first and last tokens")
	}
	for _, side := range kv.Sides {
		dim := dst.Dim(side)
		for i := 0; i < dst.Layers*dst.Heads && dim > 0; i++ {
			plane := dst.Plane(side, i/dst.Heads, i%dst.Heads)
			readBits(plane[:from*dim], src)
			src = src[2*from*dim:]
			readBits(plane[to*dim:], src)
			src = src[2*(len(plane)-to*dim):]
		}
	}
	if from == to {
		if len(src) > 0 {
			return corrupt("kvtc: %d bytes left over", len(src))
		}
		return nil
	}
	return restoreUnits(src, c.workers, c.fit.work(dst, turn, from, to))
}

// rawBytes returns the bytes of the first and last tokens.
func (c *kvtc) rawBytes(head kv.Tensor) int {
	from, to := c.body(head.Tokens)
	return 2 * head.Layers * head.Heads * (head.KeyDim + head.ValueDim) * (head.Tokens - (to - from))
}

func (s *kvtcScratch) restoreUnit(dst kv.Tensor, unit []kvtcBlock, src []byte, from, to int,
	turn *keyTurner) error {
	p, _, err := cutKVTC(unit, src, to-from)
	if err != nil {
		return err
	}
	for k, n := range p.plain {
		s.plain[k] = growTo(s.plain[k], n)
		if n > 0 && !bytecode.ReadZstd(s.plain[k], p.packed[k]) {
			return corrupt("kvtc: a stream does not decompress to %d bytes", n)
		}
	}
	left := s.plain
	for i := range unit {
		b := &unit[i]
		switch p.modes[i] {
		case pcaCoded:
			if !s.restore(dst, b, &left, from, to, turn) {
				return corrupt("kvtc: a scale or code that no block has")
			}
		default:
			for j := range b.layers * b.heads {
				dim := dst.Dim(b.side)
				plane := dst.Plane(b.side, b.layer+j/b.heads, b.head+j%b.heads)[from*dim : to*dim]
				if p.modes[i] == pcaZero {
					clear(plane)
					continue
				}
				readBits(plane, p.raw)
				p.raw = p.raw[2*len(plane):]
			}
		}
	}
	return nil
}

// restore fills a block from the fronts of plain, which it moves on, and returns false for bytes
// that no block has.
func (s *kvtcScratch) restore(dst kv.Tensor, b *kvtcBlock, plain *[kvtcStreams][]byte, from, to int,
	turn *keyTurner) bool {
	s.x, s.z, s.row = growTo(s.x, kvtcRows*b.width), growTo(s.z, kvtcRows*b.rank), growTo(s.row, b.rank)
	for at := from; at < to; at += kvtcRows {
		n := min(kvtcRows, to-at)
		x, z := s.x[:n*b.width], s.z[:n*b.rank]
		for i := range n {
			if !s.restoreRow(b, z[i*b.rank:(i+1)*b.rank], plain) {
				return false
			}
		}
		b.inverse(x, z, n)
		b.store(dst, x, at, at+n, turn, &s.span)
	}
	return true
}

func (s *kvtcScratch) restoreRow(b *kvtcBlock, z []float32, plain *[kvtcStreams][]byte) bool {
	for _, w := range b.widths {
		k := kvtcStream[w.bits]
		size := quant.PackedBytes(w.n, w.bits)
		quant.Unpack(s.row[w.at:w.at+w.n], plain[k][:size], w.bits)
		plain[k] = plain[k][size:]
	}
	at := 0
	for i, run := range b.runs {
		scale, ok := getNorm(plain[0][2*i:])
		if !ok || run.bits == 8 && !quant.E4M3.Valid(s.row[at:at+run.n]) {
			return false
		}
		kvtcRestore(z[at:at+run.n], s.row[at:at+run.n], scale, run.bits)
		at += run.n
	}
	plain[0] = plain[0][2*len(b.runs):]
	return true
}

// AppendSections implements Sectioner. Kinds alternate: the sizes are totals.
func (c *kvtc) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	if c.fit == nil {
		return dst, ErrUnfitted
	}
	if err := wantFitted(head.Shape, c.fit.shape); err != nil {
		return dst, err
	}
	from, to := c.body(head.Tokens)
	header, scales, codes, raw := 0, 0, 0, c.rawBytes(head)
	if len(payload) < raw {
		return dst, corrupt("kvtc: cut short in its first and last tokens")
	}
	payload = payload[raw:]
	for _, unit := range c.fit.units {
		if to == from {
			break
		}
		p, rest, err := cutKVTC(unit, payload, to-from)
		if err != nil {
			return dst, err
		}
		header += len(p.modes) + p.lengths
		scales += len(p.packed[0])
		codes += len(p.packed[1]) + len(p.packed[2]) + len(p.packed[3])
		raw += len(p.raw)
		payload = rest
	}
	return append(dst, Section{Header, header}, Section{Scales, scales}, Section{Codes, codes},
		Section{Raw, raw}), nil
}
