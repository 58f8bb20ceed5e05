package compressors

import (
	"kvgauge/compressors/internal/bytecode"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
)

// readLayer implements layerCoder.
func (c exponent) readLayer(dst kv.Tensor, side kv.Side, layer int, src []byte) bool {
	s := newExponentScratch(dst, side)
	defer s.release()
	rest, ok := c.readFields(dst, side, layer, src, s)
	return ok && len(rest) == 0
}

// readFields fills a layer and returns what follows it in src.
func (c exponent) readFields(dst kv.Tensor, side kv.Side, l int, src []byte,
	s *exponentScratch) ([]byte, bool) {
	f := fieldOf(dst.DType)
	zeros, apart, src, ok := f.readMark(src)
	if !ok {
		return nil, false
	}
	if src, ok = s.readClasses(src, c.classes); !ok {
		return nil, false
	}
	s.order(dst.Heads, c.classes)
	if src, ok = c.readSymbols(dst.Tokens, src, s); !ok {
		return nil, false
	}
	if src, ok = f.readRaw(dst, side, l, src, zeros); !ok {
		return nil, false
	}
	s.scatter(dst, side, l, func(_ int, dst []uint16, src []byte) { kern.PutFields(dst, src, f.fraction) })
	if apart {
		return f.readApart(dst, side, l, src, zeros)
	}
	return src, true
}

// readSymbols undoes appendSymbols and returns what follows.
func (c exponent) readSymbols(tokens int, src []byte, s *exponentScratch) ([]byte, bool) {
	at, ok := 0, true
	for k := range c.classes {
		end := at + s.size[k]*tokens
		if src, ok = c.readBlocks(s.symbols[at:end], src, s); !ok {
			return nil, false
		}
		at = end
	}
	return src, true
}

// readMark reads what a layer begins with.
func (f field) readMark(src []byte) (zeros uint, apart bool, rest []byte, ok bool) {
	if len(src) == 0 {
		return 0, false, nil, false
	}
	zeros, apart = uint(src[0]&^exponentApart), src[0]&exponentApart != 0
	return zeros, apart, src[1:], zeros <= f.fraction
}

// AppendSections implements Sectioner. The parts of layers alternate: the sizes are totals. Tables
// count as codes; the bits of special numbers count as raw, with their length.
func (c exponent) AppendSections(dst []Section, head kv.Tensor, src []byte) ([]Section, error) {
	var headers, raw int
	err := eachLayer(head, src, func(side kv.Side, src []byte) ([]byte, bool) {
		h, r, rest, ok := c.skipFields(head, side, src)
		headers, raw = headers+h, raw+r
		return rest, ok
	})
	if err != nil {
		return dst, err
	}
	return append(dst, Section{Header, headers}, Section{Codes, len(src) - headers - raw},
		Section{Raw, raw}), nil
}

// afterLayer implements layerCoder.
func (c exponent) afterLayer(head kv.Tensor, side kv.Side, src []byte) (rest []byte, ok bool) {
	_, _, rest, ok = c.skipFields(head, side, src)
	return rest, ok
}

// skipFields returns how many bytes of a layer are headers and raw bits, and what follows it.
func (c exponent) skipFields(head kv.Tensor, side kv.Side,
	src []byte) (headers, raw int, rest []byte, ok bool) {
	s := newExponentScratch(head, side)
	defer s.release()
	f := fieldOf(head.DType)
	zeros, apart, rest, ok := f.readMark(src)
	if !ok {
		return 0, 0, nil, false
	}
	if rest, ok = s.readClasses(rest, c.classes); !ok {
		return 0, 0, nil, false
	}
	headers = len(src) - len(rest)
	s.order(head.Heads, c.classes)
	blocks, rest, ok := c.skipSymbols(head.Tokens, rest, s)
	if !ok {
		return 0, 0, nil, false
	}
	headers += bytecode.HeaderBytes * blocks
	raw = packed(head.Elements(side)/head.Layers, f.raw-zeros)
	if len(rest) < raw {
		return 0, 0, nil, false
	}
	rest = rest[raw:]
	if apart {
		in, after, ok := cutApart(rest)
		return headers, raw + 4 + len(in), after, ok
	}
	return headers, raw, rest, true
}

// skipSymbols returns how many blocks all classes have, and what follows them.
func (c exponent) skipSymbols(tokens int, src []byte,
	s *exponentScratch) (blocks int, rest []byte, ok bool) {
	for k := range c.classes {
		for left := s.size[k] * tokens; left > 0; left -= bytecode.BlockMax {
			if _, _, src, ok = bytecode.SkipBlock(src); !ok {
				return 0, nil, false
			}
			blocks++
		}
	}
	return blocks, src, true
}
