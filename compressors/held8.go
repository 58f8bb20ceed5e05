package compressors

import (
	"fmt"
	"sync"

	"kvgauge/compressors/internal/bytecode"
	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// held8 codes without loss what was held in 8 bits before, as many deployments hold their caches
// in E4M3 or E5M2, with a scale or without. However that was done, a layer, or where scales are
// per head a head of it, then has at most 256 different patterns: these make a book, and their
// places in it get codes as lossless_exp's exponents do. A layer with more patterns is coded as
// lossless_exp codes it.
//
// Payload, for each layer of K, then of V:
//
//	u8       0: lossless_exp's layer follows; 1: a book for all heads does; 2: one for each head
//	books    as in patternBook.append
//	4 bits   class of each channel of each head; absent if classes=1
//	blocks   as lossless_exp's
type held8 struct {
	exponent          // how places are coded
	other    exponent // for layers that were not held in 8 bits
}

// How a layer is coded.
const (
	heldNot = iota
	heldByLayer
	heldByHead
)

func init() {
	Register(registry.Family[Codec, exponentParams]{
		Name: "lossless_fp8", Doc: "codes for the patterns of caches that were held in 8 bits before",
		Source: "this repository", Tags: []string{"lossless"},
		Defaults: exponentParams{8, "huff0"},
		Variants: []exponentParams{{8, "rans"}, {1, "huff0"}},
		New: func(p exponentParams) (Codec, error) {
			c, err := p.coder()
			return byLayers(held8{c, exponent{8, c.rans}}), err
		},
	})
	Certify("lossless_fp8", Certificate{
		Anchors: []Anchor{exactOn(White, byDefinition, Oracle), exactOn(WhiteBF16, byDefinition, Oracle),
			exactOn(whiteHeld("fp8_e4m3", kv.F16), byDefinition, Oracle),
			heldEntropy("fp8_e4m3", kv.F16, 6.4504), heldEntropy("fp8_e4m3", kv.BF16, 6.4504),
			heldEntropy("fp8_e5m2", kv.F16, 5.4853)},
		Beyond: []Claim{{"FP8 caches about 1.1 times smaller (FlexKV pull request 183: nvCOMP's ANS), E5M2 1.14 " +
			"times (SplitZip, arXiv 2605.01708)", "their models' caches, and kernels"}},
		UseWhen: "the cache was in FP8 or int8 before, and no bit of that may change",
	})
}

// whiteHeld is White after a codec: what an engine held in 8 bits, widened again.
func whiteHeld(codec string, d kv.DType) Source {
	return Source{Name: fmt.Sprintf("white Gaussian held as %s, %v, D=128, 2048 tokens", codec, d),
		Make: sync.OnceValue(func() kv.Tensor {
			p, err := pass(codec, Data{Cache: WhiteNoise(2048, d)})
			if err != nil {
				panic(err) // it takes all noise
			}
			return p.Got
		})}
}

// heldEntropy wants lossless_fp8 within 1.5 % of the entropy of 8-bit floats.
func heldEntropy(codec string, d kv.DType, bits float64) Anchor {
	a := entropyOn(whiteHeld(codec, d), bits)
	a.From = "the entropy of the rounded codes of a normal variable"
	return a
}

// held8Scratch is what one call works with.
type held8Scratch struct {
	*exponentScratch
	index [1 << 16]uint16 // of patterns of the current book, 1 + their place; else 0
	books []patternBook   // one, or one for each head
	base  int             // how many heads share books[0]
}

var held8Scratches = sync.Pool{New: func() any { return new(held8Scratch) }}

func newHeld8Scratch(t kv.Tensor, side kv.Side) *held8Scratch {
	s := held8Scratches.Get().(*held8Scratch)
	s.exponentScratch = newExponentScratch(t, side)
	return s
}

func (s *held8Scratch) release() {
	s.exponentScratch.release()
	s.exponentScratch = nil
	held8Scratches.Put(s)
}

// share makes books for groups of heads.
func (s *held8Scratch) share(heads, how int) {
	if s.base = 1; how == heldByLayer {
		s.base = heads
	}
	n := heads / s.base
	for len(s.books) < n {
		s.books = append(s.books, patternBook{})
	}
	s.books = s.books[:n]
}

// learn makes the books of a layer and returns how they are shared, heldNot if they are too large.
func (s *held8Scratch) learn(src kv.Tensor, side kv.Side, layer int) byte {
	for how := heldByLayer; how <= heldByHead; how++ {
		s.share(src.Heads, how)
		ok := true
		for i := 0; i < len(s.books) && ok; i++ {
			ok = s.books[i].learn(&s.index, src, side, layer, i*s.base, (i+1)*s.base)
		}
		if ok {
			return byte(how)
		}
	}
	return heldNot
}

// places takes the places of patterns in their books.
func (s *held8Scratch) places(src kv.Tensor, side kv.Side, layer int) {
	current := -1
	s.gather(src, side, layer, func(head int, dst []byte, src []uint16) {
		if k := head / s.base; k != current {
			if current >= 0 {
				s.books[current].enter(&s.index, false)
			}
			current = k
			s.books[k].enter(&s.index, true)
		}
		dst = dst[:len(src)]
		for i, b := range src {
			dst[i] = byte(s.index[b] - 1)
		}
	})
	s.books[current].enter(&s.index, false)
}

// restore undoes places; it returns false if a place is empty.
func (s *held8Scratch) restore(dst kv.Tensor, side kv.Side, layer int) bool {
	empty := false
	s.scatter(dst, side, layer, func(head int, dst []uint16, src []byte) {
		b := &s.books[head/s.base]
		dst = dst[:len(src)]
		for i, k := range src {
			dst[i] = b.patterns[k]
			empty = empty || b.empty(k)
		}
	})
	return !empty
}

// appendLayer implements layerCoder.
func (c held8) appendLayer(dst []byte, src kv.Tensor, side kv.Side, layer int) []byte {
	s := newHeld8Scratch(src, side)
	defer s.release()
	how := s.learn(src, side, layer)
	dst = append(dst, how)
	if how == heldNot {
		return c.other.appendFields(dst, src, side, layer, s.exponentScratch)
	}
	for i := range s.books {
		dst = s.books[i].append(dst)
	}
	s.classify(src, side, layer, c.classes)
	dst = s.appendClasses(dst, c.classes)
	s.order(src.Heads, c.classes)
	s.places(src, side, layer)
	return c.appendSymbols(dst, src.Tokens, s.exponentScratch)
}

// readLayer implements layerCoder.
func (c held8) readLayer(dst kv.Tensor, side kv.Side, layer int, src []byte) bool {
	s := newHeld8Scratch(dst, side)
	defer s.release()
	how, src, ok := c.readBooks(dst, src, s)
	switch {
	case !ok:
		return false
	case how == heldNot:
		src, ok = c.other.readFields(dst, side, layer, src, s.exponentScratch)
		return ok && len(src) == 0
	}
	src, ok = c.readSymbols(dst.Tokens, src, s.exponentScratch)
	return ok && len(src) == 0 && s.restore(dst, side, layer)
}

// afterLayer implements layerCoder.
func (c held8) afterLayer(head kv.Tensor, side kv.Side, src []byte) (rest []byte, ok bool) {
	_, _, _, rest, ok = c.skipBooked(head, side, src)
	return rest, ok
}

// skipBooked returns how many bytes of a layer are books, headers and raw bits, and what follows it.
func (c held8) skipBooked(head kv.Tensor, side kv.Side,
	src []byte) (books, headers, raw int, rest []byte, ok bool) {
	s := newHeld8Scratch(head, side)
	defer s.release()
	how, rest, ok := c.readBooks(head, src, s)
	if !ok {
		return 0, 0, 0, nil, false
	}
	if how == heldNot {
		headers, raw, rest, ok = c.other.skipFields(head, side, rest)
		return 0, headers + 1, raw, rest, ok
	}
	books = len(src) - len(rest)
	blocks, rest, ok := c.skipSymbols(head.Tokens, rest, s.exponentScratch)
	return books, bytecode.HeaderBytes * blocks, 0, rest, ok
}

// readBooks reads what stands before a layer's blocks and returns what follows.
func (c held8) readBooks(head kv.Tensor, src []byte, s *held8Scratch) (how byte, rest []byte, ok bool) {
	if len(src) == 0 || src[0] > heldByHead {
		return 0, nil, false
	}
	how, src = src[0], src[1:]
	if how == heldNot {
		return how, src, true
	}
	s.share(head.Heads, int(how))
	for i := range s.books {
		if src, ok = s.books[i].read(src); !ok {
			return how, nil, false
		}
	}
	if src, ok = s.readClasses(src, c.classes); ok {
		s.order(head.Heads, c.classes)
	}
	return how, src, ok
}

// AppendSections implements Sectioner. The parts of layers alternate: the sizes are totals. Coding
// tables count as codes.
func (c held8) AppendSections(dst []Section, head kv.Tensor, src []byte) ([]Section, error) {
	var books, headers, raw int
	err := eachLayer(head, src, func(side kv.Side, src []byte) ([]byte, bool) {
		b, h, r, rest, ok := c.skipBooked(head, side, src)
		books, headers, raw = books+b, headers+h, raw+r
		return rest, ok
	})
	if err != nil {
		return dst, err
	}
	return append(dst, Section{Tables, books}, Section{Header, headers},
		Section{Codes, len(src) - books - headers - raw}, Section{Raw, raw}), nil
}
