// Package compressors holds the codecs: one file each, registered by name, opened by a spec such
// as "kivi:bits=4,group=64". A codec turns a KV tensor into a payload and back; the frame wraps a
// payload so that it describes itself. Chains put token droppers before a codec and byte coders
// after it.
package compressors

import (
	"errors"
	"fmt"

	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
)

// ErrCorrupt is wrapped by every error that says that bytes are not a payload or frame.
var ErrCorrupt = errors.New("corrupt payload")

// ErrNonFinite is wrapped where a lossy codec meets NaN or an infinity, or where a scale would
// become one.
var ErrNonFinite = errors.New("non-finite value")

// ErrUnsupported is wrapped where a codec cannot take a tensor of this shape or type at all; a
// sweep records such a cell as skipped, with the reason.
var ErrUnsupported = errors.New("unsupported tensor")

// A Codec turns cached keys and values into bytes and back.
//
// A Codec does not change once built: its methods may be called from several goroutines at once.
// Equal tensors compress to equal bytes, on every platform.
type Codec interface {
	// AppendCompress appends a payload for src to dst and returns the extended slice, as append
	// would. It neither changes nor keeps src. In steady state, with room in dst, it does not
	// allocate.
	AppendCompress(dst []byte, src kv.Tensor) ([]byte, error)

	// Decompress fills dst from a payload. The caller makes dst with the shape, type and
	// metadata of the tensor that was compressed; the frame carries them. On bytes that are not
	// a payload for dst it returns an error that wraps ErrCorrupt, and never panics; what it
	// leaves in dst is then unspecified.
	Decompress(dst kv.Tensor, src []byte) error

	// Capabilities says what the codec needs and promises.
	Capabilities() Capabilities
}

// Capabilities are data, so that reports and selectors can read them.
type Capabilities struct {
	Lossless     bool   `json:"lossless"`
	FixedRate    bool   `json:"fixed_rate"`     // payload size depends on the shape alone
	NeedsFit     bool   `json:"needs_fit"`      // must be fitted on calibration caches first
	NeedsStats   bool   `json:"needs_stats"`    // reads kv.Stats
	PreRope      bool   `json:"pre_rope"`       // wants keys before rotation, so needs kv.Rope
	RecentWindow bool   `json:"recent_window"`  // keeps the last tokens apart: breaks prefix reuse
	DropsTokens  bool   `json:"drops_tokens"`   // some tokens are absent afterwards
	KeyOnly      bool   `json:"takes_key_only"` // takes a tensor without values (MLA latents)
	Streaming    string `json:"streaming_unit"` // token | group | layer | tensor
}

// A SectionKind says what a run of payload bytes is for.
type SectionKind uint8

// The kinds into which a record splits a payload.
const (
	Codes   SectionKind = iota // quantised or coded values
	Scales                     // scales, minima, zero points, norms
	Indices                    // positions of outliers or of kept tokens
	Tables                     // code books and entropy-coding tables
	Raw                        // values kept in 16 bits: windows, sinks, outliers
	Header                     // lengths, seeds, metadata
)

// String returns the kind's name as records spell it.
func (k SectionKind) String() string {
	if int(k) >= len(sectionNames) {
		return "unknown"
	}
	return sectionNames[k]
}

var sectionNames = [...]string{"payload", "scales", "indices", "tables", "raw", "header"}

// A Section is a run of payload bytes of one kind.
type Section struct {
	Kind  SectionKind
	Bytes int
}

// A Sectioner is a codec that can say how its payload divides. Codecs without it are all Codes.
type Sectioner interface {
	// AppendSections appends the sections of payload to dst; their sizes add up to len(payload).
	// They stand in the payload's order, except that kinds which alternate, such as scales and
	// codes of blocks, are one section each with the sum of their sizes. head has the shape and
	// type of the tensor, its Bits are not read.
	AppendSections(dst []Section, head kv.Tensor, payload []byte) ([]Section, error)
}

// A Sizer is a codec of fixed rate, whose payload size is known before compressing.
type Sizer interface {
	// PredictedBytes returns the exact length of the payload of a tensor with this head. Groups
	// that a codec has to keep in 16 bits, because its scales cannot hold them, come on top.
	PredictedBytes(head kv.Tensor) int
}

// A Keeper is a codec that drops tokens and can say from a payload which are left.
type Keeper interface {
	// Kept returns the tokens left in a payload of a tensor with this head.
	Kept(head kv.Tensor, payload []byte) (*kv.Kept, error)
}

// Spec is the canonical text of a codec or chain.
type Spec = registry.Spec

var codecs = registry.NewSet[Codec]("codec")

// Register enters a codec family under its name; see registry.Family. It panics on a duplicate.
func Register[P any](f registry.Family[Codec, P]) {
	mustBeNew(f.Name)
	registry.Add(codecs, f)
}

// Names returns the registered codec names in order.
func Names() []string { return codecs.Names() }

// Specs returns every codec's bare name and its variants: what conformance tests run over.
func Specs() []Spec { return codecs.Specs() }

// Describe returns what is known of the codec, token dropper or byte coder called name.
func Describe(name string) (registry.Info, error) {
	switch {
	case droppers.Has(name):
		return droppers.Describe(name)
	case byteCoders.Has(name):
		return byteCoders.Describe(name)
	}
	return codecs.Describe(name)
}

// checkFinite returns an error that names layer, head and token of the first NaN or infinity.
func checkFinite(t kv.Tensor) error {
	if side, l, h, token, found := t.NonFinite(); found {
		return fmt.Errorf("%w in %v, layer %d, head %d, token %d", ErrNonFinite, side, l, h, token)
	}
	return nil
}

// corrupt returns an error that wraps ErrCorrupt.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}
