package compressors

import (
	"sync"
	"sync/atomic"

	"kvgauge/compressors/kv"
)

// runwise spreads a codec of fixed rate whose payload is up to three runs, each of which has the
// bytes of all keys and then those of all values, layer by layer: what a part of the layers
// becomes lies together in each run. Where only one has any bytes, parts are written in place.
type runwise struct {
	Codec
	sizes   func(kv.Tensor) payloadRuns
	workers int
}

// payloadRuns are the bytes of the runs of a payload.
type payloadRuns [3]int

func (r payloadRuns) total() int { return r[0] + r[1] + r[2] }

// runsOf returns how the sizes of c's runs follow from a tensor; nil if its payload has others.
func runsOf(c Codec) func(kv.Tensor) payloadRuns {
	switch c := c.(type) {
	case identity:
		return func(t kv.Tensor) payloadRuns { return payloadRuns{t.RawBytes()} }
	case *ggml:
		return func(t kv.Tensor) payloadRuns { return payloadRuns{c.PredictedBytes(t)} }
	case *fp8:
		return func(t kv.Tensor) payloadRuns {
			return payloadRuns{t.RawBytes() / 2, c.PredictedBytes(t) - t.RawBytes()/2}
		}
	case *blockFloat:
		return func(t kv.Tensor) payloadRuns {
			s := c.sizes(t)
			return payloadRuns{s.tensors, s.scales, s.codes}
		}
	}
	return nil
}

// PredictedBytes implements Sizer.
func (c *runwise) PredictedBytes(head kv.Tensor) int { return c.Codec.(Sizer).PredictedBytes(head) }

// AppendSections implements Sectioner.
func (c *runwise) AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error) {
	return c.Codec.(Sectioner).AppendSections(dst, head, payload)
}

// AppendCompress implements Codec.
func (c *runwise) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	base, size := len(dst), c.sizes(src).total()
	dst = growBytes(dst, size)
	if !c.call(src, dst[base:], false) {
		return c.Codec.AppendCompress(dst[:base], src) // for the error
	}
	return dst, nil
}

// Decompress implements Codec.
func (c *runwise) Decompress(dst kv.Tensor, src []byte) error {
	if len(src) != c.sizes(dst).total() || !c.call(dst, src, true) {
		return c.Codec.Decompress(dst, src)
	}
	return nil
}

// A runCall is one call of a runwise codec. Its pieces are runs of layers, or of heads where no
// two share anything; those of K first.
type runCall struct {
	codec   *runwise
	tensor  kv.Tensor
	payload []byte
	reads   bool
	cuts    int // per side
	failed  atomic.Bool
}

var (
	runCalls = sync.Pool{New: func() any { return new(runCall) }}
	runRooms = sync.Pool{New: func() any { return new([]byte) }}
)

func (c *runwise) call(t kv.Tensor, payload []byte, reads bool) bool {
	r := runCalls.Get().(*runCall)
	r.codec, r.tensor, r.payload, r.reads = c, t, payload, reads
	if c.Capabilities().Streaming == "token" {
		r.tensor.Layers, r.tensor.Heads = t.Layers*t.Heads, 1 // planes lie as before
	}
	r.cuts = cuts(r.tensor.Layers, c.workers)
	r.failed.Store(false)
	inParallel(c.workers, 2*r.cuts, r)
	ok := !r.failed.Load()
	r.codec, r.tensor, r.payload = nil, kv.Tensor{}, nil
	runCalls.Put(r)
	return ok
}

// view returns some layers of one side.
func (r *runCall) view(side kv.Side, from, to int) kv.Tensor {
	t := r.tensor
	t.Bits[1-side] = nil
	if side == kv.K {
		t.ValueDim = 0
	} else {
		t.KeyDim = 0
	}
	return t.SliceLayers(from, to)
}

// piece implements pieces.
func (r *runCall) piece(i int) {
	side, layers := kv.Side(i/r.cuts), r.tensor.Layers
	from, to := i%r.cuts*layers/r.cuts, (i%r.cuts+1)*layers/r.cuts
	if r.tensor.Dim(side) == 0 || r.tensor.Tokens == 0 || from == to {
		return
	}
	room := runRooms.Get().(*[]byte)
	defer runRooms.Put(room)
	view := r.view(side, from, to)
	parts := r.parts(side, from, view)
	one := len(parts[0])+len(parts[1]) == 0 || len(parts[1])+len(parts[2]) == 0
	bytes := parts[2]
	if len(parts[0]) > 0 {
		bytes = parts[0]
	}
	switch {
	case r.reads && one:
	case r.reads:
		bytes = (*room)[:0]
		for _, p := range parts {
			bytes = append(bytes, p...)
		}
		*room = bytes
	case !one:
		bytes = *room
	}
	if r.reads {
		if r.codec.Codec.Decompress(view, bytes) != nil {
			r.failed.Store(true)
		}
		return
	}
	out, err := r.codec.Codec.AppendCompress(bytes[:0], view)
	if err != nil {
		r.failed.Store(true)
		return
	}
	if one {
		return
	}
	*room = out
	for _, p := range parts {
		out = out[copy(p, out):]
	}
}

// parts returns where the bytes of a view lie, which begins with a layer of a side.
func (r *runCall) parts(side kv.Side, from int, view kv.Tensor) (parts [3][]byte) {
	all, before, size := r.codec.sizes(r.tensor), r.codec.sizes(r.view(side, 0, from)), r.codec.sizes(view)
	if side == kv.V && r.tensor.KeyDim > 0 {
		for i, n := range r.codec.sizes(r.view(kv.K, 0, r.tensor.Layers)) {
			before[i] += n
		}
	}
	at := 0
	for i := range parts {
		begin := at + before[i]
		parts[i] = r.payload[begin : begin+size[i] : begin+size[i]]
		at += all[i]
	}
	return parts
}

// spread implements spreader.
func (c *runwise) spread(workers int) Codec { return Parallel(c.Codec, workers) }
