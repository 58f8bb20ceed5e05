package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a test that only notes whether it was failed.
type recorder struct {
	testing.TB
	failed string
}

func (r *recorder) Helper()                      {}
func (r *recorder) Name() string                 { return "TestX/sub" }
func (r *recorder) Logf(string, ...any)          {}
func (r *recorder) Errorf(f string, args ...any) { r.failed = f }

func TestCheckFailsOnADifferenceAndAcceptsItWithUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "x.txt")
	r := &recorder{TB: t}
	if Check(r, path, []byte("a\n")); r.failed == "" {
		t.Error("a missing file passes")
	}
	*update = true
	Check(r, path, []byte("a\n"))
	*update = false
	r.failed = ""
	if Check(r, path, []byte("a\n")); r.failed != "" {
		t.Error("the accepted text fails")
	}
	if Check(r, path, []byte("b\n")); r.failed == "" {
		t.Error("another text passes")
	}
}

func TestBlockReplacesOnlyItsPart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.md")
	before := "top\n<!-- generated: a -->\nold\n<!-- end generated: a -->\nbottom\n"
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	*update = true
	Block(t, path, "a", "new\n")
	*update = false
	got, _ := os.ReadFile(path)
	if want := strings.Replace(before, "old", "new", 1); string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDiffShowsOnlyWhatDiffers(t *testing.T) {
	got := Diff("a\nb\nc\n", "a\nx\nc\n")
	if got != "from line 2:\n- b\n+ x\n" {
		t.Errorf("got %q", got)
	}
}
