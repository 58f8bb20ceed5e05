package cli

import (
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"kvgauge/compressors/kv"
	"kvgauge/workloads/kvfile"
)

func init() {
	verbs["cache"] = func(e *env) *cobra.Command {
		return group("cache", "Measure and convert files that hold a KV cache",
			newCacheStat(e), newCacheConvert(e), newCacheExtract(e))
	}
}

const cacheFileHelp = `A cache file is safetensors with tensors k and v of shape [layers, KV heads, tokens,
head_dim] in F16, BF16, F32, F8_E4M3 or F8_E5M2 (v may be absent) and the metadata keys model,
positions (JSON list), rope (JSON object of theta, dim, interleaved, applied) and held (f8_e4m3
or f8_e5m2 of values that had 8 bits); or safetensors in vLLM's blocks; or .npz with arrays k and
v; or a pair of .npy files k.npy,v.npy. Values of 8 bits are widened exactly, without any scale,
and ratios are given of their bytes too.`

// cacheStat is what cache stat prints.
type cacheStat struct {
	File     string        `json:"file"`
	Shape    []int         `json:"shape"` // of the keys
	ValueDim int           `json:"value_dim"`
	DType    string        `json:"dtype"`
	RawBytes int           `json:"raw_bytes"`
	Held     kv.Held       `json:"held,omitempty"` // in 8 bits where it is used
	Bytes    int           `json:"held_bytes,omitempty"`
	Model    string        `json:"model"`
	K        *kvfile.Stats `json:"k"`
	V        *kvfile.Stats `json:"v"`
}

const statHelp = `Keys and values are measured apart. first_token_norm_ratio: norm of the first token over the
median, median over heads. outlier_channel_ratio: largest standard deviation of a channel over
the median one, median over heads, and the largest of all. token_correlation: correlation of
tokens some positions apart, each channel's mean removed. exponent_entropy_bits: Shannon
entropy of the exponent field. Heads with NaN or infinities count in the shares only.`

const convertHelp = `--layout vllm writes safetensors with one tensor layer.N a layer, of shape [2, blocks,
block, KV heads, head_dim], keys first, the last block filled up with zeros (a cache without
values: [blocks, block, dim]), and the metadata keys layout, tokens and block_size. Such a
file is read as any other and gives the cache back exactly.`

func newCacheStat(e *env) *cobra.Command {
	var asJSON bool
	var rf readFlags
	c := &cobra.Command{
		Use: "stat FILE", Args: want("FILE"),
		Short: "Say what a cache file holds and how hard it is to compress",
		Long:  cacheFileHelp + "\n\n" + statHelp,
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := rf.read(args[0])
			if err != nil {
				return err
			}
			s := cacheStat{File: args[0], Shape: dims(t.Shape), ValueDim: t.ValueDim,
				DType: t.DType.String(), RawBytes: t.RawBytes(),
				K: kvfile.Stat(t, kv.K), V: kvfile.Stat(t, kv.V)}
			if s.Held = t.Held(); s.Held != "" {
				s.Bytes = t.HeldBytes()
			}
			if t.Meta != nil {
				s.Model = t.Meta.Model
			}
			if asJSON {
				return printJSON(e.out, s)
			}
			return printStat(e, s)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	rf.add(c)
	return c
}

func printStat(e *env, s cacheStat) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "shape\t%v\n", s.Shape)
	if s.ValueDim != s.Shape[3] {
		fmt.Fprintf(w, "value_dim\t%d\n", s.ValueDim)
	}
	fmt.Fprintf(w, "dtype\t%s\nraw_bytes\t%d\nmodel\t%s\n", s.DType, s.RawBytes, orDash(s.Model))
	if s.Held != "" {
		fmt.Fprintf(w, "held\t%s\nheld_bytes\t%d\n", s.Held, s.Bytes)
	}
	fmt.Fprint(w, "\tk\tv\n")
	both := func(name string, get func(*kvfile.Stats) *float64) {
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, cell(s.K, get), cell(s.V, get))
	}
	both("first_token_norm_ratio", func(s *kvfile.Stats) *float64 { return s.FirstTokenNorm })
	both("outlier_channel_ratio", func(s *kvfile.Stats) *float64 { return s.OutlierChannel })
	both("outlier_channel_ratio_max", func(s *kvfile.Stats) *float64 { return s.OutlierChannelMax })
	for i, lag := range kvfile.Lags {
		both(fmt.Sprintf("token_correlation[%d]", lag),
			func(s *kvfile.Stats) *float64 { return s.Correlation[i].R })
	}
	both("exponent_entropy_bits", func(s *kvfile.Stats) *float64 { return s.ExponentEntropy })
	both("nan_share", func(s *kvfile.Stats) *float64 { return &s.NaNShare })
	both("inf_share", func(s *kvfile.Stats) *float64 { return &s.InfShare })
	return w.Flush()
}

// cell prints a statistic, or a dash where there is none.
func cell(s *kvfile.Stats, get func(*kvfile.Stats) *float64) string {
	if s == nil || get(s) == nil {
		return "-"
	}
	return strconv.FormatFloat(*get(s), 'g', 5, 64)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newCacheConvert(e *env) *cobra.Command {
	var in, out, layout string
	var block int
	var rf readFlags
	c := &cobra.Command{
		Use: "convert --in FILE --out FILE", Args: want(),
		Short: "Convert a cache file to another format or layout",
		Long:  cacheFileHelp + "\n\n" + convertHelp,
		RunE: func(*cobra.Command, []string) error {
			t, err := rf.read(in)
			if err != nil {
				return err
			}
			switch layout {
			case "plain":
				return writeCache(e, out, t, nil)
			case "vllm":
				return writeVLLM(out, t, block)
			}
			return fmt.Errorf("--layout is %q, want plain or vllm", layout)
		},
	}
	c.Flags().StringVar(&in, "in", "", "cache file")
	c.Flags().StringVar(&out, "out", "", "cache file: safetensors, .npz or k.npy,v.npy")
	c.Flags().StringVar(&layout, "layout", "plain", "plain or vllm")
	c.Flags().IntVar(&block, "block-size", 16, "tokens of a block, for --layout vllm")
	rf.add(c)
	return mustFlags(c, "in", "out")
}

func writeVLLM(out string, t kv.Tensor, block int) error {
	format, err := kvfile.FormatOf(out)
	if err != nil {
		return err
	}
	if format != kvfile.Safetensors {
		return fmt.Errorf("%s: --layout vllm is written as safetensors only", out)
	}
	return kvfile.WritePaged(out, t, block)
}
