package compressors

import (
	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// A Dropper chooses tokens that do not travel. It is the first stage of a chain; a codec
// compresses what it leaves. Like a Codec it does not change once built and may be used from
// several goroutines.
type Dropper interface {
	// Drop shortens the lists of kept, which on entry hold the tokens of src that are left in
	// each head of each layer, in increasing order. It may keep as many as it likes in each
	// head. It keeps neither kept nor src, and in steady state does not allocate. It returns an
	// error that wraps ErrUnsupported where src lacks what it needs.
	Drop(kept *kv.Kept, src kv.Tensor) error

	// Capabilities says what the dropper needs: statistics, keys before rotation, a window.
	Capabilities() Capabilities
}

var droppers = registry.NewSet[Dropper]("token dropper")

// RegisterDropper enters a token dropper under its name. It panics on a duplicate.
func RegisterDropper[P any](f registry.Family[Dropper, P]) {
	mustBeNew(f.Name)
	registry.Add(droppers, f)
}

// DropperSpecs returns every token dropper's bare name and its variants.
func DropperSpecs() []Spec { return droppers.Specs() }

// mustBeNew panics if a codec, dropper or coder has the name: chains tell them apart by it.
func mustBeNew(name string) {
	if codecs.Has(name) || droppers.Has(name) || byteCoders.Has(name) {
		panic("compressors: the name " + name + " is registered twice")
	}
}
