package outfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestAFailedWriteLeavesWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := Bytes(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := Write(path, func(w io.Writer) error {
		w.Write([]byte("half"))
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("file holds %q", got)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are left, want 1", len(left))
	}
}

func TestPiecesMayBeWrittenInAnyOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	err := WriteAt(path, func(w io.WriterAt) error {
		_, err := w.WriteAt([]byte("world"), 6)
		if err == nil {
			_, err = w.WriteAt([]byte("hello "), 0)
		}
		return err
	})
	if got, _ := os.ReadFile(path); err != nil || string(got) != "hello world" {
		t.Errorf("file holds %q, %v", got, err)
	}
}

func TestADeviceIsWrittenThroughAndStaysADevice(t *testing.T) {
	if _, err := os.Stat(os.DevNull); err != nil {
		t.Skip("no null device")
	}
	if err := Bytes(os.DevNull, []byte("gone")); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(os.DevNull); err != nil || st.Mode().IsRegular() {
		t.Errorf("the null device became %v, %v", st.Mode(), err)
	}
}

func TestErrorsNameThePathThatWasAskedFor(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "no", "x"): filepath.Join(dir, "no", "x") + ": cannot be written: no such file or directory",
		dir:                           dir + ": is a folder, want a file",
	} {
		if err := Bytes(path, nil); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
