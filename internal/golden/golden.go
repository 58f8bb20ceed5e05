// Package golden compares what a test computed with what is committed, and accepts the new text
// when the test runs with -update:
//
//	go test ./compressors -run Golden -update
package golden

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "accept what the tests compute as the new golden files")

// Updating says whether golden files are being rewritten.
func Updating() bool { return *update }

// Check fails t, with a diff, unless the file at path holds got. With -update it writes the file
// instead.
func Check(t testing.TB, path string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err == nil && bytes.Equal(want, got) {
		return
	}
	if *update {
		write(t, path, got)
		return
	}
	t.Errorf("%s is not what this test computes (- committed, + computed):\n%s"+
		"if the change is meant: go test -run '^%s$' -update", path,
		Diff(string(want), string(got)), strings.SplitN(t.Name(), "/", 2)[0])
}

// Block is Check for the part of a document between the lines
//
//	<!-- generated: NAME -->
//	<!-- end generated: NAME -->
func Block(t testing.TB, path, name, got string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- generated: "+name+" -->\n", "<!-- end generated: "+name+" -->\n"
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s: no lines %q and %q", path, begin, end)
	}
	Check(t, path, []byte(head+begin+strings.TrimRight(got, "\n")+"\n"+end+tail))
}

func write(t testing.TB, path string, got []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, got, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("wrote %s", path)
}

// maxDiff bounds the lines of a printed diff.
const maxDiff = 40

// Diff returns the lines in which two texts differ, marked - and +, after dropping the lines
// that they share at the beginning and the end.
func Diff(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	first := 0
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b, first = a[1:], b[1:], first+1
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	var out strings.Builder
	fmt.Fprintf(&out, "from line %d:\n", first+1)
	side(&out, "- ", a)
	side(&out, "+ ", b)
	return out.String()
}

func side(out *strings.Builder, mark string, lines []string) {
	for i, line := range lines {
		if i == maxDiff {
			fmt.Fprintf(out, "%s… and %d more lines\n", mark, len(lines)-i)
			return
		}
		fmt.Fprintf(out, "%s%s\n", mark, line)
	}
}
