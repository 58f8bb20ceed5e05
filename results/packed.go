package results

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// PackedFile is the name of a run's file that gzip has packed. It is read as RunFile is, and not
// appended to: a run that is to be continued has to be unpacked first.
const PackedFile = RunFile + ".gz"

// What a packed file may unpack to: 64 times its size, or 64 MiB if that is more.
const (
	mostUnpacked  = 64
	leastUnpacked = 64 << 20
)

func isPacked(path string) bool { return strings.HasSuffix(path, ".gz") }

// runFile returns the file of a run: path, or if that is a folder, its run.jsonl or run.jsonl.gz.
func runFile(path string) (string, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path, nil // opening it says what is wrong
	}
	plain, packed := filepath.Join(path, RunFile), filepath.Join(path, PackedFile)
	_, err := os.Stat(packed)
	if err != nil {
		return plain, nil
	}
	if _, err = os.Stat(plain); err == nil {
		return "", fmt.Errorf("%s holds both %s and %s: remove one", path, RunFile, PackedFile)
	}
	return packed, nil
}

// readPacked reads a run that gzip packed into size bytes.
func readPacked(name string, r io.Reader, size int64) (*File, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("%s:1: no gzip file: %w", name, err)
	}
	most := max(leastUnpacked, mostUnpacked*size)
	return Read(name, &unpacker{r: z, most: most, left: most})
}

// An unpacker reads no more than most bytes, and says that errors are of unpacking.
type unpacker struct {
	r          io.Reader
	most, left int64
}

func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.r.Read(p[:min(int64(len(p)), u.left+1)])
	if u.left -= int64(n); u.left < 0 {
		return 0, fmt.Errorf("more than %d bytes when unpacked: gunzip it first if that is meant", u.most)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("the gzip file is damaged or cut short: %w", err)
	}
	return n, err
}
