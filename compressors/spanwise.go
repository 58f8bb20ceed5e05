package compressors

import (
	"sync"
	"sync/atomic"

	"kvgauge/compressors/kv"
)

// A spanCoder codes spans of a tensor, each with a basis of its own, in sizes that follow from the
// shape. Made a Codec by bySpans, its payload is a byte per span that says how it is kept; up to
// three runs, each with the bytes of all spans; and the 16-bit patterns of raw spans.
type spanCoder interface {
	Capabilities() Capabilities
	Sectioner
	appendSpans(dst []span, shape kv.Shape) []span
	// check returns an error if the coder does not compress the spans of a shape.
	check(shape kv.Shape, spans []span) error
	// sizes returns the bytes of a span in each run; none for one that is always raw.
	sizes(shape kv.Shape, s span) payloadRuns
	// compress writes a span and returns how it is kept.
	compress(w *onlineScratch, src kv.Tensor, s span, turn *keyTurner, out [3][]byte) byte
	// restore fills a span that is coded, and returns false for bytes that none has.
	restore(w *onlineScratch, dst kv.Tensor, s span, turn *keyTurner, in [3][]byte) bool
}

// spanwise is the codec that a spanCoder makes.
type spanwise struct {
	spanCoder
	workers int
}

func bySpans(c spanCoder) *spanwise { return &spanwise{c, 1} }

// spread implements spreader.
func (c *spanwise) spread(workers int) Codec { return &spanwise{c.spanCoder, workers} }

// PredictedBytes implements Sizer.
func (c *spanwise) PredictedBytes(head kv.Tensor) int {
	k := spanCalls.Get().(*spanCall)
	defer k.release()
	n := k.begin(c.spanCoder, head, keyTurner{})
	for _, s := range k.spans {
		if c.sizes(head.Shape, s).total() == 0 {
			n += 2 * s.channels(head.Shape) * head.Tokens
		}
	}
	return n
}

// AppendCompress implements Codec.
func (c *spanwise) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if err := checkFinite(src); err != nil {
		return dst, err
	}
	turn, err := turner(src, c.Capabilities().PreRope)
	if err != nil {
		return dst, err
	}
	k := spanCalls.Get().(*spanCall)
	defer k.release()
	size := k.begin(c.spanCoder, src, turn)
	if err := c.check(src.Shape, k.spans); err != nil {
		return dst, err
	}
	base := len(dst)
	dst = growBytes(dst, size)
	k.payload, k.reads = dst[base:], false
	inParallel(c.workers, len(k.spans), k)
	return appendRawSpans(dst, base, src, k.spans), nil
}

// Decompress implements Codec.
func (c *spanwise) Decompress(dst kv.Tensor, src []byte) error {
	turn, err := backTurner(dst, c.Capabilities().PreRope)
	if err != nil {
		return err
	}
	k := spanCalls.Get().(*spanCall)
	defer k.release()
	size := k.begin(c.spanCoder, dst, turn)
	if err := restoreRawSpans(dst, k.spans, src, size); err != nil {
		return err
	}
	k.payload, k.reads = src[:size], true
	inParallel(c.workers, len(k.spans), k)
	if bad := int(k.bad.Load()); bad > 0 {
		s := k.spans[len(k.spans)-bad]
		return corrupt("a basis, scale or factor that no span has in %v, layer %d", s.side, s.layer)
	}
	return nil
}

// A spanCall is one call of a spanwise codec. Its pieces are spans.
type spanCall struct {
	coder   spanCoder
	t       kv.Tensor
	turn    keyTurner
	spans   []span
	at      []payloadRuns // where in the payload the runs of each span begin
	payload []byte
	reads   bool
	bad     atomic.Int64 // spans less the first that none is; 0 if all are
}

var spanCalls = sync.Pool{New: func() any { return new(spanCall) }}

// begin lays out a payload and returns its bytes before raw spans.
func (k *spanCall) begin(c spanCoder, t kv.Tensor, turn keyTurner) int {
	k.coder, k.t, k.turn = c, t, turn
	k.bad.Store(0)
	k.spans = c.appendSpans(k.spans[:0], t.Shape)
	k.at = k.at[:0]
	var sum payloadRuns
	for _, s := range k.spans {
		k.at = append(k.at, sum)
		for i, n := range c.sizes(t.Shape, s) {
			sum[i] += n
		}
	}
	for i := range k.at {
		k.at[i][0] += len(k.spans)
		k.at[i][1] += len(k.spans) + sum[0]
		k.at[i][2] += len(k.spans) + sum[0] + sum[1]
	}
	return len(k.spans) + sum.total()
}

// release gives k back without what belongs to the caller.
func (k *spanCall) release() {
	k.coder, k.t, k.turn, k.payload = nil, kv.Tensor{}, keyTurner{}, nil
	spanCalls.Put(k)
}

// piece implements pieces.
func (k *spanCall) piece(i int) {
	s, sizes := k.spans[i], k.coder.sizes(k.t.Shape, k.spans[i])
	if k.reads && k.payload[i] != pcaCoded {
		return
	}
	var parts [3][]byte
	for r, n := range sizes {
		parts[r] = k.payload[k.at[i][r]:][:n]
	}
	w := onlinePool.Get().(*onlineScratch)
	defer onlinePool.Put(w)
	if k.reads {
		if sizes.total() == 0 || !k.coder.restore(w, k.t, s, &k.turn, parts) {
			leastBad(&k.bad, len(k.spans)-i)
		}
		return
	}
	switch {
	case k.t.Tokens == 0:
		k.payload[i] = pcaZero
	case sizes.total() == 0:
		k.payload[i] = pcaRaw
	default:
		k.payload[i] = k.coder.compress(w, k.t, s, &k.turn, parts)
	}
	if k.payload[i] != pcaCoded {
		for _, part := range parts {
			clear(part)
		}
	}
}

// leastBad keeps the largest of what it is given: pieces that are left when the first fails.
func leastBad(bad *atomic.Int64, left int) {
	for old := bad.Load(); int64(left) > old; old = bad.Load() {
		bad.CompareAndSwap(old, int64(left))
	}
}

// appendSpanSections appends sections, and the raw spans that follow them.
func appendSpanSections(dst []Section, payload []byte, sections ...Section) ([]Section, error) {
	raw := len(payload)
	for _, s := range sections {
		raw -= s.Bytes
	}
	if raw < 0 {
		return dst, corrupt("cut short")
	}
	return append(append(dst, sections...), Section{Raw, raw}), nil
}
