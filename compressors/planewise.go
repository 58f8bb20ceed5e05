package compressors

import (
	"fmt"
	"sync"
	"sync/atomic"

	"kvgauge/compressors/kv"
)

// A planeCoder codes planes, of a head of a layer of a side each, in sizes that follow from the tensor.
// Its payload is up to three runs, each with the bytes of all planes: of keys, then of values, by layer
// and head.
type planeCoder interface {
	// planeBytes returns the bytes of a plane of a side in each run.
	planeBytes(t kv.Tensor, side kv.Side) payloadRuns
	// compressPlane writes a plane, and returns false if a scale or factor is beyond its type.
	compressPlane(src kv.Tensor, side kv.Side, layer, head int, out [3][]byte) bool
	// restorePlane fills a plane, and returns false for bytes that none has.
	restorePlane(dst kv.Tensor, side kv.Side, layer, head int, in [3][]byte) bool
}

// sumPlanes returns the bytes of a payload in each run.
func sumPlanes(c planeCoder, t kv.Tensor) (n payloadRuns) {
	for _, side := range kv.Sides {
		if t.Dim(side) == 0 {
			continue
		}
		for i, size := range c.planeBytes(t, side) {
			n[i] += t.Layers * t.Heads * size
		}
	}
	return n
}

// compressPlanes appends the payload of src, on so many goroutines.
func compressPlanes(dst []byte, c planeCoder, workers int, src kv.Tensor) ([]byte, error) {
	base := len(dst)
	dst = growBytes(dst, sumPlanes(c, src).total())
	if side, l, h, bad := walkPlanes(c, workers, src, dst[base:], false); bad {
		return dst[:base], fmt.Errorf("%w: a scale or factor beyond binary16 in %v, layer %d, head %d",
			ErrNonFinite, side, l, h)
	}
	return dst, nil
}

// restorePlanes undoes compressPlanes.
func restorePlanes(dst kv.Tensor, c planeCoder, workers int, src []byte) error {
	if want := sumPlanes(c, dst).total(); len(src) != want {
		return corrupt("%d bytes, want %d", len(src), want)
	}
	if side, l, h, bad := walkPlanes(c, workers, dst, src, true); bad {
		return corrupt("scale, factor or index of %v, layer %d, head %d", side, l, h)
	}
	return nil
}

// A planeCall is one call of a planeCoder. Its pieces are planes.
type planeCall struct {
	coder   planeCoder
	t       kv.Tensor
	payload []byte
	reads   bool
	planes  int            // of a side
	sizes   [2]payloadRuns // of a plane, by side
	begin   [2]payloadRuns // of the first plane, by side
	bad     atomic.Int64   // planes less the first that fails; 0 if none does
}

var planeCalls = sync.Pool{New: func() any { return new(planeCall) }}

// walkPlanes returns the first plane that fails, if one does.
func walkPlanes(c planeCoder, workers int, t kv.Tensor, payload []byte,
	reads bool) (side kv.Side, layer, head int, bad bool) {
	k := planeCalls.Get().(*planeCall)
	defer k.release()
	k.coder, k.t, k.payload, k.reads = c, t, payload, reads
	k.planes = t.Layers * t.Heads
	k.layOut()
	n := k.planes * sidesOf(t)
	inParallel(max(workers, 1), n, k)
	left := int(k.bad.Load())
	side, layer, head = planeAt(t, n-left)
	return side, layer, head, left > 0
}

// layOut finds where runs begin.
func (k *planeCall) layOut() {
	at := 0
	k.sizes = [2]payloadRuns{}
	for _, side := range kv.Sides {
		if k.t.Dim(side) > 0 {
			k.sizes[side] = k.coder.planeBytes(k.t, side)
		}
	}
	for i := range k.begin[0] {
		for _, side := range kv.Sides {
			k.begin[side][i] = at
			at += k.planes * k.sizes[side][i]
		}
	}
}

// planeAt returns which plane of a tensor is number i, keys first.
func planeAt(t kv.Tensor, i int) (side kv.Side, l, h int) {
	planes := t.Layers * t.Heads
	if i >= planes || t.KeyDim == 0 {
		side = kv.V
	}
	return side, i % max(planes, 1) / max(t.Heads, 1), i % max(t.Heads, 1)
}

// piece implements pieces.
func (k *planeCall) piece(i int) {
	side, l, h := planeAt(k.t, i)
	var parts [3][]byte
	for r, n := range k.sizes[side] {
		parts[r] = k.payload[k.begin[side][r]+i%k.planes*n:][:n:n]
	}
	do := k.coder.compressPlane
	if k.reads {
		do = k.coder.restorePlane
	}
	if !do(k.t, side, l, h, parts) {
		leastBad(&k.bad, k.planes*sidesOf(k.t)-i)
	}
}

// release gives k back without what belongs to the caller.
func (k *planeCall) release() {
	k.coder, k.t, k.payload = nil, kv.Tensor{}, nil
	k.bad.Store(0)
	planeCalls.Put(k)
}
