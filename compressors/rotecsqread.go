package compressors

import (
	"bytes"
	"encoding/binary"
	"math"

	"kvgauge/compressors/internal/entropy"
	"kvgauge/compressors/internal/rotate"
	"kvgauge/compressors/kv"
)

// ecsqParts are the five runs of a rot_ecsq payload.
type ecsqParts struct {
	steps, tables, streams, lows, esc []byte
	lift                              float32 // what is decoded is this many times smaller
}

// split finds the runs without decoding: tables say how many values of each symbol there may be,
// streams carry their lengths. values is the number of values of a (layer, side).
func (c rotECSQ) split(head kv.Tensor, src []byte) (ecsqParts, error) {
	var p ecsqParts
	blocks := 0
	for _, side := range kv.Sides {
		if head.Dim(side) > 0 {
			blocks += head.Layers
		}
	}
	if len(src) < 4*blocks {
		return p, corrupt("rot_ecsq: cut short in its steps")
	}
	p.steps, src = src[:4*blocks], src[4*blocks:]
	coded := 0
	for i := range blocks {
		if binary.LittleEndian.Uint32(p.steps[4*i:]) != 0 {
			coded++
		}
	}
	at := 0
	var room [ecsqSymbols]uint16
	for range coded {
		_, _, n, err := readECSQTable(room[:], src[at:])
		if err != nil {
			return p, err
		}
		at += n
	}
	p.tables, src = src[:at], src[at:]
	at = 0
	for range coded {
		n, k := binary.Uvarint(src[at:])
		if k <= 0 || n > uint64(len(src)-at-k) {
			return p, corrupt("rot_ecsq: a stream is cut short")
		}
		at += k + int(n)
	}
	p.streams, p.lows = src[:at], src[at:] // escapes are cut off once they are counted
	return p, nil
}

// readECSQTable reads one table: low bits, frequencies, and the centroid of every symbol that
// occurs, which it returns as the bytes.
func readECSQTable(room []uint16, src []byte) (freq []uint16, centroids []byte, n int, err error) {
	if len(src) == 0 || src[0] > 16 {
		return nil, nil, 0, corrupt("rot_ecsq: bad table")
	}
	freq, n, err = entropy.ReadTable(room, src[1:])
	if err != nil {
		return nil, nil, 0, corrupt("rot_ecsq: %v", err)
	}
	n++
	used := 0
	for sym, f := range freq {
		if f > 0 && sym != ecsqEscape {
			used++
		}
	}
	if used > len(src)-n {
		return nil, nil, 0, corrupt("rot_ecsq: centroids are cut short")
	}
	return freq, src[n : n+used], n + used, nil
}

func (c rotECSQ) Decompress(dst kv.Tensor, src []byte) error {
	p, err := c.split(dst, src)
	if err != nil {
		return err
	}
	s := ecsqPool.Get().(*ecsqScratch)
	defer ecsqPool.Put(s)
	// First pass: how many low bits and escapes there are, so that the two can be told apart.
	lows, err := s.lowBytes(dst, p)
	if err != nil {
		return err
	}
	if lows > len(p.lows) || (len(p.lows)-lows)%4 != 0 {
		return corrupt("rot_ecsq: %d bytes after the streams, low bits take %d", len(p.lows), lows)
	}
	p.lows, p.esc = p.lows[:lows], p.lows[lows:]
	if p.lift, err = p.lifted(); err != nil {
		return err
	}
	for _, side := range kv.Sides {
		if dst.Dim(side) == 0 {
			continue
		}
		rot := rotations.get(dst.Dim(side), c.seed)
		for l := range dst.Layers {
			if err := s.restore(dst, side, l, rot, &p); err != nil {
				return err
			}
		}
	}
	if len(p.lows)+len(p.esc) != 0 {
		return corrupt("rot_ecsq: bytes left over")
	}
	return nil
}

// lifted returns 1, or tallness if there is a step or an escape so large that rows might overflow while
// they are turned. It returns an error for an escape that is no number.
func (p *ecsqParts) lifted() (float32, error) {
	lift := float32(1)
	for _, list := range [][]byte{p.steps, p.esc} {
		for ; len(list) > 0; list = list[4:] {
			x := getFloat(list)
			if x-x != 0 {
				return 0, corrupt("rot_ecsq: step or escape %v", x)
			}
			if max(x, -x) > tall {
				lift = tallness
			}
		}
	}
	return lift, nil
}

// lowBytes decodes every stream that has low bits beside it, and adds up the bytes of these.
func (s *ecsqScratch) lowBytes(head kv.Tensor, p ecsqParts) (int, error) {
	sum := 0
	for _, side := range kv.Sides {
		for l := 0; l < head.Layers && head.Dim(side) > 0; l++ {
			if p.hasNoLows() {
				if err := p.skip(); err != nil {
					return 0, err
				}
				continue
			}
			n := head.Heads * head.Tokens * head.Dim(side)
			low, _, err := s.symbols(&p, n)
			if err != nil {
				return 0, err
			}
			coded := len(s.syms) - bytes.Count(s.syms, []byte{ecsqEscape})
			sum += (coded*low + 7) / 8
		}
	}
	return sum, nil
}

// hasNoLows says whether the next block is of zeros or has no low bits.
func (p *ecsqParts) hasNoLows() bool {
	return binary.LittleEndian.Uint32(p.steps) == 0 || p.tables[0] == 0
}

// skip moves on by such a block.
func (p *ecsqParts) skip() error {
	step := binary.LittleEndian.Uint32(p.steps)
	p.steps = p.steps[4:]
	if step == 0 {
		return nil
	}
	var room [ecsqSymbols]uint16
	_, _, used, err := readECSQTable(room[:], p.tables)
	if err != nil {
		return err
	}
	p.tables = p.tables[used:]
	size, k := binary.Uvarint(p.streams)
	p.streams = p.streams[k+int(size):]
	return nil
}

// symbols decodes the next block into s.syms: its low bits and centroids, or nothing for a block
// of zeros, which it tells by an empty s.syms.
func (s *ecsqScratch) symbols(p *ecsqParts, n int) (low int, centroids []byte, err error) {
	step := binary.LittleEndian.Uint32(p.steps)
	p.steps = p.steps[4:]
	s.syms = s.syms[:0]
	if step == 0 {
		return 0, nil, nil
	}
	freq, centroids, used, err := readECSQTable(s.freq[:], p.tables)
	if err != nil {
		return 0, nil, err
	}
	low = int(p.tables[0])
	p.tables = p.tables[used:]
	size, k := binary.Uvarint(p.streams)
	stream := p.streams[k : k+int(size)]
	p.streams = p.streams[k+int(size):]
	s.dec.Init(freq)
	s.syms = growTo(s.syms, n)
	if got, err := s.dec.Decode(s.syms, stream); err != nil || got != len(stream) {
		return 0, nil, corrupt("rot_ecsq: a stream does not decode")
	}
	return low, centroids, nil
}

func (s *ecsqScratch) restore(dst kv.Tensor, side kv.Side, l int, rot rotate.Hadamard,
	p *ecsqParts) error {
	dim := dst.Dim(side)
	n := dst.Heads * dst.Tokens * dim
	delta := math.Float32frombits(binary.LittleEndian.Uint32(p.steps))
	if delta-delta != 0 || delta < 0 {
		return corrupt("rot_ecsq: step %v", delta)
	}
	low, centroids, err := s.symbols(p, n)
	if err != nil {
		return err
	}
	s.vals = growTo(s.vals, n)
	if len(s.syms) == 0 {
		clear(s.vals)
	} else if err := s.values(delta/p.lift, low, centroids, p); err != nil {
		return err
	}
	for h := range dst.Heads {
		part := s.vals[h*dst.Tokens*dim : (h+1)*dst.Tokens*dim]
		plane := dst.Plane(side, l, h)
		for at := 0; at < len(part); at += turnedRows * dim {
			rows := part[at:min(at+turnedRows*dim, len(part))]
			rot.Inverse(rows)
			if p.lift > 1 {
				for i := range rows {
					rows[i] *= p.lift
				}
			}
			dst.DType.NarrowSaturated(plane[at:at+len(rows)], rows)
		}
	}
	return nil
}

// values turns s.syms into s.vals.
func (s *ecsqScratch) values(delta float32, low int, centroids []byte, p *ecsqParts) error {
	var shift [ecsqSymbols]float64
	for sym, f := range s.freq[:ecsqSymbols] {
		if f > 0 && sym != ecsqEscape && len(centroids) > 0 {
			shift[sym] = float64(int8(centroids[0])) / 254
			centroids = centroids[1:]
		}
	}
	if low == 0 {
		return s.wholeValues(delta, &shift, p)
	}
	bits := bitReader{src: p.lows}
	for i, sym := range s.syms {
		if sym == ecsqEscape {
			if !p.escape(&s.vals[i]) {
				return corrupt("rot_ecsq: too few escapes")
			}
			continue
		}
		q := (int(sym)-ecsqMid)<<low | int(bits.take(low))
		s.vals[i] = float32((float64(q) + shift[sym]) * float64(delta))
	}
	p.lows = bits.rest()
	return nil
}

// escape sets x to the next number apart, and returns false if there is none.
func (p *ecsqParts) escape(x *float32) bool {
	if len(p.esc) < 4 {
		return false
	}
	*x = getFloat(p.esc) / p.lift
	p.esc = p.esc[4:]
	return true
}

// wholeValues is values of symbols without low bits, which stand for one number each.
func (s *ecsqScratch) wholeValues(delta float32, shift *[ecsqSymbols]float64, p *ecsqParts) error {
	var values [ecsqSymbols]float32
	for sym := range values {
		values[sym] = float32((float64(sym-ecsqMid) + shift[sym]) * float64(delta))
	}
	vals := s.vals[:len(s.syms)]
	for i, sym := range s.syms {
		vals[i] = values[sym]
	}
	for from := 0; ; from++ {
		i := bytes.IndexByte(s.syms[from:], ecsqEscape)
		if i < 0 {
			return nil
		}
		from += i
		if !p.escape(&vals[from]) {
			return corrupt("rot_ecsq: too few escapes")
		}
	}
}

// bitReader undoes bitWriter; past the end it reads zeros.
type bitReader struct {
	src []byte
	acc uint64
	n   int
}

func (b *bitReader) take(n int) uint32 {
	for b.n < n {
		if len(b.src) > 0 {
			b.acc |= uint64(b.src[0]) << b.n
			b.src = b.src[1:]
		}
		b.n += 8
	}
	v := uint32(b.acc & (1<<n - 1))
	b.acc >>= n
	b.n -= n
	return v
}

func (b *bitReader) rest() []byte { return b.src }

func (c rotECSQ) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	p, err := c.split(head, payload)
	return append(dst, Section{Scales, len(p.steps)}, Section{Tables, len(p.tables)},
		Section{Codes, len(p.streams) + len(p.lows)}), err
}
