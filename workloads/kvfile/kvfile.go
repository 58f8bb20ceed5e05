// Package kvfile reads and writes files that hold one KV cache: safetensors, numpy's .npy in
// pairs, and .npz. Files are taken as hostile: whatever they hold gives a cache or a one-line
// error, within a bound on memory.
package kvfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kvgauge/compressors/kv"
	"kvgauge/internal/outfile"
)

// Options say how a file is read. The zero value rounds F32 to F16; Defaults is what the tool
// uses.
type Options struct {
	// DType is what values of 32 bits are rounded to, and those of 8 bits widened, exactly; 16-bit
	// values stay as they are.
	DType kv.DType

	// MaxBytes bounds what reading may allocate for the cache; 0 means the larger of 64 MiB and
	// 64 times the input.
	MaxBytes int64

	head bool // stop before the values
}

// Defaults rounds F32 to BF16 under the default limit.
var Defaults = Options{DType: kv.BF16}

// limit returns how many bytes a cache read from n bytes of input may take.
func (o Options) limit(n int64) int64 {
	if o.MaxBytes > 0 {
		return o.MaxBytes
	}
	return max(64<<20, 64*n)
}

// Read reads the cache at path: a safetensors file, an .npz file, one .npy file of keys, or two
// .npy files "k.npy,v.npy". What a file is, its first bytes say, not its name. The tensor owns
// its memory; its Meta is nil where the file says nothing beside the numbers.
func Read(path string, o Options) (kv.Tensor, error) {
	if k, v, ok := pair(path); ok {
		return readPair(k, v, o)
	}
	f, size, err := open(path)
	if err != nil {
		return kv.Tensor{}, err
	}
	defer f.Close()
	t, err := readOne(f, size, o)
	if err != nil {
		return kv.Tensor{}, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Head is Read without the values: shape, type and Meta of the cache at path. The tensor's Bits
// are nil. It reads the file's header only and allocates as little.
func Head(path string, o Options) (kv.Tensor, error) {
	o.head = true
	return Read(path, o)
}

// pair splits "k.npy,v.npy". A file that itself has such a name is one file.
func pair(path string) (k, v string, ok bool) {
	k, v, ok = strings.Cut(path, ",")
	if !ok || k == "" || v == "" {
		return "", "", false
	}
	_, err := os.Stat(path)
	return k, v, err != nil
}

// open opens a regular file. Its error names the path.
func open(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		if pe, ok := err.(*os.PathError); ok {
			err = pe.Err
		}
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		err = errors.New("is a folder, want a file")
	}
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("is a pipe or device, want a file")
	}
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return f, st.Size(), nil
}

// readOne reads a cache from one file of any format.
func readOne(f io.ReaderAt, size int64, o Options) (kv.Tensor, error) {
	var magic [16]byte
	n, err := f.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		return kv.Tensor{}, err
	}
	switch head := string(magic[:n]); {
	case strings.HasPrefix(head, npyMagic):
		k, err := parseNpy(f, size, "k")
		if err != nil {
			return kv.Tensor{}, err
		}
		return assemble(k, nil, o.limit(size), o)
	case strings.HasPrefix(head, "PK"):
		return readNpz(f, size, o)
	case n > 8 && head[8] == '{':
		return readSafetensors(f, size, o)
	}
	return kv.Tensor{}, errors.New("is not a cache file: want safetensors, .npz or .npy")
}

func readPair(kPath, vPath string, o Options) (kv.Tensor, error) {
	var sides [2]*array
	var total int64
	for side, path := range []string{kPath, vPath} {
		f, size, err := open(path)
		if err != nil {
			return kv.Tensor{}, err
		}
		defer f.Close()
		if sides[side], err = parseNpy(f, size, path); err != nil {
			return kv.Tensor{}, fmt.Errorf("%s: %w", path, err)
		}
		total += size
	}
	return assemble(sides[kv.K], sides[kv.V], o.limit(total), o)
}

// A Format is a kind of cache file.
type Format uint8

// The formats that Write knows.
const (
	Safetensors Format = iota
	Npz
	NpyPair
)

// FormatOf returns the format in which Write writes path, by its extension: ".npz", a pair
// "k.npy,v.npy", and safetensors otherwise. One .npy alone is an error: it has room for keys
// only.
func FormatOf(path string) (Format, error) {
	k, v, isPair := strings.Cut(path, ",")
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case isPair && strings.HasSuffix(k, ".npy") && strings.HasSuffix(v, ".npy"):
		return NpyPair, nil
	case ext == ".npy":
		return 0, fmt.Errorf("%s: one .npy cannot hold keys and values: want k.npy,v.npy", path)
	case ext == ".npz":
		return Npz, nil
	}
	return Safetensors, nil
}

// Write writes t to path in the format that FormatOf gives. Only safetensors keeps t.Meta.
// BF16 goes into numpy files as float32, which holds it exactly.
func Write(path string, t kv.Tensor) error { return WriteKept(path, t, nil) }

// WriteKept is Write of a cache that lost tokens: safetensors name those that are left.
func WriteKept(path string, t kv.Tensor, kept *kv.Kept) error {
	return content{Tensor: t}.write(path, kept)
}

// WriteFloat32 is Write of values in 32 bits, as [layer][head][token][channel] per side; head has
// their shape and metadata.
func WriteFloat32(path string, head kv.Tensor, values [2][]float32) error {
	for _, side := range kv.Sides {
		if len(values[side]) != head.Elements(side) {
			return fmt.Errorf("%d values of side %v for shape %v: %w", len(values[side]), side, head.Shape,
				kv.ErrShape)
		}
	}
	return content{head, &values}.write(path, nil)
}

func (c content) write(path string, kept *kv.Kept) error {
	format, err := FormatOf(path)
	if err != nil {
		return err
	}
	switch format {
	case NpyPair:
		k, v, _ := strings.Cut(path, ",")
		err := outfile.Write(k, func(w io.Writer) error { return c.writeNpy(w, kv.K) })
		if err != nil {
			return err
		}
		return outfile.Write(v, func(w io.Writer) error { return c.writeNpy(w, kv.V) })
	case Npz:
		return outfile.Write(path, c.writeNpz)
	}
	return outfile.Write(path, func(w io.Writer) error { return c.writeSafetensors(w, kept) })
}
