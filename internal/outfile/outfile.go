// Package outfile writes files that are either whole or not there.
package outfile

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Write creates the file at path with what fill writes. The bytes go to a temporary file beside
// it that takes its name once they are all there, so that a reader never sees half of them and
// an error leaves what was there before. A path that is no regular file (a pipe, a device) is
// written as it is.
func Write(path string, fill func(io.Writer) error) error {
	return create(path, func(f *os.File) error {
		w := bufio.NewWriterSize(f, 1<<16)
		if err := fill(w); err != nil {
			return err
		}
		return w.Flush()
	})
}

// WriteAt is Write for a fill that writes at offsets, in any order and from several goroutines.
func WriteAt(path string, fill func(io.WriterAt) error) error {
	return create(path, func(f *os.File) error { return fill(f) })
}

func create(path string, fill func(*os.File) error) error {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return writeThrough(path, st, fill)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("%s: cannot be written: %w", path, reason(err))
	}
	err = fillAndClose(tmp, fill)
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("%s: %w", path, reason(err))
	}
	return nil
}

// Bytes is Write of bytes that are at hand.
func Bytes(path string, b []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

func writeThrough(path string, st os.FileInfo, fill func(*os.File) error) error {
	if st.IsDir() {
		return fmt.Errorf("%s: is a folder, want a file", path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		err = fillAndClose(f, fill)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, reason(err))
	}
	return nil
}

func fillAndClose(f *os.File, fill func(*os.File) error) error {
	err := fill(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// reason strips the path of the temporary file, which the user never named.
func reason(err error) error {
	switch e := err.(type) {
	case *os.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	}
	return err
}
