package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kvgauge/compressors/kv"
	"kvgauge/workloads/kvfile"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"kvgauge":   func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"makecache": makeCache,
	})
}

// TestScripts runs every testdata/script/*.txtar: the command line as users see it. In a script,
// "exits N kvgauge …" checks an exact exit status, and "makecache FILE" writes a small cache.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(e *testscript.Env) error {
			e.Setenv("KVGAUGE_CACHE", filepath.Join(e.WorkDir, "cache"))
			return nil
		},
	})
}

// exits runs a command that must end with the given status: exits 2 kvgauge codec.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = exitCode(err)
	}
	if code != args[0] {
		ts.Fatalf("exit status %s, want %s", code, args[0])
	}
}

// makeCache writes a cache of two layers, two heads, five tokens and four channels, in BF16; with
// the word nan after the file's name, one of its values is none.
func makeCache() {
	t := kv.New(kv.Shape{Layers: 2, Heads: 2, Tokens: 5, KeyDim: 4, ValueDim: 4}, kv.BF16)
	for _, side := range kv.Sides {
		for i := range t.Bits[side] {
			t.Bits[side][i] = kv.BF16.Bits(float32(i%13) - 6.25 + float32(side))
		}
	}
	if len(os.Args) > 2 && os.Args[2] == "nan" {
		t.Bits[kv.V][7] = 0x7fc0
	}
	t.Meta = &kv.Meta{Model: "made", Rope: &kv.Rope{Theta: 1e4, Dim: 4, Applied: true}}
	if err := kvfile.Write(os.Args[1], t); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// exitCode returns the status with which a command ended.
func exitCode(err error) string {
	var e *exec.ExitError
	if !errors.As(err, &e) {
		return err.Error()
	}
	return strconv.Itoa(e.ExitCode())
}
