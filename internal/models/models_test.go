package models

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kvgauge/internal/store"
	"kvgauge/internal/weights"
	"kvgauge/workloads/data/tiny"
)

func TestTinyOpensWithoutAFile(t *testing.T) {
	t.Setenv("KVGAUGE_CACHE", t.TempDir())
	m, err := Open("tiny", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Config.Layers == 0 || m.Config.HeadDim != 64 {
		t.Errorf("config %+v", m.Config)
	}
}

func TestAPathIsAPathAndANameIsAName(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("KVGAUGE_CACHE", dir)
	t.Chdir(dir)
	for name, want := range map[string]string{"a/b": "a/b", "x.gguf": "x.gguf", "./tiny": "./tiny"} {
		if got, err := Path(name); got != want || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if err := os.Mkdir("somefolder", 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := Path("somefolder"); got != "somefolder" || err != nil {
		t.Errorf("a folder without a dot: %q, %v", got, err)
	}
	if _, err := Path("smollm2"); !errors.Is(err, store.ErrAbsent) {
		t.Errorf("a known name that is absent: %v", err)
	}
	if _, err := Path("tinny"); !errors.Is(err, store.ErrUnknown) ||
		!strings.Contains(err.Error(), `did you mean "tiny"?`) {
		t.Errorf("a misspelt name: %v", err)
	}
}

func TestAFileOpensByPath(t *testing.T) {
	r, size := tiny.GGUF()
	b := make([]byte, size)
	if _, err := r.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.gguf")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Path() != path {
		t.Errorf("opened as %s", m.Path())
	}
}
