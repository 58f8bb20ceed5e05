package compressors

import (
	"encoding/binary"
	"slices"

	"kvgauge/compressors/kv"
)

// The header of the dropped tokens says which tokens are left:
//
//	u8        0: a bitmap for each head of each layer; 1: one for all
//	bitmaps   bit i%8 of byte i/8 is token i; bits beyond the last token are 0
const (
	bitmapEach   = 0
	bitmapShared = 1
)

// drop runs the droppers over all tokens of src and leaves what they leave in s.kept.
func (c *chain) drop(s *chainScratch, src kv.Tensor) error {
	if err := checkFinite(src); err != nil {
		return err
	}
	s.lists(src)
	for i := range s.kept.Lists {
		list := s.kept.Lists[i][:src.Tokens]
		for t := range list {
			list[t] = int32(t)
		}
		s.kept.Lists[i] = list
	}
	for _, d := range c.droppers {
		if err := d.Drop(&s.kept, src); err != nil {
			return err
		}
	}
	return nil
}

// lists gives s.kept an empty list for every head of t, each with room for all tokens.
func (s *chainScratch) lists(t kv.Tensor) {
	heads := t.Layers * t.Heads
	s.kept.Layers, s.kept.Heads = t.Layers, t.Heads
	s.kept.Lists = slices.Grow(s.kept.Lists[:0], heads)[:heads]
	s.all = slices.Grow(s.all[:0], heads*t.Tokens)[:heads*t.Tokens]
	for i := range s.kept.Lists {
		from := i * t.Tokens
		s.kept.Lists[i] = s.all[from : from : from+t.Tokens]
	}
}

func appendDroppedHead(dst []byte, tokens int, kept *kv.Kept) []byte {
	shared := !slices.ContainsFunc(kept.Lists, func(list []int32) bool {
		return !slices.Equal(list, kept.Lists[0])
	})
	lists, mode := kept.Lists, byte(bitmapEach)
	if shared {
		lists, mode = lists[:1], bitmapShared
	}
	dst = append(dst, mode)
	for _, list := range lists {
		at := len(dst)
		dst = growBytes(dst, (tokens+7)/8)
		clear(dst[at:])
		for _, t := range list {
			dst[at+int(t)/8] |= 1 << (t % 8)
		}
	}
	return dst
}

// readDroppedHead fills s.kept and returns what follows the header.
func (s *chainScratch) readDroppedHead(head kv.Tensor, src []byte) ([]byte, error) {
	size := (head.Tokens + 7) / 8
	heads := head.Layers * head.Heads
	if len(src) < 1 || src[0] > bitmapShared {
		return nil, corrupt("no header of dropped tokens")
	}
	mode, src := src[0], src[1:]
	bitmaps := heads
	if mode == bitmapShared {
		bitmaps = 1
	}
	if len(src) < bitmaps*size {
		return nil, corrupt("the bitmaps of the tokens left are cut short")
	}
	s.lists(head)
	for i := range heads {
		bits := src[i%bitmaps*size:][:size]
		list := s.kept.Lists[i]
		for t := range 8 * size {
			if bits[t/8]>>(t%8)&1 == 0 {
				continue
			}
			if t >= head.Tokens {
				return nil, corrupt("a bitmap marks token %d of %d", t, head.Tokens)
			}
			list = append(list, int32(t))
		}
		s.kept.Lists[i] = list
	}
	return src[bitmaps*size:], nil
}

// A codec takes tensors with equally many tokens in all heads. kept is therefore cut into parts:
// all heads together if they keep equally many, else layer by layer if the heads of each layer
// do, else head by head. A codec that undoes rotations gets heads one by one in any case, because
// each has positions of its own.
type parts struct {
	kept             *kv.Kept
	perLayer, layers int // parts per layer of the cache, layers per part
}

func (c *chain) parts(kept *kv.Kept) parts {
	all, within := true, true
	for l := range kept.Layers {
		n := len(kept.At(l, 0))
		all = all && n == len(kept.At(0, 0))
		for h := range kept.Heads {
			within = within && len(kept.At(l, h)) == n
		}
	}
	switch {
	case c.codec.Capabilities().PreRope || !within:
		return parts{kept, kept.Heads, 1}
	case !all:
		return parts{kept, 1, 1}
	}
	return parts{kept, 1, kept.Layers}
}

func (p parts) count() int { return p.kept.Layers / p.layers * p.perLayer }

// head returns the tensor of part i, whose memory is s's, and the layer and head that it starts
// with.
func (p parts) head(s *chainScratch, t kv.Tensor, i int) (sub kv.Tensor, layer, head int) {
	layer = i / p.perLayer * p.layers
	head = i % p.perLayer
	list := p.kept.At(layer, head)
	sub = kv.Tensor{Shape: t.Shape, DType: t.DType, Stride: len(list)}
	sub.Layers, sub.Heads, sub.Tokens = p.layers, p.kept.Heads/p.perLayer, len(list)
	for _, side := range kv.Sides {
		n := sub.Elements(side)
		s.bits[side] = slices.Grow(s.bits[side][:0], n)[:n]
		sub.Bits[side] = s.bits[side]
	}
	if t.Meta != nil {
		s.meta = kv.Meta{Model: t.Meta.Model, Rope: t.Meta.Rope, Positions: s.meta.Positions[:0]}
	} else {
		s.meta = kv.Meta{Positions: s.meta.Positions[:0]}
	}
	for _, token := range list { // right for the first head; see parts
		s.meta.Positions = append(s.meta.Positions, t.Meta.Position(int(token)))
	}
	sub.Meta = &s.meta
	return sub, layer, head
}

// move copies the kept rows of t to sub, which starts at a layer and head, or back.
func (p parts) move(t, sub kv.Tensor, layer, head int, back bool) {
	for _, side := range kv.Sides {
		if t.Dim(side) == 0 {
			continue
		}
		for l := range sub.Layers {
			for h := range sub.Heads {
				for i, token := range p.kept.At(layer+l, head+h) {
					of, in := t.Row(side, layer+l, head+h, int(token)), sub.Row(side, l, h, i)
					if back {
						of, in = in, of
					}
					copy(in, of)
				}
			}
		}
	}
}

// appendPayloads appends the codec's payloads of what is left of src.
func (c *chain) appendPayloads(dst []byte, s *chainScratch, src kv.Tensor) ([]byte, error) {
	if len(c.droppers) == 0 {
		return c.codec.AppendCompress(dst, src)
	}
	p := c.parts(&s.kept)
	for i := range p.count() {
		sub, layer, head := p.head(s, src, i)
		p.move(src, sub, layer, head, false)
		var err error
		at := len(dst)
		if dst, err = c.codec.AppendCompress(dst, sub); err != nil {
			return dst, err
		}
		if p.count() > 1 {
			dst = insertLength(dst, at)
		}
	}
	return dst, nil
}

// insertLength puts a uvarint of the length of dst[at:] before it.
func insertLength(dst []byte, at int) []byte {
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(dst)-at))
	dst = append(dst, length[:n]...)
	copy(dst[at+n:], dst[at:])
	copy(dst[at:], length[:n])
	return dst
}

// readPayloads fills dst from what appendPayloads wrote; dropped tokens become zeros.
func (c *chain) readPayloads(dst kv.Tensor, s *chainScratch, src []byte) error {
	if len(c.droppers) == 0 {
		return c.codec.Decompress(dst, src)
	}
	for _, side := range kv.Sides {
		for plane := range dst.Layers * dst.Heads {
			if dst.Dim(side) > 0 {
				clear(dst.Plane(side, plane/dst.Heads, plane%dst.Heads))
			}
		}
	}
	p := c.parts(&s.kept)
	return p.each(src, func(i int, payload []byte) error {
		sub, layer, head := p.head(s, dst, i)
		if err := c.codec.Decompress(sub, payload); err != nil {
			return err
		}
		p.move(dst, sub, layer, head, true)
		return nil
	})
}

// each calls f for the payload of every part.
func (p parts) each(src []byte, f func(i int, payload []byte) error) error {
	for i := range p.count() {
		payload := src
		if p.count() > 1 {
			n, used := binary.Uvarint(src)
			if used <= 0 || n > uint64(len(src)-used) {
				return corrupt("the payload of part %d of %d is cut short", i, p.count())
			}
			payload, src = src[used:used+int(n)], src[used+int(n):]
		}
		if err := f(i, payload); err != nil {
			return err
		}
	}
	if p.count() > 1 && len(src) > 0 {
		return corrupt("%d bytes too many", len(src))
	}
	return nil
}

// appendPartSections appends the sections of the parts' payloads, one for each kind.
func (c *chain) appendPartSections(dst []Section, s *chainScratch, head kv.Tensor, payload []byte) (
	[]Section, error) {
	inner, ok := c.codec.(Sectioner)
	if !ok {
		return append(dst, Section{Codes, len(payload)}), nil
	}
	var sizes [len(sectionNames)]int
	sizes[Header] = len(payload)
	p := c.parts(&s.kept)
	err := p.each(payload, func(i int, payload []byte) error {
		sub, _, _ := p.head(s, head, i)
		list, err := inner.AppendSections(nil, sub, payload)
		for _, section := range list {
			sizes[section.Kind] += section.Bytes
			sizes[Header] -= section.Bytes
		}
		return err
	})
	if err != nil {
		return dst, err
	}
	for kind, n := range sizes {
		if n > 0 {
			dst = append(dst, Section{SectionKind(kind), n})
		}
	}
	return dst, nil
}
