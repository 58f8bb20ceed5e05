package compressors

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"sync"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// kvQuantScratch is the memory of one call.
type kvQuantScratch struct {
	row                    []float32
	codes                  []byte
	out                    []byte           // a bit for every value of the row: apart
	grid                   [1]kern.BookGrid // of all values of a row
	apart                  []extreme
	ends                   extremes
	values, channels, rest []byte // runs that follow the codes
}

var kvQuantPool = sync.Pool{New: func() any { return new(kvQuantScratch) }}

// ready returns an error if the codec cannot take t.
func (c *kvQuant) ready(t kv.Tensor) (keyTurner, error) {
	if c.state == nil {
		return keyTurner{}, ErrUnfitted
	}
	if err := c.to.check(t); err != nil {
		return keyTurner{}, err
	}
	for _, side := range kv.Sides {
		if width := t.Heads * t.Dim(side); width > 0xfffe {
			return keyTurner{}, fmt.Errorf("%w: %d channels of %v in a layer, indices count 65,534",
				ErrUnsupported, width, side)
		}
	}
	return newKeyTurner(t)
}

// AppendCompress implements Codec.
func (c *kvQuant) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	turn, err := c.ready(src)
	if err != nil {
		return dst, err
	}
	if err := checkFinite(src); err != nil {
		return dst, err
	}
	s := kvQuantPool.Get().(*kvQuantScratch)
	defer kvQuantPool.Put(s)
	s.values, s.channels, s.rest = s.values[:0], s.channels[:0], s.rest[:0]
	base, rows := len(dst), c.rows(src)
	y := c.heads(src, rows)
	dst = growBytes(dst, y.codes)
	for _, side := range kv.Sides {
		s.row = growTo(s.row, src.Heads*src.Dim(side))
		at, step := base+y.counts, 2 // where a row's head stands
		if side == kv.V {
			at, step = base+y.grids, 4
		}
		for l := 0; l < src.Layers && src.Dim(side) > 0; l++ {
			for token := range src.Tokens {
				if c.sunk(src, token) {
					s.keepRow(src, side, l, token)
					continue
				}
				loadRow(s.row, src, side, l, token)
				var head uint32
				ok := false
				places := 0
				if side == kv.K {
					turnRow(s.row, turn, src.KeyDim, token, true)
					if head, ok = s.codeKeys(&c.layers[l]); ok && c.Cap {
						places = kvQuantPlaces(len(s.row))
						head, ok = s.capKeys(&c.layers[l], places)
					}
				} else {
					head, ok = s.codeValues(&c.layers[l], src.DType)
				}
				if !ok {
					head = kvQuantRawKeys
					if side == kv.V {
						head = kvQuantRawValues << 16
					}
					s.keepRow(src, side, l, token)
				} else {
					n := len(dst)
					dst = growBytes(dst, quant.PackedBytes(len(s.codes), c.Bits))
					quant.Pack(dst[n:], s.codes, c.Bits)
					s.keepOutliers(side, src.DType, 2*places)
				}
				putHead(dst[at:at+step], head)
				at += step
			}
		}
	}
	dst = append(append(dst, s.values...), s.channels...)
	return append(dst, s.rest...), nil
}

func putHead(dst []byte, head uint32) {
	dst[0], dst[1] = byte(head), byte(head>>8)
	if len(dst) == 4 {
		dst[2], dst[3] = byte(head>>16), byte(head>>24)
	}
}

// keepRow adds a row that stays in 16 bits.
func (s *kvQuantScratch) keepRow(t kv.Tensor, side kv.Side, l, token int) {
	for h := range t.Heads {
		s.rest = appendBits(s.rest, t.Row(side, l, h, token))
	}
}

// keepOutliers adds the outliers of a row, and fills up so many places.
func (s *kvQuantScratch) keepOutliers(side kv.Side, d kv.DType, places int) {
	for _, o := range s.apart {
		bits := kern.F32ToF16(o.value)
		if side == kv.V {
			bits = d.Bits(o.value)
		}
		s.values = binary.LittleEndian.AppendUint16(s.values, bits)
		s.channels = binary.LittleEndian.AppendUint16(s.channels, o.channel)
	}
	for range places - len(s.apart) {
		s.values, s.channels = append(s.values, 0, 0), append(s.channels, 0, 0)
	}
}

// capKeys keeps, of the outliers of the row that codeKeys coded, so many at either end as there are
// places for, those farthest out, and gives the others their nearest codes.
func (s *kvQuantScratch) capKeys(y *nuqLayer, places int) (count uint32, ok bool) {
	top, bottom := s.ends.top[:0], s.ends.bottom[:0]
	for _, o := range s.apart {
		u := (o.value - y.off[o.channel]) * y.inv[o.channel]
		s.codes[o.channel] = byte(y.code[kv.K].code(u))
		if u > 0 {
			top = insertExtreme(top, extreme{u, o.channel}, places, func(a, b float32) bool { return a > b })
		} else {
			bottom = insertExtreme(bottom, extreme{u, o.channel}, places, func(a, b float32) bool { return a < b })
		}
	}
	s.apart = append(append(s.apart[:0], bottom...), top...)
	for i, o := range s.apart {
		s.apart[i].value = s.row[o.channel]
	}
	s.ends.top, s.ends.bottom = top, bottom
	return uint32(len(s.apart)), s.betterThanZeros(y)
}

// betterThanZeros says whether what the row of keys comes back as is nearer to it than zeros are.
func (s *kvQuantScratch) betterThanZeros(y *nuqLayer) bool {
	var missed, power float32
	for i, x := range s.row {
		power += float32(x * x)
		d := x - y.key(i, s.codes[i])
		missed += float32(d * d)
	}
	for _, o := range s.apart { // they come back as they are
		d := o.value - y.key(int(o.channel), s.codes[o.channel])
		missed -= float32(d * d)
	}
	return missed <= power
}

// key returns what a code of a channel of keys stands for.
func (y *nuqLayer) key(channel int, code byte) float32 {
	return float32(y.value[kv.K].values[code&(nuqMax-1)]*y.half[channel]) + y.off[channel]
}

// kvQuantSums are sums of squares of every eighth value of a row.
type kvQuantSums struct{ missed, power [8]float32 }

// total adds up one of them.
func (kvQuantSums) total(s *[8]float32) float32 {
	return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))
}

// code codes the row under grids.
func (s *kvQuantScratch) code(b *kern.Book, grids []kern.BookGrid) (missed, power float32) {
	var sums kvQuantSums
	s.codes, s.out = growTo(s.codes, len(s.row)), growTo(s.out, ceilDiv(len(s.row), 8))
	b.GridCodes(s.codes, s.out, &sums.missed, &sums.power, s.row, grids)
	return sums.total(&sums.missed), sums.total(&sums.power)
}

// codeKeys sets codes and outliers of the row of un-rotated keys. It returns false if the row should
// stay in 16 bits.
func (s *kvQuantScratch) codeKeys(y *nuqLayer) (count uint32, ok bool) {
	missed, power := s.code(y.books[kv.K], y.grids)
	s.apart = s.apart[:0]
	for at, out := range s.out {
		for ; out != 0; out &= out - 1 {
			i := 8*at + bits.TrailingZeros8(out)
			s.apart = append(s.apart, extreme{s.row[i], uint16(i)})
			if kern.F32ToF16(s.row[i])&0x7fff >= 0x7c00 {
				return 0, false
			}
		}
	}
	return uint32(len(s.apart)), missed <= power && 2*len(s.apart) <= len(s.row)
}

// valueGrid returns the offset and half width, as binary16 holds them, of values from lo to hi.
func valueGrid(lo, hi float32) (off, half float32) {
	off = kern.F16ToF32(kern.F32ToF16(float32((float64(lo) + float64(hi)) / 2)))
	wide := float32((float64(hi) - float64(lo)) / 2)
	half = kern.F16ToF32(kern.F32ToF16(wide))
	if wide > 0 {
		half = max(half, 0x1p-24)
	}
	return off, half
}

// oneGrid returns one grid for all values of a row, which none is outside of.
func (s *kvQuantScratch) oneGrid(off, half float32) []kern.BookGrid {
	inv, inf, g := oneOver(half), float32(math.Inf(1)), &s.grid[0]
	for i := range g.Off {
		g.Off[i], g.Half[i], g.Inv[i], g.Lo[i], g.Hi[i] = off, half, inv, -inf, inf
	}
	return s.grid[:]
}

// codeValues is codeKeys for values: it returns the offset and half width of the row.
func (s *kvQuantScratch) codeValues(y *nuqLayer, d kv.DType) (grid uint32, ok bool) {
	apart := kvQuantOutliers(len(s.row))
	s.ends.find(s.row, apart)
	s.apart = append(append(s.apart[:0], s.ends.bottom[:apart]...), s.ends.top[:apart]...)
	off, half := valueGrid(s.ends.bottom[apart].value, s.ends.top[apart].value)
	if off-off != 0 || half-half != 0 {
		return 0, false
	}
	missed, power := s.code(y.books[kv.V], s.oneGrid(off, half))
	values := &y.value[kv.V].values
	for _, o := range s.apart { // they come back exactly
		code := s.codes[o.channel]
		e := o.value - (float32(values[code&(nuqMax-1)]*half) + off)
		missed -= float32(e * e)
	}
	return uint32(kern.F32ToF16(off)) | uint32(kern.F32ToF16(half))<<16, missed <= power
}

// Decompress implements Codec.
func (c *kvQuant) Decompress(dst kv.Tensor, src []byte) error {
	turn, err := c.ready(dst)
	if err == ErrUnfitted {
		return err
	}
	if err != nil {
		return corrupt("%v", err)
	}
	y, err := c.layout(dst, src)
	if err != nil {
		return err
	}
	if y.end != len(src) {
		return corrupt("%d bytes, want %d", len(src), y.end)
	}
	s := kvQuantPool.Get().(*kvQuantScratch)
	defer kvQuantPool.Put(s)
	in := kvQuantRuns{src[:y.grids], src[y.grids:y.codes], src[y.codes:y.values],
		src[y.values:y.channels], src[y.channels:y.raw], src[y.raw:]}
	for _, side := range kv.Sides {
		s.row = growTo(s.row, dst.Heads*dst.Dim(side))
		for l := 0; l < dst.Layers && dst.Dim(side) > 0; l++ {
			for token := range dst.Tokens {
				if c.sunk(dst, token) {
					in.readRow(dst, side, l, token)
					continue
				}
				var raw, ok bool
				if side == kv.K {
					raw, ok = c.restoreKeys(s, &in, l)
				} else {
					raw, ok = c.restoreValues(s, &in, l, dst.DType)
				}
				if !ok {
					return corrupt("grid or outlier of %v, layer %d, token %d", side, l, token)
				}
				if raw {
					in.readRow(dst, side, l, token)
					continue
				}
				if side == kv.K {
					turnRow(s.row, turn, dst.KeyDim, token, false)
				}
				storeRow(dst, side, l, token, s.row)
			}
		}
	}
	return nil
}

// storeRow is the inverse of loadRow.
func storeRow(t kv.Tensor, side kv.Side, l, token int, row []float32) {
	dim := t.Dim(side)
	for h := range t.Heads {
		t.DType.NarrowSaturated(t.Row(side, l, h, token), row[h*dim:(h+1)*dim])
	}
}

// kvQuantRuns is what is left of each run of a payload; layout has checked that it suffices.
type kvQuantRuns struct{ counts, grids, codes, values, channels, rest []byte }

func (in *kvQuantRuns) readRow(t kv.Tensor, side kv.Side, l, token int) {
	for h := range t.Heads {
		row := t.Row(side, l, h, token)
		readBits(row, in.rest)
		in.rest = in.rest[2*len(row):]
	}
}

// next unpacks the codes of a row.
func (in *kvQuantRuns) next(s *kvQuantScratch, bits int) {
	s.codes = growTo(s.codes, len(s.row))
	n := quant.PackedBytes(len(s.row), bits)
	quant.Unpack(s.codes, in.codes[:n], bits)
	in.codes = in.codes[n:]
}

// outliers puts n outliers into their places in the row.
func (in *kvQuantRuns) outliers(row []float32, n int, d kv.DType) bool {
	for range n {
		bits, channel := binary.LittleEndian.Uint16(in.values), binary.LittleEndian.Uint16(in.channels)
		in.values, in.channels = in.values[2:], in.channels[2:]
		if int(channel) >= len(row) || !d.Finite(bits) {
			return false
		}
		row[channel] = d.Float(bits)
	}
	return true
}

func (c *kvQuant) restoreKeys(s *kvQuantScratch, in *kvQuantRuns, l int) (raw, ok bool) {
	n := binary.LittleEndian.Uint16(in.counts)
	in.counts = in.counts[2:]
	if n == kvQuantRawKeys {
		return true, true
	}
	in.next(s, c.Bits)
	y := &c.layers[l]
	row := s.row
	y.books[kv.K].GridValues(row, s.codes[:len(row)], y.grids)
	if !in.outliers(row, int(n), kv.F16) {
		return false, false
	}
	if c.Cap { // skip what fills the places
		rest := 2 * (2*kvQuantPlaces(len(row)) - int(n))
		in.values, in.channels = in.values[rest:], in.channels[rest:]
	}
	return false, true
}

func (c *kvQuant) restoreValues(s *kvQuantScratch, in *kvQuantRuns, l int, d kv.DType) (raw, ok bool) {
	head := getUint32(in.grids)
	in.grids = in.grids[4:]
	if head>>16 == kvQuantRawValues {
		return true, true
	}
	off, half := kern.F16ToF32(uint16(head)), kern.F16ToF32(uint16(head>>16))
	if off-off != 0 || half-half != 0 || half < 0 {
		return false, false
	}
	in.next(s, c.Bits)
	c.layers[l].books[kv.V].GridValues(s.row, s.codes[:len(s.row)], s.oneGrid(off, half))
	return false, in.outliers(s.row, 2*kvQuantOutliers(len(s.row)), d)
}
