package workloads

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/workloads/kvfile"
)

func drawn(t *testing.T, tokens int) kv.Tensor {
	t.Helper()
	x := kv.New(kv.Shape{Layers: 2, Heads: 2, Tokens: tokens, KeyDim: 8, ValueDim: 8}, kv.F16)
	if err := drawGaussian(t.Context(), &x, 3, 0); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestAFileIsASourceOfOneCache(t *testing.T) {
	x := drawn(t, 100)
	x.Meta = &kv.Meta{Model: "m"}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := kvfile.Write(path, x); err != nil {
		t.Fatal(err)
	}
	_, src, err := Open("file:path="+path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := Label{Kind: "file", Model: "m", Dataset: "x.safetensors", Tokens: 100, DType: kv.F16}
	if src.Label() != want || src.Len() != 1 {
		t.Errorf("%+v, %d samples", src.Label(), src.Len())
	}
	s, err := src.Sample(t.Context(), 0)
	if err != nil || !s.Cache.Equal(x) || s.Judge != nil {
		t.Errorf("%v, %v", s.Cache.Shape, err)
	}
	_, src, err = Open("file:path="+path, Options{Smoke: true})
	if err != nil {
		t.Fatal(err)
	}
	shape, _ := src.Shape(t.Context())
	s, err = src.Sample(t.Context(), 0)
	if err != nil || s.Cache.Tokens != SmokeTokens || shape != s.Cache.Shape || !s.Cache.Contiguous() ||
		!s.Cache.Equal(x.Slice(0, SmokeTokens)) {
		t.Errorf("smoke: %v, %v", s.Cache.Shape, err)
	}
}

func TestAPairOfFilesStandsInParentheses(t *testing.T) {
	dir, x := t.TempDir(), drawn(t, 5)
	pair := filepath.Join(dir, "k.npy") + "," + filepath.Join(dir, "v.npy")
	if err := kvfile.Write(pair, x); err != nil {
		t.Fatal(err)
	}
	spec, src, err := Open("file:path=("+pair+")", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := Open(string(spec), Options{}); err != nil || again != spec {
		t.Errorf("%q opens as %q, %v", spec, again, err)
	}
	s, err := src.Sample(t.Context(), 0)
	if err != nil || !s.Cache.Equal(x) || src.Label().Dataset != "k.npy,v.npy" {
		t.Errorf("%v, %v, %v", src.Label(), s.Cache.Shape, err)
	}
}

func TestBadFilesAreErrorsWhenOpened(t *testing.T) {
	junk := write(t, "junk.safetensors", "junk")
	for text, want := range map[string]string{
		"file":                   "want path=FILE",
		"file:path=/nonexistent": "no such file",
		"file:path=" + junk:      "is not a cache file",
		"file:dtype=f32":         "want bf16 or f16",
	} {
		if _, _, err := Open(text, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestAFileThatChangesIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npz")
	if err := kvfile.Write(path, drawn(t, 9)); err != nil {
		t.Fatal(err)
	}
	_, src, err := Open("file:path="+path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := kvfile.Write(path, drawn(t, 8)); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Sample(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "has become") {
		t.Errorf("error %v", err)
	}
}
