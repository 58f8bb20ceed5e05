package compressors

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"kvgauge/compressors/kv"
)

// The frame is the wire container: what goes into files and sockets, and what ratios count.
//
//	"KVGF"  version u8  dtype u8  flags u8
//	uvarint layers, heads, tokens, key dim, value dim
//	text spec, text model                    (uvarint length, bytes)
//	rope      float64 theta, uvarint dim     if flags has frameRope
//	          uvarint from                   if flags has frameRopeFrom
//	positions uvarint first, then deltas-1   if flags has framePositions
//	state     32 bytes                       if flags has frameState: hash of fitted state
//	uvarint number of sections, then kind u8 and uvarint bytes of each
//	payload                                  the sum of the sections
//	crc32c of everything before it, u32
//
// Numbers are little-endian.
const (
	frameMagic   = "KVGF"
	frameVersion = 1

	frameRope        = 1 << 0
	frameInterleaved = 1 << 1
	frameRopeApplied = 1 << 2
	framePositions   = 1 << 3
	frameState       = 1 << 4
	frameRopeFrom    = 1 << 5
	frameHeldE4M3    = 1 << 6 // the cache was held in 8 bits
	frameHeldE5M2    = 1 << 7

	maxFrameText     = 1 << 16
	maxFrameSections = 1 << 12
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Frame is a parsed frame. Payload shares the bytes that were parsed.
type Frame struct {
	Spec     Spec
	Head     kv.Tensor // shape, type and metadata; no bits
	State    []byte    // hash of the fitted state that decompressing needs; nil if none
	Sections []Section
	Payload  []byte
	Bytes    int // length of the whole frame

	limit int // bytes that decompressing may take
}

// AppendFrame compresses src with c and appends the frame to dst. spec is c's canonical text.
//
// The payload is made in place, behind the head, and moved if the guess at the head's length
// was wrong: with room in dst, nothing of the payload's size is allocated.
func AppendFrame(dst []byte, spec Spec, c Codec, src kv.Tensor) ([]byte, error) {
	start := len(dst)
	guess := 64 + len(spec)
	out, err := c.AppendCompress(growBytes(dst, guess), src)
	if err != nil {
		return dst, err
	}
	dst = out
	payload := dst[start+guess:]
	var room [256]byte
	head, err := appendHead(room[:0], spec, c, src, payload)
	if err != nil {
		return dst[:start], err
	}
	size := len(head) + len(payload)
	if extra := len(head) - guess; extra > 0 {
		dst = growBytes(dst, extra)
	}
	copy(dst[start+len(head):start+size], payload)
	copy(dst[start:], head)
	return appendSum(dst[:start+size], start), nil
}

// AppendPayloadFrame appends the frame of a payload that c made from a tensor with this head.
func AppendPayloadFrame(dst []byte, spec Spec, c Codec, head kv.Tensor, payload []byte) (
	[]byte, error) {
	start := len(dst)
	dst, err := appendHead(dst, spec, c, head, payload)
	if err != nil {
		return dst[:start], err
	}
	return appendSum(append(dst, payload...), start), nil
}

// appendSum appends the checksum of dst from start on.
func appendSum(dst []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// appendHead appends all that stands before the payload.
func appendHead(dst []byte, spec Spec, c Codec, head kv.Tensor, payload []byte) ([]byte, error) {
	sections := []Section{{Codes, len(payload)}}
	if s, ok := c.(Sectioner); ok {
		var err error
		if sections, err = s.AppendSections(sections[:0], head, payload); err != nil {
			return dst, err
		}
	}
	sum := 0
	for _, s := range sections {
		sum += s.Bytes
	}
	if sum != len(payload) {
		return dst, fmt.Errorf("codec %s: sections of %d bytes, payload of %d", spec, sum, len(payload))
	}
	dst = appendFrameHead(dst, spec, head, stateHash(c))
	dst = binary.AppendUvarint(dst, uint64(len(sections)))
	for _, s := range sections {
		dst = append(dst, byte(s.Kind))
		dst = binary.AppendUvarint(dst, uint64(s.Bytes))
	}
	return dst, nil
}

func appendFrameHead(dst []byte, spec Spec, t kv.Tensor, state []byte) []byte {
	var flags byte
	var meta kv.Meta
	if t.Meta != nil {
		meta = *t.Meta
	}
	if r := meta.Rope; r != nil {
		flags |= frameRope | flag(r.Interleaved, frameInterleaved) | flag(r.Applied, frameRopeApplied) |
			flag(r.From != 0, frameRopeFrom)
	}
	flags |= flag(meta.Held == kv.HeldE4M3, frameHeldE4M3) | flag(meta.Held == kv.HeldE5M2, frameHeldE5M2)
	explicit := false
	for i := range t.Tokens {
		explicit = explicit || t.Meta.Position(i) != int32(i)
	}
	flags |= flag(explicit, framePositions) | flag(state != nil, frameState)

	dst = append(dst, frameMagic...)
	dst = append(dst, frameVersion, byte(t.DType), flags)
	for _, n := range []int{t.Layers, t.Heads, t.Tokens, t.KeyDim, t.ValueDim} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	dst = appendText(dst, string(spec))
	dst = appendText(dst, meta.Model)
	if r := meta.Rope; r != nil {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(r.Theta))
		dst = binary.AppendUvarint(dst, uint64(r.Dim))
		if r.From != 0 {
			dst = binary.AppendUvarint(dst, uint64(r.From))
		}
	}
	if explicit {
		last := int32(-1)
		for i := range t.Tokens {
			p := t.Meta.Position(i)
			dst = binary.AppendVarint(dst, int64(p)-int64(last)-1)
			last = p
		}
	}
	return append(dst, state...)
}

func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
