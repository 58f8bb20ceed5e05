package kvfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"kvgauge/compressors/kv"
)

// The metadata keys of a cache in safetensors. All are optional; keys of others are ignored.
const (
	// metaModel is the name of the model that computed the cache.
	metaModel = "model"
	// metaPositions is a JSON list of each token's position; without it they are 0, 1, 2, …
	metaPositions = "positions"
	// metaRope is a JSON object that says how keys were rotated: theta, dim, interleaved (pairs
	// 2j, 2j+1 instead of j, j+dim/2) and applied (keys are after the rotation).
	metaRope = "rope"
	// metaKept is a JSON list [layer][head] of the tokens that a codec left, where it dropped
	// some; the others hold zeros and mean nothing.
	metaKept = "kept"
	// metaHeld is f8_e4m3 or f8_e5m2 where the cache was held in that type before it was widened.
	metaHeld = "held"
	// metaLayout is "vllm" where the cache lies in blocks; then metaTokens and metaBlockSize say
	// how many tokens there are and how many a block has.
	metaLayout    = "layout"
	metaTokens    = "tokens"
	metaBlockSize = "block_size"
)

// ropeJSON is kv.Rope as the metadata spell it.
type ropeJSON struct {
	Theta       float64 `json:"theta"`
	From        int     `json:"from,omitempty"`
	Dim         int     `json:"dim"`
	Interleaved bool    `json:"interleaved"`
	Applied     bool    `json:"applied"`
}

// appendMeta adds what t.Meta and kept say to m.
func appendMeta(m map[string]string, t kv.Tensor, kept *kv.Kept) error {
	if kept != nil {
		lists := make([][][]int32, kept.Layers)
		for l := range lists {
			for h := range kept.Heads {
				lists[l] = append(lists[l], append([]int32{}, kept.At(l, h)...))
			}
		}
		if err := putJSON(m, metaKept, lists); err != nil {
			return err
		}
	}
	if t.Meta == nil {
		return nil
	}
	if t.Meta.Model != "" {
		m[metaModel] = t.Meta.Model
	}
	if held := t.Meta.Held; held != "" && held.Holds(t) { // what lost some is held in it no longer
		m[metaHeld] = string(held)
	}
	if r := t.Meta.Rope; r != nil {
		if err := putJSON(m, metaRope, ropeJSON(*r)); err != nil {
			return err
		}
	}
	positions, counted := make([]int32, t.Tokens), true
	for i := range positions {
		positions[i] = t.Meta.Position(i)
		counted = counted && positions[i] == int32(i)
	}
	if counted {
		return nil
	}
	return putJSON(m, metaPositions, positions)
}

func putJSON(m map[string]string, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("metadata %s: %w", key, err)
	}
	m[key] = string(b)
	return nil
}

// parseMeta reads the metadata of a cache of so many tokens; nil where they say nothing.
func parseMeta(m map[string]string, tokens int) (*kv.Meta, error) {
	held, err := kv.ParseHeld(m[metaHeld])
	if err != nil {
		return nil, fmt.Errorf("metadata %w", err)
	}
	meta := kv.Meta{Model: m[metaModel], Held: held}
	if text, ok := m[metaRope]; ok {
		var r ropeJSON
		d := json.NewDecoder(bytes.NewReader([]byte(text)))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil || r.Dim < 0 || r.Dim > 1<<20 || r.From < 0 || r.From > 1<<20 ||
			!(r.Theta > 0) {
			return nil, fmt.Errorf("metadata rope is %.60q, want an object of theta, from, dim, interleaved "+
				"and applied", text)
		}
		rope := kv.Rope(r)
		meta.Rope = &rope
	}
	if text, ok := m[metaPositions]; ok {
		if err := json.Unmarshal([]byte(text), &meta.Positions); err != nil {
			return nil, fmt.Errorf("metadata positions are no list of whole numbers up to %d", math.MaxInt32)
		}
		if len(meta.Positions) != tokens {
			return nil, fmt.Errorf("metadata positions has %d, want one for each of %d tokens",
				len(meta.Positions), tokens)
		}
		for i, p := range meta.Positions {
			if p < 0 {
				return nil, fmt.Errorf("metadata positions[%d] is %d, want 0 or more", i, p)
			}
		}
	}
	if meta.Model == "" && meta.Held == "" && meta.Rope == nil && meta.Positions == nil {
		return nil, nil
	}
	return &meta, nil
}
