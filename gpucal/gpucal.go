// Package gpucal holds how long codecs take on devices: points that somebody measured, fits over
// them, and the memory bandwidth that bounds them. A lookup says of every number where it comes
// from: measured, fitted, extrapolated or roofline. One device is one file in data.
package gpucal

import (
	"fmt"
	"strconv"
	"strings"
)

// A Calibration is what is known of codecs on one device.
type Calibration struct {
	Device string  // as sweeps spell it: a100-40g
	Part   string  // the part's own name: NVIDIA A100-SXM4-40GB
	MemBW  float64 // peak memory bandwidth, bytes per second
	Origin Origin
	Rows   []Row
	Fits   []Fit

	File string // where it was read, for errors
}

// An Origin says where the rows come from.
type Origin struct {
	Source  string
	Commit  string // of the source's repository, or "none"
	Licence string
	SHA256  string // of the file that was read, or "none"
}

// An Op is what was timed.
type Op string

// The two operations of a codec.
const (
	Compress   Op = "compress"
	Decompress Op = "decompress"
)

// A Row is one measured point: one operation of one codec on one cache, keys and values.
//
// Bytes are the cache's in 16 bits, as it travels, and the payload's, whatever type the values
// have on the device: compress reads the former, decompress writes it.
type Row struct {
	Codec    string // spec text
	Op       Op
	DType    string // of the values on the device: f16, bf16 or f32
	Shape    Shape
	Tokens   int
	BytesIn  int64
	BytesOut int64
	Seconds  []float64 // every sample, or nil where only Median was published
	Median   float64
	Std      float64 // standard deviation of one sample; 0 where none was published
	N        int     // samples behind Median, or 0 if that is not known
	Flags    []string

	line int
}

// A Fit is t = Alpha + Beta·bytes over some of the rows of one codec and operation, where bytes
// are the uncompressed cache's. It minimises the squared relative error.
type Fit struct {
	Codec    string
	Op       Op
	Alpha    float64 // seconds, not negative
	Beta     float64 // seconds per byte, positive
	MinBytes int64   // the range of the rows fitted; beyond it is extrapolation
	MaxBytes int64
	Rows     int

	// Largest and median of |fit/measured − 1| over the rows fitted.
	MaxResidual, MedianResidual float64

	// Roofline is the median over the rows of the time that memory bandwidth alone would allow a
	// fused kernel, over the time measured.
	Roofline float64

	Flags []string
}

// Flags of rows, fits and answers.
const (
	FlagPipeline  = "pipeline"         // keys and values timed, median of 10
	FlagKernel    = "kernel"           // keys and values timed, another loop than pipeline rows
	FlagKeysTwice = "keys-only-x2"     // only the keys were timed: time and deviation doubled
	FlagGaussian  = "gaussian"         // the input was N(0,1) noise
	FlagEager     = "eager-pytorch"    // unfused kernels
	FlagUnpacked  = "codes-not-packed" // the kernel leaves one code per byte
	FlagOther     = "other-algorithm"  // not the codec whose bytes and quality bear the name
	FlagPoor      = "poor-fit"         // misses a row by more than a fifth
	FlagBound     = "bound-not-time"   // of roofline answers: no kernel can be faster

	flagRatio = "pipeline/kernel=" // how pipeline rows compare with kernel rows, then the numbers
)

// Bounds on rows and fits.
const (
	poorFit    = 0.2     // MaxResidual beyond which FlagPoor is set
	minFitRows = 3       // fewer rows make no fit
	minSamples = 6       // fewer samples make no interval
	maxTokens  = 1 << 24 // of a row
	maxShape   = 1 << 16 // each extent of a shape
	maxRows    = 1 << 14 // of a file
	maxSamples = 1 << 12 // of a row
	maxSeconds = 1e5     // of a row
	sizeOf16   = 2       // bytes of a value as it travels
)

// Raw returns the bytes of the uncompressed cache.
func (r *Row) Raw() int64 {
	if r.Op == Decompress {
		return r.BytesOut
	}
	return r.BytesIn
}

// Payload returns the bytes of the compressed cache.
func (r *Row) Payload() int64 {
	if r.Op == Decompress {
		return r.BytesIn
	}
	return r.BytesOut
}

// Has says whether the row carries a flag.
func (r *Row) Has(flag string) bool { return has(r.Flags, flag) }

func has(flags []string, flag string) bool {
	for _, f := range flags {
		if f == flag {
			return true
		}
	}
	return false
}

// Roofline returns the seconds in which memory of the given bandwidth could be read and written
// once: the values in the type that they have on the device, and the payload.
func (r *Row) Roofline(memBW float64) float64 {
	values := r.Raw() / sizeOf16 * dtypeBytes[r.DType]
	return float64(values+r.Payload()) / memBW
}

var dtypeBytes = map[string]int64{"f16": 2, "bf16": 2, "f32": 4}

// A Shape is a cache's extents but for its tokens. Keys and values are alike.
type Shape struct{ Layers, Heads, Dim int }

// String returns the shape as rows spell it: 32x8x128.
func (s Shape) String() string { return fmt.Sprintf("%dx%dx%d", s.Layers, s.Heads, s.Dim) }

// Bytes returns the size of the cache of a number of tokens, keys and values, in 16 bits.
func (s Shape) Bytes(tokens int) int64 {
	return 2 * sizeOf16 * int64(s.Layers) * int64(s.Heads) * int64(s.Dim) * int64(tokens)
}

// ParseShape reads what String writes; extents are from 1 to 65536 and the cache of one token is
// at most 2^40 bytes.
func ParseShape(text string) (Shape, error) {
	parts := strings.Split(text, "x")
	var v [3]int
	for i := range v {
		if len(parts) != 3 {
			break
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 1 || n > maxShape || strconv.Itoa(n) != parts[i] {
			break
		}
		v[i] = n
	}
	s := Shape{v[0], v[1], v[2]}
	if v[2] == 0 || v[1] == 0 || v[0] == 0 || s.Bytes(1) > 1<<38 {
		return Shape{}, fmt.Errorf("want layers x heads x head dim such as 32x8x128, got %.40q", text)
	}
	return s, nil
}
