package compressors_test

import (
	"fmt"

	"kvgauge/compressors"
	"kvgauge/compressors/codectest"
	"kvgauge/compressors/kv"
)

// A cache goes into a frame, and comes back from it in another process that knows nothing else.
func Example() {
	shape := kv.Shape{Layers: 2, Heads: 2, Tokens: 256, KeyDim: 64, ValueDim: 64}
	cache := codectest.Tensor(1, shape, kv.BF16)
	spec, codec, err := compressors.Open("kivi:bits=4,residual=0")
	if err != nil {
		panic(err)
	}
	frame, err := compressors.AppendFrame(nil, spec, codec, cache)
	if err != nil {
		panic(err)
	}

	parsed, err := compressors.ParseFrame(frame, 0)
	if err != nil {
		panic(err)
	}
	back, _, err := parsed.Decompress()
	if err != nil {
		panic(err)
	}
	ratio := float64(cache.RawBytes()) / float64(len(frame))
	fmt.Printf("%s: %v %v, ratio %.2f, sections %v\n", parsed.Spec, back.Shape, back.DType, ratio,
		parsed.Sections)
	// Output:
	// kivi:bits=4,residual=0: 2x2x256x64 bf16, ratio 3.20, sections [{payload 65536} {scales 16384}]
}
