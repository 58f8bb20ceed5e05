package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/results"
)

// An outcome is what came of one sample in one cell. It is what the journal keeps.
type outcome struct {
	Skipped string `json:"skipped,omitempty"`
	Failed  string `json:"failed,omitempty"`

	RawBytes   int64            `json:"raw_bytes,omitempty"`
	HeldBytes  int64            `json:"held_bytes,omitempty"` // of a cache that is held in 8 bits
	FrameBytes int64            `json:"frame_bytes,omitempty"`
	Values     int64            `json:"values,omitempty"`      // scalars in the cache
	Sections   map[string]int64 `json:"sections,omitempty"`    // by kind; the frame's own are header
	Payload    string           `json:"payload,omitempty"`     // SHA-256
	StateBytes int64            `json:"state_bytes,omitempty"` // shared out of band, of a fitted codec
	Shape      string           `json:"shape,omitempty"`
	Held       string           `json:"held,omitempty"` // the type of those 8 bits

	KeptShare *results.Number `json:"kept_share,omitempty"` // rows left, of a dropper
	Bound     *bounded        `json:"bound,omitempty"`
	KVShuttle *theirSizes     `json:"kvshuttle,omitempty"` // as KVShuttle counts, of its codecs
	K         *distortion     `json:"k,omitempty"`
	V         *distortion     `json:"v,omitempty"`
	Quality   *quality        `json:"quality,omitempty"`
	KOnly     *quality        `json:"k_only,omitempty"`
	VOnly     *quality        `json:"v_only,omitempty"`
}

// fail records an error as a reason: a codec that cannot take such a tensor is skipped, anything
// else is a failure.
func (o *outcome) fail(err error) {
	if errors.Is(err, compressors.ErrUnsupported) {
		*o = outcome{Skipped: err.Error()}
		return
	}
	*o = outcome{Failed: err.Error()}
}

func (o *outcome) done() bool { return o.Skipped == "" && o.Failed == "" }

// A decoded cache is what came back out of a frame.
type decoded struct {
	cache kv.Tensor
	kept  *kv.Kept
	same  bool // equal to the original bit for bit, nothing dropped
}

// roundTrip compresses, frames, parses and decompresses a cache, checks what came back, and
// fills in the sizes. What came back lies in b, and lasts until the next round trip there, unless
// it is to be kept. A panic of a codec is an error here: one bad cell must not end a run.
func roundTrip(c Codec, cache kv.Tensor, b *buffer, keep bool, o *outcome) (
	out decoded, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("codec %s panics: %v", c.Spec, p)
		}
	}()
	blob, err := compressors.AppendFrame(b.frameRoom(cache.Shape), c.Spec, c.Codec, cache)
	b.frame = blob
	if err != nil {
		return out, err
	}
	frame, err := compressors.ParseFrame(blob, frameLimit(cache))
	if err != nil {
		return out, fmt.Errorf("its own frame does not parse: %w", err)
	}
	if keep {
		out.cache, out.kept, err = frame.DecompressWith(c.Codec)
	} else {
		out.cache = b.tensor(cache)
		out.kept, err = frame.DecompressInto(out.cache, c.Codec)
	}
	if err != nil {
		return out, fmt.Errorf("its own payload does not decompress: %w", err)
	}
	o.RawBytes, o.FrameBytes = int64(cache.RawBytes()), int64(frame.Bytes)
	o.Values = o.RawBytes / 2
	if cache.Held() != "" {
		o.Held, o.HeldBytes = string(cache.Held()), int64(cache.HeldBytes())
	}
	sum := sha256.Sum256(frame.Payload)
	o.Payload, o.Shape = hex.EncodeToString(sum[:]), cache.Shape.String()
	o.Sections = sectionBytes(frame)
	if state := compressors.StateOf(c.Codec); state != nil {
		o.StateBytes = int64(len(state.Bytes()))
	}
	if o.KVShuttle, err = countTheirs(c, cache, frame.Payload); err != nil {
		return out, err
	}
	return out, check(c, cache, &out)
}

// frameLimit bounds what decompressing may need: the tensor, and several times as much for scratch.
func frameLimit(cache kv.Tensor) int { return 64<<20 + 16*cache.RawBytes() }

// A buffer holds the frame of one round trip, and what came back where nothing keeps it. Taken from
// a pool, it spares a sweep the growing and clearing of as many bytes as it compresses.
type buffer struct {
	frame []byte
	bits  [2][]uint16
}

// reserve makes room for caches of a shape at once, so that no smaller room is thrown away. What is
// never written takes no memory.
func (b *buffer) reserve(s kv.Shape) {
	if s.Elements(kv.K) > cap(b.bits[kv.K]) {
		b.frameRoom(s)
		b.tensor(kv.Tensor{Shape: s})
	}
}

var bufferPool = sync.Pool{New: func() any { return new(buffer) }}

// frameRoom returns room for the frame of a cache that hardly shrinks.
func (b *buffer) frameRoom(s kv.Shape) []byte {
	raw := s.RawBytes()
	if room := raw + raw/64 + 1<<16; cap(b.frame) < room {
		b.frame = nil // so that it need not live while its successor is made
		b.frame = make([]byte, 0, room)
	}
	return b.frame[:0]
}

// tensor returns room for a cache of the shape and type of the given one; it is not cleared.
func (b *buffer) tensor(like kv.Tensor) kv.Tensor {
	t := kv.Tensor{Shape: like.Shape, DType: like.DType, Stride: like.Tokens}
	for _, side := range kv.Sides {
		n := like.Elements(side)
		if cap(b.bits[side]) < n {
			b.bits[side] = nil
			b.bits[side] = make([]uint16, n)
		}
		t.Bits[side] = b.bits[side][:n]
	}
	return t
}

// sectionBytes splits a frame by kind; what the frame adds counts as header.
func sectionBytes(f compressors.Frame) map[string]int64 {
	out := map[string]int64{}
	rest := int64(f.Bytes)
	for _, s := range f.Sections {
		out[s.Kind.String()] += int64(s.Bytes)
		rest -= int64(s.Bytes)
	}
	out[compressors.Header.String()] += rest
	return out
}

// check verifies what came back: shape and type; of a lossless codec every bit; of a lossy one
// that no value became NaN or infinite.
func check(c Codec, cache kv.Tensor, out *decoded) error {
	if out.cache.Shape != cache.Shape || out.cache.DType != cache.DType {
		return fmt.Errorf("a cache of %v %v came back as %v %v",
			cache.Shape, cache.DType, out.cache.Shape, out.cache.DType)
	}
	out.same = out.kept == nil && out.cache.Equal(cache)
	if c.Caps.Lossless {
		if !out.same {
			return errors.New("says it is lossless, and what came back differs")
		}
		return nil
	}
	if out.kept != nil {
		return checkKept(out.kept, cache.Shape)
	}
	for _, side := range kv.Sides {
		if i := out.cache.DType.FirstNonFinite(out.cache.Bits[side]); i >= 0 && !out.same {
			return fmt.Errorf("value %d of side %v came back as NaN or infinite", i, side)
		}
	}
	return nil
}

func checkKept(k *kv.Kept, s kv.Shape) error {
	if k.Layers != s.Layers || k.Heads != s.Heads || len(k.Lists) != s.Layers*s.Heads {
		return fmt.Errorf("keeps tokens of %d layers and %d heads, want %d and %d",
			k.Layers, k.Heads, s.Layers, s.Heads)
	}
	for i, list := range k.Lists {
		last := int32(-1)
		for _, t := range list {
			if t <= last || int(t) >= s.Tokens {
				return fmt.Errorf("kept tokens of layer %d, head %d are not increasing below %d",
					i/s.Heads, i%s.Heads, s.Tokens)
			}
			last = t
		}
	}
	return nil
}

// keptShare is the share of rows that are left.
func keptShare(k *kv.Kept, s kv.Shape) results.Number {
	n := 0
	for _, list := range k.Lists {
		n += len(list)
	}
	return results.Number(float64(n) / float64(s.Layers*s.Heads*s.Tokens))
}
