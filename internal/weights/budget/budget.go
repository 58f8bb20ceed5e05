// Package budget bounds what a reader allocates for a file that may be hostile.
package budget

import "fmt"

const (
	floor  = 64 << 20 // bytes that any input may ask for
	factor = 64       // and this many times its own size
)

// A Budget counts the bytes that reading one input has asked for. The zero value allows
// nothing; use New.
type Budget struct {
	left, limit int64
}

// New returns the budget of an input of size bytes: maxBytes when that is positive, else
// max(64 MiB, 64 × size).
func New(size, maxBytes int64) *Budget {
	limit := maxBytes
	if limit <= 0 {
		limit = max(floor, factor*min(size, 1<<56))
	}
	return &Budget{left: limit, limit: limit}
}

// Take asks for n things of each bytes, and returns an error once the sum of all that was taken
// is beyond the budget, or when the product overflows.
func (b *Budget) Take(n, each int64) error {
	if n < 0 || each < 0 || (each > 0 && n > b.left/each) {
		return fmt.Errorf("needs %d × %d bytes, beyond the limit of %d (--max-bytes raises it)",
			n, each, b.limit)
	}
	b.left -= n * each
	return nil
}
