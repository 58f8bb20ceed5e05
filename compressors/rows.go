package compressors

import (
	"encoding/binary"
	"math"
	"sync"

	"kvgauge/compressors/internal/quant"
	"kvgauge/compressors/kv"
)

// rowScratch is room for one row of values and codes.
type rowScratch struct {
	vals  []float32
	codes []byte
}

var rowPool = sync.Pool{New: func() any { return new(rowScratch) }}

func (w *rowScratch) room(dim int) ([]float32, []byte) {
	w.vals, w.codes = growTo(w.vals, dim), growTo(w.codes, dim)
	return w.vals, w.codes
}

// growTo returns n elements, reusing s where it is large enough; what they hold is not cleared.
func growTo[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// layerMax returns the largest magnitude of one layer of a side, whose values are finite.
func layerMax(t kv.Tensor, side kv.Side, l int) float32 {
	most := uint16(0)
	for h := range t.Heads {
		most = max(most, quant.AbsMax(t.Plane(side, l, h)))
	}
	return t.DType.Float(most)
}

func putFloat(dst []byte, f float32) {
	binary.LittleEndian.PutUint32(dst, math.Float32bits(f))
}

func getFloat(src []byte) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(src))
}
