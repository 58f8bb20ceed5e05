package compressors

import "kvgauge/compressors/kv"

// A layerCoder codes layers one by one. Made a Codec by layerwise, its payload is that of each layer
// of K, then of V; those without values are left out.
type layerCoder interface {
	Capabilities() Capabilities
	Sectioner
	// check returns an error if the coder cannot code src.
	check(src kv.Tensor) error
	appendLayer(dst []byte, src kv.Tensor, side kv.Side, layer int) []byte
	// afterLayer returns what follows the layer that src begins with, without decoding it.
	afterLayer(head kv.Tensor, side kv.Side, src []byte) (rest []byte, ok bool)
	// readLayer fills a layer from all of src, and returns false if that is damaged.
	readLayer(dst kv.Tensor, side kv.Side, layer int, src []byte) bool
}

// layerwise is the codec that a layerCoder makes. Layers are its units.
type layerwise struct {
	layerCoder
	workers int
}

func byLayers(c layerCoder) *layerwise { return &layerwise{c, 1} }

// spread implements spreader.
func (c *layerwise) spread(workers int) Codec { return &layerwise{c.layerCoder, workers} }

// workBytes implements worker: what a layer takes, for every one at work.
func (c *layerwise) workBytes(head kv.Tensor) int {
	if w, ok := c.layerCoder.(worker); ok {
		return c.workers * w.workBytes(head)
	}
	return 0
}

// AppendCompress implements Codec.
func (c *layerwise) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if err := c.check(src); err != nil {
		return dst, err
	}
	return appendUnits(dst, c.workers, unitWork{coder: c, t: src, units: layersOf(src)}), nil
}

// Decompress implements Codec.
func (c *layerwise) Decompress(dst kv.Tensor, src []byte) error {
	return restoreUnits(src, c.workers, unitWork{coder: c, t: dst, units: layersOf(dst)})
}

// layersOf returns how many layers have values, of keys and of values.
func layersOf(t kv.Tensor) int {
	n := 0
	for _, side := range kv.Sides {
		if t.Elements(side) > 0 {
			n += t.Layers
		}
	}
	return n
}

// layerOf returns which layer unit i is.
func layerOf(t kv.Tensor, i int) (kv.Side, int) {
	if i >= t.Layers {
		return kv.V, i - t.Layers
	}
	if t.Elements(kv.K) == 0 {
		return kv.V, i
	}
	return kv.K, i
}

// eachLayer calls skip for every layer of a payload, with what begins with it, and goes on with what
// skip returns. Nothing may be left.
func eachLayer(head kv.Tensor, src []byte, skip func(kv.Side, []byte) ([]byte, bool)) error {
	for i := range layersOf(head) {
		side, layer := layerOf(head, i)
		var ok bool
		if src, ok = skip(side, src); !ok {
			return corrupt("layer %d of %v is cut short", layer, side)
		}
	}
	if len(src) > 0 {
		return corrupt("%d bytes too many", len(src))
	}
	return nil
}

// appendUnit implements unitCoder.
func (c *layerwise) appendUnit(dst []byte, w *unitWork, i int) []byte {
	side, layer := layerOf(w.t, i)
	return c.appendLayer(dst, w.t, side, layer)
}

// afterUnit implements unitCoder.
func (c *layerwise) afterUnit(w *unitWork, src []byte, i int) ([]byte, error) {
	side, layer := layerOf(w.t, i)
	rest, ok := c.afterLayer(w.t, side, src)
	if !ok {
		return nil, corrupt("layer %d of %v is cut short", layer, side)
	}
	return rest, nil
}

// restoreUnit implements unitCoder.
func (c *layerwise) restoreUnit(w *unitWork, src []byte, i int) error {
	side, layer := layerOf(w.t, i)
	if !c.readLayer(w.t, side, layer, src) {
		return corrupt("layer %d of %v is damaged", layer, side)
	}
	return nil
}
