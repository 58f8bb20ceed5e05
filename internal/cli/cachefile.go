package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"kvgauge/compressors/kv"
	"kvgauge/workloads/kvfile"
)

// readFlags are the flags of every verb that reads cache files.
type readFlags struct {
	dtype    string
	maxBytes byteSize
}

func (r *readFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&r.dtype, "dtype", "bf16",
		"what 32-bit values are rounded to and 8-bit ones widened, bf16 or f16; 16-bit values stay")
	r.addLimit(c)
}

func (r *readFlags) addLimit(c *cobra.Command) {
	c.Flags().Var(&r.maxBytes, "max-bytes",
		"most memory for what is read, as in 8GiB (default: 64 MiB or 64 times the input)")
}

func (r *readFlags) options() (kvfile.Options, error) {
	d, err := kv.ParseDType(r.dtype)
	if err != nil {
		return kvfile.Options{}, fmt.Errorf("--%w", err)
	}
	return kvfile.Options{DType: d, MaxBytes: int64(r.maxBytes)}, nil
}

func (r *readFlags) read(path string) (kv.Tensor, error) {
	o, err := r.options()
	if err != nil {
		return kv.Tensor{}, err
	}
	return kvfile.Read(path, o)
}

// byteSize is a flag of a number of bytes: 1048576, 64MiB, 2GB.
type byteSize int64

var byteUnits = []struct {
	name string
	n    float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

func (b *byteSize) Set(text string) error {
	number, unit := strings.TrimSpace(text), 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.n
			break
		}
	}
	x, err := strconv.ParseFloat(number, 64)
	if n := x * unit; err != nil || !(n >= 1) || n > math.MaxInt64/2 || n != math.Trunc(n) {
		return fmt.Errorf("want a number of bytes such as 1048576, 64MiB or 2GB")
	}
	*b = byteSize(x * unit)
	return nil
}

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*b), 10)
}

func (b *byteSize) Type() string { return "bytes" }

// mustFlags marks flags without which a verb cannot run.
func mustFlags(c *cobra.Command, names ...string) *cobra.Command {
	for _, n := range names {
		if err := c.MarkFlagRequired(n); err != nil {
			panic(err)
		}
	}
	return c
}

// printJSON writes v as one indented object.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// sides lists the dims of a cache as files have them: [layers, heads, tokens, head_dim].
func dims(s kv.Shape) []int { return []int{s.Layers, s.Heads, s.Tokens, s.KeyDim} }
