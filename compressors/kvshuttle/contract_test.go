package kvshuttle

import (
	"strings"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
)

// KVShuttle's codecs check nothing, so NaN, infinity and what overflows float16 go through and
// spoil; fp8_e4m3 saturates further at every pass; kvquant_2bit and palu_int4 can be worse than
// zeros. Those clauses they are excused from, and the lz4 library allocates.
var excused = map[string][]string{
	"kvquant_2bit": {"Shapes"},
	"palu_int4":    {"Shapes"},
	"lossless_lz4": {"Allocations"},
}

func TestTheRestOfTheCodecContractHolds(t *testing.T) {
	n := 0
	for _, spec := range compressors.Specs() {
		name, ok := strings.CutPrefix(string(spec), "kvshuttle/")
		if !ok {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			_, c, err := compressors.Open(string(spec))
			if err != nil {
				t.Fatal(err)
			}
			codectest.Run(t, spec, c, append(excused[name], "NonFinite", "Extremes", "Settles")...)
		})
	}
	if n != 14 {
		t.Errorf("%d codecs, want 14", n)
	}
}
