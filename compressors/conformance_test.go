package compressors_test

import (
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
)

func TestConformance(t *testing.T) {
	for _, spec := range compressors.Specs() {
		t.Run(string(spec), func(t *testing.T) {
			canonical, c, err := compressors.Open(string(spec))
			if err != nil || canonical != spec {
				t.Fatalf("Open(%q) = %q, %v", spec, canonical, err)
			}
			codectest.Run(t, spec, c)
		})
	}
}
