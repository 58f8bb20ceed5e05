package compressors

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"

	"kvgauge/compressors/kv"
)

// An Inspector is a codec that can say more of a payload than its sections do.
type Inspector interface {
	// Inspect returns facts of a payload of a tensor with this head, under the names that
	// listings use. Values are strings, numbers or booleans. A name that Facts has already is
	// replaced.
	Inspect(head kv.Tensor, payload []byte) (map[string]any, error)
}

// An Unwrapper is a codec whose payload wraps one of another format: KVShuttle's, whose metadata
// travels in a section of its own. Codecs without it are their own payload.
type Unwrapper interface {
	// Unwrap returns the part of payload that the other format calls its payload. It shares
	// payload's memory.
	Unwrap(head kv.Tensor, payload []byte) ([]byte, error)
}

// BarePayload returns the frame's payload as its codec's own format has it, without what kvgauge
// adds to it.
func (f Frame) BarePayload(c Codec) ([]byte, error) {
	if u, ok := c.(Unwrapper); ok {
		return u.Unwrap(f.Head, f.Payload)
	}
	return f.Payload, nil
}

// SectionBytes returns how the whole frame divides, by the name of the section kind. The frame's
// own bytes count as header, so that the sizes add up to f.Bytes.
func (f Frame) SectionBytes() map[string]int {
	out := make(map[string]int, len(sectionNames))
	for _, name := range sectionNames {
		out[name] = 0
	}
	for _, s := range f.Sections {
		out[s.Kind.String()] += s.Bytes
	}
	out[Header.String()] += f.Bytes - len(f.Payload)
	return out
}

// Facts returns what listings say of a frame: spec, shape (of the keys: layers, KV heads, tokens,
// dim), value_dim, dtype, model, frame_bytes, raw_bytes,
// ratio, bits_per_value, sections, payload_bytes, payload_sha256, of a cache that was held in 8 bits
// also held, held_bytes and ratio_held, and what the codec's Inspect adds.
func (f Frame) Facts(c Codec) (map[string]any, error) {
	payload, err := f.BarePayload(c)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(payload)
	raw := f.Head.RawBytes()
	facts := map[string]any{
		"spec": string(f.Spec), "dtype": f.Head.DType.String(), "model": "",
		"shape":       []int{f.Head.Layers, f.Head.Heads, f.Head.Tokens, f.Head.KeyDim},
		"value_dim":   f.Head.ValueDim,
		"frame_bytes": f.Bytes, "raw_bytes": raw, "ratio": float64(raw) / float64(f.Bytes),
		"sections":      f.SectionBytes(),
		"payload_bytes": len(payload), "payload_sha256": hex.EncodeToString(sum[:]),
	}
	if held := f.Head.Held(); held != "" {
		n := f.Head.HeldBytes()
		facts["held"], facts["held_bytes"], facts["ratio_held"] = string(held), n, float64(n)/float64(f.Bytes)
	}
	if f.Head.Meta != nil {
		facts["model"] = f.Head.Meta.Model
	}
	if raw > 0 {
		facts["bits_per_value"] = float64(8*f.Bytes) / float64(raw/2)
	}
	if f.State != nil {
		facts["state_sha256"] = hex.EncodeToString(f.State)
	}
	if i, ok := c.(Inspector); ok {
		more, err := i.Inspect(f.Head, f.Payload)
		if err != nil {
			return nil, fmt.Errorf("codec %s: %w", f.Spec, err)
		}
		maps.Copy(facts, more)
	}
	return facts, nil
}
