package compressors

import (
	"fmt"
	"strings"

	"kvgauge/internal/registry"
)

// Open builds what a spec names: a codec, or a chain "a+b+c" of any number of token droppers,
// one codec, and any number of byte coders. The Spec is the text in canonical form.
func Open(text string) (Spec, Codec, error) {
	parts, err := registry.Split(text, '+')
	if err != nil {
		return "", nil, fmt.Errorf("codec %q: %w", text, err)
	}
	if len(parts) == 1 {
		return codecs.Open(text)
	}
	return "", nil, fmt.Errorf("codec %q: chains are not built in yet: %s", text,
		strings.Join(parts, ", "))
}
