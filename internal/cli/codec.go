package cli

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	_ "kvgauge/compressors/kvshuttle" // registers kvshuttle/NAME
	"kvgauge/internal/outfile"
	"kvgauge/workloads/kvfile"
)

func init() {
	verbs["codec"] = func(e *env) *cobra.Command {
		return group("codec", "Compress cache files, decompress and inspect frames",
			newCompress(e), newDecompress(e), newInspect(e), newFit(e))
	}
}

const decompressHelp = `Decompress a frame into a cache file: safetensors, or by the name of
--out an .npz or a pair k.npy,v.npy. Tokens that the codec dropped come back as zeros;
safetensors name those that are left in the metadata key kept.`

func newCompress(e *env) *cobra.Command {
	var spec, in, out string
	var bare bool
	var rf readFlags
	var state stateFlag
	c := &cobra.Command{
		Use: "compress --codec SPEC --in FILE --out FILE", Args: want(),
		Short: "Compress a cache file into a frame, and check it by decompressing",
		RunE: func(*cobra.Command, []string) error {
			t, err := rf.read(in)
			if err != nil {
				return err
			}
			return compress(e, spec, state, t, out, bare)
		},
	}
	c.Flags().StringVar(&spec, "codec", "", "codec spec, such as kivi:bits=4 (see kvgauge list codec)")
	c.Flags().StringVar(&in, "in", "", "cache file: safetensors, .npz or k.npy,v.npy")
	c.Flags().StringVar(&out, "out", "", "where the frame goes")
	c.Flags().BoolVar(&bare, "payload-only", false,
		"write the codec's payload without the frame; it cannot be decompressed by itself")
	state.add(c)
	rf.add(c)
	return mustFlags(c, "codec", "in", "out")
}

func compress(e *env, text string, state stateFlag, t kv.Tensor, out string, bare bool) error {
	spec, c, err := state.open(text)
	if err != nil {
		return err
	}
	blob, err := compressors.AppendFrame(nil, spec, c, t)
	if err != nil {
		return fmt.Errorf("codec %s: %w", spec, err)
	}
	f, err := state.verify(spec, c, t, blob)
	if errors.Is(err, errNo) {
		fmt.Fprintf(e.err, "kvgauge: codec %s calls itself lossless and changed the cache\n", spec)
	}
	if err != nil {
		return err
	}
	write := blob
	if bare {
		if write, err = f.BarePayload(c); err != nil {
			return err
		}
	}
	if err := outfile.Bytes(out, write); err != nil {
		return err
	}
	raw, held := t.RawBytes(), ""
	if t.Held() != "" {
		held = fmt.Sprintf(" (%.4f of the %d bytes held in %s)",
			float64(t.HeldBytes())/float64(len(blob)), t.HeldBytes(), t.Held())
	}
	_, err = fmt.Fprintf(e.out, "%s: raw %d bytes, frame %d bytes, ratio %.4f%s, decompressed and checked\n",
		spec, raw, len(blob), float64(raw)/float64(len(blob)), held)
	return err
}

func newDecompress(e *env) *cobra.Command {
	var in, out string
	var rf readFlags
	var state stateFlag
	c := &cobra.Command{
		Use: "decompress --in FILE --out FILE", Args: want(),
		Short: "Decompress a frame into a cache file",
		Long:  decompressHelp,
		RunE: func(*cobra.Command, []string) error {
			f, err := readFrame(in, rf)
			if err != nil {
				return err
			}
			t, kept, err := state.decompress(f)
			if err != nil {
				return fmt.Errorf("%s: %w", in, err)
			}
			return writeCache(e, out, t, kept)
		},
	}
	c.Flags().StringVar(&in, "in", "", "frame")
	c.Flags().StringVar(&out, "out", "", "cache file: safetensors, .npz or k.npy,v.npy")
	state.add(c)
	rf.addLimit(c)
	return mustFlags(c, "in", "out")
}

// readFrame reads and checks a frame. Its error names the file.
func readFrame(path string, rf readFlags) (compressors.Frame, error) {
	blob, err := os.ReadFile(path)
	if err != nil {
		return compressors.Frame{}, pathError(path, err)
	}
	f, err := compressors.ParseFrame(blob, int(rf.maxBytes))
	if err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// pathError puts the path first and drops the name of the system call.
func pathError(path string, err error) error {
	if pe, ok := err.(*os.PathError); ok {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// writeCache writes a cache file and says what the format has no room for.
func writeCache(e *env, path string, t kv.Tensor, kept *kv.Kept) error {
	format, err := kvfile.FormatOf(path)
	if err != nil {
		return err
	}
	if err := kvfile.WriteKept(path, t, kept); err != nil {
		return err
	}
	if format == kvfile.Safetensors {
		return nil
	}
	if m := t.Meta; m != nil && (m.Model != "" || m.Rope != nil || m.Positions != nil) {
		fmt.Fprintln(e.err, "kvgauge: note: numpy files have no room for model, positions and rope; "+
			"safetensors keep them")
	}
	if kept != nil {
		fmt.Fprintln(e.err, "kvgauge: note: dropped tokens are zeros in numpy files; "+
			"safetensors name those that are left")
	}
	return nil
}

func newInspect(e *env) *cobra.Command {
	var asJSON bool
	var rf readFlags
	var state stateFlag
	c := &cobra.Command{
		Use: "inspect FILE", Args: want("FILE"),
		Short: "Say what a frame holds and how its bytes divide",
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := readFrame(args[0], rf)
			if err != nil {
				return err
			}
			_, c, err := state.open(string(f.Spec))
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if _, _, err := f.DecompressWith(c); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			facts, err := f.Facts(c)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if asJSON {
				return printJSON(e.out, facts)
			}
			return printFacts(e, facts)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	state.add(c)
	rf.addLimit(c)
	return c
}

// printFacts prints names and values in the order of names, a map one key a line.
func printFacts(e *env, facts map[string]any) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	for _, name := range sortedKeys(facts) {
		if m, ok := facts[name].(map[string]int); ok {
			for _, key := range sortedKeys(m) {
				fmt.Fprintf(w, "%s.%s\t%d\n", name, key, m[key])
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%v\n", name, facts[name])
	}
	return w.Flush()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
