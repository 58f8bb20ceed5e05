package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kvgauge/compressors/kv"
	"kvgauge/internal/testenv"
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
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "smollm2":
				return required(exists(smolLM2(t)), "SmolLM2 is not in the model cache")
			case "shared":
				return required(exists(filepath.Join(testenv.Root(t), "..", "shared")),
					"no shared data beside the repository")
			}
			return false, fmt.Errorf("no condition %q", cond)
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("KVGAUGE_CACHE", filepath.Join(e.WorkDir, "cache"))
			root := testenv.Root(t)
			e.Setenv("REPO", root)
			e.Setenv("SHARED", filepath.Join(root, "..", "shared"))
			e.Setenv("SMOLLM2", smolLM2(t))
			return nil
		},
	})
}

func smolLM2(t *testing.T) string {
	return filepath.Join(testenv.CacheDir(t), "models", "smollm2-135m-instruct-q4_1.gguf")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// required turns the lack of data into an error where the environment requires it.
func required(there bool, what string) (bool, error) {
	if !there && os.Getenv(testenv.RequireEnv) == "1" {
		return false, errors.New(what)
	}
	return there, nil
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
// the word nan after the file's name, one of its values is none; with large, it has 70 tokens and 64
// channels.
func makeCache() {
	word := ""
	if len(os.Args) > 2 {
		word = os.Args[2]
	}
	shape := kv.Shape{Layers: 2, Heads: 2, Tokens: 5, KeyDim: 4, ValueDim: 4}
	if word == "large" {
		shape = kv.Shape{Layers: 2, Heads: 2, Tokens: 70, KeyDim: 64, ValueDim: 64}
	}
	t := kv.New(shape, kv.BF16)
	for _, side := range kv.Sides {
		for i := range t.Bits[side] {
			t.Bits[side][i] = kv.BF16.Bits(float32(i%13) - 6.25 + float32(side))
		}
	}
	if word == "nan" {
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
