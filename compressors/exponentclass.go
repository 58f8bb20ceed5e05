package compressors

import (
	"slices"
	"sync"

	"kvgauge/compressors/internal/bytecode"
	"kvgauge/compressors/internal/entropy"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// exponentScratch is what one call of exponent works with. Its slices belong to one layer.
type exponentScratch struct {
	class   []byte   // of each channel of each head
	sums    []uint32 // of sampled exponents, per channel of each head
	sorted  []uint32 // the same in order
	perm    []int32  // channels of each head by class
	runs    []int32  // per head and class: channels
	size    [maxExponentClasses]int
	at      [maxExponentClasses]int
	dim     int
	symbols []byte  // of a layer, by class
	back    []int32 // where a channel is in perm
	fields  []byte  // symbols of some rows
	turned  []byte  // the same by class

	freq    [entropy.MaxSymbols]uint16
	counts  [entropy.MaxSymbols]uint64
	encoder entropy.Encoder
	decoder entropy.Decoder
}

var exponentScratches = sync.Pool{New: func() any { return new(exponentScratch) }}

// newExponentScratch returns scratch for layers of a side.
func newExponentScratch(t kv.Tensor, side kv.Side) *exponentScratch {
	s := exponentScratches.Get().(*exponentScratch)
	s.resize(t, side)
	return s
}

func (s *exponentScratch) release() { exponentScratches.Put(s) }

// resize makes room for layers of a side.
func (s *exponentScratch) resize(t kv.Tensor, side kv.Side) {
	s.dim = t.Dim(side)
	channels := t.Heads * s.dim
	s.class = slices.Grow(s.class[:0], channels)[:channels]
	s.sums = slices.Grow(s.sums[:0], channels)[:channels]
	s.sorted = slices.Grow(s.sorted[:0], channels)[:channels]
	s.perm = slices.Grow(s.perm[:0], channels)[:channels]
	s.runs = slices.Grow(s.runs[:0], t.Heads*maxExponentClasses)[:t.Heads*maxExponentClasses]
	s.back = growTo(s.back, s.dim)
	s.fields, s.turned = growTo(s.fields, exponentRows*s.dim), growTo(s.turned, exponentRows*s.dim)
	n := channels * t.Tokens
	s.symbols = slices.Grow(s.symbols[:0], n)[:n]
}

// A class has at least this many values on average: its table takes about 80 bytes.
const exponentClassValues = 4096

// classify puts the channels of all heads into classes by their mean exponent over up to 256
// tokens. The range of the means, but for the 2 % of channels at either end, is divided equally:
// on SmolLM2 that takes 0.03 bits a value less than classes of equally many channels.
func (s *exponentScratch) classify(src kv.Tensor, side kv.Side, layer, classes int) {
	const sample = 256
	f := fieldOf(src.DType)
	clear(s.class)
	classes = min(classes, len(s.class)*src.Tokens/exponentClassValues)
	if classes <= 1 {
		return
	}
	clear(s.sums)
	step := (src.Tokens + sample - 1) / sample
	for h := range src.Heads {
		sums := s.sums[h*s.dim:][:s.dim]
		for i := 0; i < src.Tokens; i += step {
			for c, b := range src.Row(side, layer, h, i)[:len(sums)] {
				sums[c] += uint32(b >> f.fraction & f.top)
			}
		}
	}
	copy(s.sorted, s.sums)
	slices.Sort(s.sorted)
	ends := len(s.sorted) / 50
	low, high := s.sorted[ends], s.sorted[len(s.sorted)-1-ends]
	for i, sum := range s.sums {
		sum = min(max(sum, low), high) - low
		s.class[i] = byte(int(sum) * classes / int(high-low+1))
	}
}

// appendClasses appends the classes of channels, two in a byte.
func (s *exponentScratch) appendClasses(dst []byte, classes int) []byte {
	if classes == 1 {
		return dst
	}
	for i := 0; i < len(s.class); i += 2 {
		b := s.class[i]
		if i+1 < len(s.class) {
			b |= s.class[i+1] << 4
		}
		dst = append(dst, b)
	}
	return dst
}

// readClasses undoes appendClasses and returns what follows.
func (s *exponentScratch) readClasses(src []byte, classes int) ([]byte, bool) {
	if classes == 1 {
		clear(s.class)
		return src, true
	}
	n := (len(s.class) + 1) / 2
	if len(src) < n {
		return nil, false
	}
	for i := range s.class {
		k := src[i/2] >> (4 * (i & 1)) & 15
		if int(k) >= classes {
			return nil, false
		}
		s.class[i] = k
	}
	return src[n:], true
}

// order lists the channels of each head by class, and counts them.
func (s *exponentScratch) order(heads, classes int) {
	clear(s.size[:])
	clear(s.runs)
	for h := range heads {
		perm, runs := s.perm[h*s.dim:][:s.dim], s.runs[h*maxExponentClasses:]
		at := 0
		for k := range classes {
			first := at
			for c, class := range s.class[h*s.dim:][:s.dim] {
				if int(class) == k {
					perm[at] = int32(c)
					at++
				}
			}
			runs[k] = int32(at - first)
			s.size[k] += at - first
		}
	}
}

// exponentRows is how many rows are taken apart at a time.
const exponentRows = 32

// begin sets s.at to where the symbols of each class begin.
func (s *exponentScratch) begin(tokens int) {
	at := 0
	for k, n := range s.size {
		s.at[k] = at
		at += n * tokens
	}
}

// eachRow calls f, for rows by class in s.turned, with the channels of each class in turn.
func (s *exponentScratch) eachRow(runs []int32, rows int, f func(symbols, turned []byte)) {
	at := 0
	for range rows {
		for k, n := range runs {
			if n > 0 {
				f(s.symbols[s.at[k]:][:n], s.turned[at:][:n])
				s.at[k] += int(n)
				at += int(n)
			}
		}
	}
}

// wholeRun returns the class of all channels of a head, if they have one.
func wholeRun(runs []int32, dim int) (class int, ok bool) {
	class = slices.Index(runs, int32(dim))
	return class, class >= 0
}

// gather sets the symbols of a layer, which take finds for values of a head.
func (s *exponentScratch) gather(src kv.Tensor, side kv.Side, layer int,
	take func(head int, dst []byte, src []uint16)) {
	s.begin(src.Tokens)
	for h := range src.Heads {
		runs, perm := s.runs[h*maxExponentClasses:][:maxExponentClasses], s.perm[h*s.dim:][:s.dim]
		plane := src.Plane(side, layer, h)
		if k, ok := wholeRun(runs, s.dim); ok {
			take(h, s.symbols[s.at[k]:][:len(plane)], plane)
			s.at[k] += len(plane)
			continue
		}
		for len(plane) > 0 {
			n := min(len(plane), exponentRows*s.dim)
			fields, turned := s.fields[:n], s.turned[:n]
			take(h, fields, plane[:n])
			kern.PermuteRows(turned, fields, perm)
			s.eachRow(runs, n/s.dim, func(symbols, turned []byte) { copy(symbols, turned) })
			plane = plane[n:]
		}
	}
}

// scatter gives put the symbols of a layer, for values of a head.
func (s *exponentScratch) scatter(dst kv.Tensor, side kv.Side, layer int,
	put func(head int, dst []uint16, src []byte)) {
	s.begin(dst.Tokens)
	for h := range dst.Heads {
		runs, plane := s.runs[h*maxExponentClasses:][:maxExponentClasses], dst.Plane(side, layer, h)
		if k, ok := wholeRun(runs, s.dim); ok {
			put(h, plane, s.symbols[s.at[k]:][:len(plane)])
			s.at[k] += len(plane)
			continue
		}
		for i, c := range s.perm[h*s.dim:][:s.dim] {
			s.back[c] = int32(i)
		}
		for len(plane) > 0 {
			n := min(len(plane), exponentRows*s.dim)
			fields, turned := s.fields[:n], s.turned[:n]
			s.eachRow(runs, n/s.dim, func(symbols, turned []byte) { copy(turned, symbols) })
			kern.PermuteRows(fields, turned, s.back)
			put(h, plane[:n], fields)
			plane = plane[n:]
		}
	}
}

// appendBlocks appends the symbols of a class.
func (c exponent) appendBlocks(dst, symbols []byte, s *exponentScratch) []byte {
	for len(symbols) > 0 {
		n := min(len(symbols), bytecode.BlockMax)
		if c.rans {
			dst = s.appendRANS(dst, symbols[:n])
		} else {
			dst = bytecode.AppendBlock(dst, symbols[:n], 0)
		}
		symbols = symbols[n:]
	}
	return dst
}

// readBlocks undoes appendBlocks and returns what follows.
func (c exponent) readBlocks(symbols, src []byte, s *exponentScratch) ([]byte, bool) {
	for len(symbols) > 0 {
		n := min(len(symbols), bytecode.BlockMax)
		var ok bool
		if c.rans {
			src, ok = s.readRANS(symbols[:n], src)
		} else {
			src, ok = bytecode.ReadBlock(symbols[:n], src)
		}
		if !ok {
			return nil, false
		}
		symbols = symbols[n:]
	}
	return src, true
}

// appendRANS appends a block like bytecode.AppendBlock's, coded by rANS.
func (s *exponentScratch) appendRANS(dst, symbols []byte) []byte {
	clear(s.counts[:])
	entropy.Count(&s.counts, symbols)
	top := len(s.counts)
	for s.counts[top-1] == 0 {
		top--
	}
	freq := s.freq[:top]
	entropy.Normalise(freq, s.counts[:top])
	s.encoder.Init(freq)
	at := len(dst)
	dst = append(dst, 0, 0, 0)
	kind := exponentCoded
	if dst = s.encoder.Append(entropy.AppendTable(dst, freq), symbols); len(dst)-at-3 >= len(symbols) {
		kind, dst = exponentStored, append(dst[:at+3], symbols...)
	}
	h := (len(dst)-at-3)<<2 | kind
	dst[at], dst[at+1], dst[at+2] = byte(h), byte(h>>8), byte(h>>16)
	return dst
}

// Kinds of blocks, as in bytecode.
const (
	exponentStored = 0
	exponentCoded  = 2
)

// readRANS undoes appendRANS and returns what follows the block.
func (s *exponentScratch) readRANS(symbols, src []byte) ([]byte, bool) {
	n, coded, rest, ok := bytecode.SkipBlock(src)
	if !ok {
		return nil, false
	}
	in := src[bytecode.HeaderBytes:][:n]
	if !coded {
		return rest, copy(symbols, in) == len(symbols) && n == len(symbols)
	}
	freq, used, err := entropy.ReadTable(s.freq[:], in)
	if err != nil {
		return nil, false
	}
	s.decoder.Init(freq)
	took, err := s.decoder.Decode(symbols, in[used:])
	return rest, err == nil && used+took == n
}
