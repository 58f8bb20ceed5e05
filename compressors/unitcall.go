package compressors

import (
	"sync"
	"sync/atomic"

	"kvgauge/compressors/kv"
)

// A unitCoder codes a tensor in units, each on its own, whose bytes follow one another.
type unitCoder interface {
	appendUnit(dst []byte, w *unitWork, i int) []byte
	// afterUnit returns what follows unit i, which begins src.
	afterUnit(w *unitWork, src []byte, i int) (rest []byte, err error)
	// restoreUnit fills the tensor from unit i, which is all of src.
	restoreUnit(w *unitWork, src []byte, i int) error
}

// unitWork is what a unitCoder is to do with a tensor.
type unitWork struct {
	coder    unitCoder
	t        kv.Tensor
	units    int
	turn     keyTurner // of coders that take keys before rotation
	from, to int       // tokens that are coded, where not all are
}

// A unitCall does unitWork on several goroutines: each unit has a buffer, or a part of the payload.
type unitCall struct {
	unitWork
	reads  bool
	parts  [][]byte // buffers, which stay
	inputs [][]byte
	bad    atomic.Int64 // units less the first that does not decode; 0 if all do
}

var unitCalls = sync.Pool{New: func() any { return new(unitCall) }}

// piece implements pieces.
func (k *unitCall) piece(i int) {
	if !k.reads {
		k.parts[i] = k.coder.appendUnit(k.parts[i][:0], &k.unitWork, i)
		return
	}
	if k.coder.restoreUnit(&k.unitWork, k.inputs[i], i) != nil {
		leastBad(&k.bad, k.units-i)
	}
}

// appendUnits appends all units to dst.
func appendUnits(dst []byte, workers int, work unitWork) []byte {
	k := unitCalls.Get().(*unitCall)
	defer k.release()
	k.unitWork, k.reads = work, false
	if workers <= 1 {
		for i := range k.units {
			dst = k.coder.appendUnit(dst, &k.unitWork, i)
		}
		return dst
	}
	for len(k.parts) < k.units {
		k.parts = append(k.parts, nil)
	}
	inParallel(workers, k.units, k)
	for _, part := range k.parts[:k.units] {
		dst = append(dst, part...)
	}
	return dst
}

// restoreUnits undoes appendUnits; src is all that was appended.
func restoreUnits(src []byte, workers int, work unitWork) error {
	k := unitCalls.Get().(*unitCall)
	defer k.release()
	k.unitWork, k.reads, k.inputs = work, true, k.inputs[:0]
	k.bad.Store(0)
	for i := range k.units {
		rest, err := k.coder.afterUnit(&k.unitWork, src, i)
		if err != nil {
			return err
		}
		k.inputs = append(k.inputs, src[:len(src)-len(rest)])
		src = rest
	}
	if len(src) > 0 {
		return corrupt("%d bytes left over", len(src))
	}
	inParallel(max(workers, 1), k.units, k)
	if bad := k.units - int(k.bad.Load()); bad < k.units {
		return k.coder.restoreUnit(&k.unitWork, k.inputs[bad], bad) // for the error
	}
	return nil
}

// release gives k back without what belongs to the caller.
func (k *unitCall) release() {
	k.unitWork = unitWork{}
	clear(k.inputs)
	unitCalls.Put(k)
}
