// Package testenv finds what tests read from outside the repository: the shared data
// directory beside it and the SmolLM2 weights in the model cache. A test that lacks them is
// skipped, unless KVGAUGE_REQUIRE_DATA=1 says that they must be there.
package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// RequireEnv is the variable that turns a skip for want of data into a failure.
const RequireEnv = "KVGAUGE_REQUIRE_DATA"

// Root returns the repository's root: the nearest folder upwards that holds go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = up
	}
}

// Shared returns the path of rel inside the shared directory that lies beside the repository.
func Shared(t testing.TB, rel string) string {
	t.Helper()
	path := filepath.Join(Root(t), "..", "shared", filepath.FromSlash(rel))
	if _, err := os.Stat(path); err != nil {
		missing(t, "shared data "+rel+" is not beside the repository")
	}
	return path
}

// CacheDir is the folder where models and datasets are kept: $KVGAUGE_CACHE, else the user's
// cache directory + "kvgauge".
func CacheDir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("KVGAUGE_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "kvgauge")
}

// SmolLM2 returns the path of SmolLM2-135M-Instruct's GGUF in the model cache.
func SmolLM2(t testing.TB) string {
	t.Helper()
	path := filepath.Join(CacheDir(t), "models", "smollm2-135m-instruct-q4_1.gguf")
	if _, err := os.Stat(path); err != nil {
		missing(t, "SmolLM2 is not in the model cache ("+path+"); scripts/fetch-smollm2 puts it there")
	}
	return path
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(RequireEnv) == "1" {
		t.Fatalf("%s, and %s=1 requires it", what, RequireEnv)
	}
	t.Skip(what)
}
