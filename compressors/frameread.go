package compressors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"kvgauge/compressors/kv"
)

// DefaultLimit returns how many bytes a reader of n input bytes may allocate unless told more:
// the larger of 64 MiB and 64 times the input.
func DefaultLimit(n int) int { return max(64<<20, 64*n) }

// ParseFrame checks a frame and splits it. maxBytes bounds the raw size of the tensor that it
// claims to hold; 0 means DefaultLimit of the input. Errors wrap ErrCorrupt, except that of a
// tensor beyond the limit, which names the flag that raises it.
func ParseFrame(b []byte, maxBytes int) (Frame, error) {
	if len(b) < len(frameMagic)+4 || string(b[:4]) != frameMagic {
		return Frame{}, corrupt("not a frame: want %q at the start", frameMagic)
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(body):]) {
		return Frame{}, corrupt("checksum does not match: the frame is cut or changed")
	}
	r := &frameReader{b: body, at: len(frameMagic)}
	f := r.frame()
	f.Bytes = len(b)
	if r.err != nil {
		return Frame{}, r.err
	}
	if maxBytes == 0 {
		maxBytes = DefaultLimit(len(b))
	}
	f.limit = maxBytes
	if err := f.checkLimit(0); err != nil {
		return Frame{}, err
	}
	return f, nil
}

// A worker is a codec that needs memory to decompress, in proportion to the tensor.
type worker interface {
	// workBytes bounds the scratch memory of one call for a tensor with this head.
	workBytes(head kv.Tensor) int
}

// checkLimit returns an error if the tensor and work bytes of scratch are more than is allowed.
func (f Frame) checkLimit(work int) error {
	if need := f.Head.RawBytes() + work; need > f.limit && f.limit > 0 {
		return fmt.Errorf("frame of %d bytes needs %d for its tensor, more than the %d allowed: "+
			"raise --max-bytes if that is right", f.Bytes, need, f.limit)
	}
	return nil
}

// Decompress opens the frame's codec and returns the tensor and, if tokens were dropped, those
// that are left.
func (f Frame) Decompress() (kv.Tensor, *kv.Kept, error) {
	spec, c, err := Open(string(f.Spec))
	if err != nil {
		return kv.Tensor{}, nil, err
	}
	if spec != f.Spec {
		return kv.Tensor{}, nil, corrupt("spec %q is not in canonical form", f.Spec)
	}
	return f.DecompressWith(c)
}

// DecompressWith is Decompress with a codec that the caller opened, fitted or found.
func (f Frame) DecompressWith(c Codec) (kv.Tensor, *kv.Kept, error) {
	if err := f.checkCodec(c); err != nil {
		return kv.Tensor{}, nil, err
	}
	t := kv.New(f.Head.Shape, f.Head.DType)
	t.Meta = f.Head.Meta
	kept, err := f.fill(t, c)
	if err != nil {
		return kv.Tensor{}, nil, err
	}
	return t, kept, nil
}

// DecompressInto is DecompressWith into a tensor that the caller made, or used before, with the
// shape and type of f.Head. What it held is cleared first, so that nothing of it is left where a
// codec writes nothing.
func (f Frame) DecompressInto(t kv.Tensor, c Codec) (*kv.Kept, error) {
	if t.Shape != f.Head.Shape || t.DType != f.Head.DType {
		return nil, fmt.Errorf("%w: a frame of %v %v into %v %v", kv.ErrShape,
			f.Head.Shape, f.Head.DType, t.Shape, t.DType)
	}
	if err := f.checkCodec(c); err != nil {
		return nil, err
	}
	t.Clear()
	t.Meta = f.Head.Meta
	return f.fill(t, c)
}

// checkCodec returns an error where c was fitted otherwise than f wants, or needs too much memory.
func (f Frame) checkCodec(c Codec) error {
	if have := stateHash(c); !bytes.Equal(have, f.State) {
		return f.wrongState(have)
	}
	if w, ok := c.(worker); ok {
		return f.checkLimit(w.workBytes(f.Head))
	}
	return nil
}

func (f Frame) fill(t kv.Tensor, c Codec) (*kv.Kept, error) {
	if err := c.Decompress(t, f.Payload); err != nil {
		return nil, err
	}
	k, ok := c.(Keeper)
	if !ok || !c.Capabilities().DropsTokens {
		return nil, nil
	}
	return k.Kept(f.Head, f.Payload)
}

// wrongState says what the frame wants instead of the state with hash have.
func (f Frame) wrongState(have []byte) error {
	switch {
	case f.State == nil:
		return corrupt("names no fitted state, and %s was fitted", f.Spec)
	case have == nil:
		return fmt.Errorf("%w: %s was fitted to state %x…, which --state has to name",
			ErrUnfitted, f.Spec, f.State[:8])
	}
	return fmt.Errorf("%w: made with state %x…, not with %x…", ErrUnfitted, f.State[:8], have[:8])
}

// frameReader reads numbers until the first mistake, which it keeps.
type frameReader struct {
	b   []byte
	at  int
	err error
}

func (r *frameReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = corrupt("frame at byte %d: %s", r.at, fmt.Sprintf(format, args...))
	}
}

func (r *frameReader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b)-r.at {
		r.fail("cut short")
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *frameReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *frameReader) uvarint(limit uint64) int {
	v, n := binary.Uvarint(r.b[r.at:])
	if r.err != nil || n <= 0 || v > limit {
		r.fail("want a number up to %d", limit)
		return 0
	}
	r.at += n
	return int(v)
}

func (r *frameReader) text() string { return string(r.bytes(maxFrameText)) }

// bytes takes a length up to limit, and as many bytes.
func (r *frameReader) bytes(limit int) []byte { return r.take(r.uvarint(uint64(limit))) }

func (r *frameReader) frame() Frame {
	var f Frame
	if v := r.byte(); v != frameVersion {
		r.fail("version %d, want %d", v, frameVersion)
	}
	dtype, flags := r.byte(), r.byte()
	if both := byte(frameHeldE4M3 | frameHeldE5M2); dtype > byte(kv.BF16) || flags&both == both {
		r.fail("unknown dtype %d or flags %#x", dtype, flags)
	}
	const most = kv.MaxElements
	f.Head.DType = kv.DType(dtype)
	f.Head.Shape = kv.Shape{
		Layers: r.uvarint(most), Heads: r.uvarint(most), Tokens: r.uvarint(most),
		KeyDim: r.uvarint(most), ValueDim: r.uvarint(most),
	}
	if err := f.Head.Shape.Check(); err != nil {
		r.fail("%v", err)
	}
	f.Head.Stride = f.Head.Tokens
	f.Spec = Spec(r.text())
	f.Head.Meta = r.meta(flags, f.Head.Tokens)
	if flags&frameState != 0 {
		f.State = r.take(32)
	}
	f.Sections = r.sections()
	f.Payload = r.b[r.at:]
	return f
}

func (r *frameReader) meta(flags byte, tokens int) *kv.Meta {
	m := &kv.Meta{Model: r.text()}
	switch {
	case flags&frameHeldE4M3 != 0:
		m.Held = kv.HeldE4M3
	case flags&frameHeldE5M2 != 0:
		m.Held = kv.HeldE5M2
	}
	if flags&frameRope != 0 {
		rope := &kv.Rope{Interleaved: flags&frameInterleaved != 0, Applied: flags&frameRopeApplied != 0}
		if b := r.take(8); b != nil {
			rope.Theta = math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
		rope.Dim = r.uvarint(1 << 20)
		if flags&frameRopeFrom != 0 {
			rope.From = r.uvarint(1 << 20)
		}
		m.Rope = rope
	}
	if flags&framePositions != 0 {
		if tokens > len(r.b)-r.at { // a position takes a byte at least
			r.fail("positions cut short")
			return m
		}
		m.Positions = r.positions(tokens)
	}
	return m
}

func (r *frameReader) positions(tokens int) []int32 {
	out := make([]int32, tokens)
	last := int64(-1)
	for i := range out {
		v, n := binary.Varint(r.b[r.at:])
		p := last + 1 + v
		if n <= 0 || v < math.MinInt32 || v > math.MaxInt32 || p < 0 || p > math.MaxInt32 {
			r.fail("position %d is not a number up to %d", i, math.MaxInt32)
			return nil
		}
		r.at += n
		out[i], last = int32(p), p
	}
	return out
}

func (r *frameReader) sections() []Section {
	n := r.uvarint(maxFrameSections)
	var out []Section
	sum := 0
	for range n {
		kind, size := r.byte(), r.uvarint(uint64(len(r.b)))
		if r.err != nil {
			return nil
		}
		if int(kind) >= len(sectionNames) {
			r.fail("unknown section kind %d", kind)
			return nil
		}
		sum += size
		out = append(out, Section{SectionKind(kind), size})
	}
	if sum != len(r.b)-r.at {
		r.fail("sections of %d bytes, payload of %d", sum, len(r.b)-r.at)
	}
	return out
}
