package results

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// packed returns text as gzip packs it.
func packed(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAPackedRunIsReadAndNotAppendedTo(t *testing.T) {
	dir := writeRun(t, cell("a"), cell("b"))
	plainPath, packedPath := filepath.Join(dir, RunFile), filepath.Join(dir, PackedFile)
	want, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(plainPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(packedPath, packed(t, text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "both run.jsonl and run.jsonl.gz") {
		t.Errorf("a run that is there twice: %v", err)
	}
	if err := os.Remove(plainPath); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, packedPath} {
		got, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want.Records, got.Records, sameNumbers); d != "" || got.Torn || got.Path != packedPath {
			t.Errorf("%s: torn %v %s", got.Path, got.Torn, d)
		}
	}
	if _, _, err := Resume(dir); err == nil || !strings.Contains(err.Error(), "run.jsonl.gz: nothing can be appended") {
		t.Errorf("a packed run is resumed: %v", err)
	}
	if _, err := Create(dir, Header{}); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "gunzip") {
		t.Errorf("another run in its folder: %v", err)
	}
	if _, err := os.Stat(plainPath); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is there (%v)", plainPath, err)
	}
}

func TestBadPackedFilesAreErrorsWithFileAndLine(t *testing.T) {
	const head = `{"schema":1,"config":null}` + "\n"
	good := packed(t, []byte(head+`{"type":"codec","cell":[{"axis":"a","value":"b"}]}`+"\n"))
	damaged := bytes.Clone(good)
	damaged[len(damaged)-6]++ // the checksum
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":       {nil, "r:1: no gzip file: EOF"},
		"not packed":  {[]byte(head), "r:1: no gzip file: "},
		"damaged":     {damaged, "r:3: the gzip file is damaged or cut short: gzip: invalid checksum"},
		"cut short":   {good[:len(good)-9], "the gzip file is damaged or cut short: unexpected EOF"},
		"and more":    {append(bytes.Clone(good), "more"...), "the gzip file is damaged or cut short: "},
		"bad inside":  {packed(t, []byte(head+"{}\n")), "r:2: a record without type"},
		"bomb":        {packed(t, bytes.Repeat([]byte("\n"), leastUnpacked+1)), "r:1: not the header"},
		"long line":   {packed(t, bytes.Repeat([]byte(" "), leastUnpacked+1)), "r:1: "},
		"big at last": {packed(t, append([]byte(head), bytes.Repeat([]byte(" "), leastUnpacked)...)), "r:2: "},
	} {
		_, err := readPacked("r", bytes.NewReader(c.text), int64(len(c.text)))
		if err == nil || !strings.HasPrefix(err.Error(), "r:") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s gives %v, want %q", name, err, c.want)
		}
	}
	u := &unpacker{r: strings.NewReader("abcdef"), most: 5, left: 5}
	if _, err := io.ReadAll(u); err == nil || !strings.Contains(err.Error(), "more than 5 bytes when unpacked") {
		t.Errorf("six bytes of five: %v", err)
	}
	u = &unpacker{r: strings.NewReader("abcdef"), most: 6, left: 6}
	if text, err := io.ReadAll(u); err != nil || string(text) != "abcdef" {
		t.Errorf("six bytes of six: %q, %v", text, err)
	}
}

// FuzzReadPacked reads what claims to be a packed run, and what a good gzip file may hold.
func FuzzReadPacked(f *testing.F) {
	text := []byte(`{"schema":1,"config":{}}` + "\n" + `{"type":"codec","cell":[{"axis":"a","value":"b"}]}` + "\n")
	f.Add(text)
	f.Add(packed(f, text))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := readPacked("r", bytes.NewReader(text), int64(len(text))); err != nil &&
			!strings.HasPrefix(err.Error(), "r:") {
			t.Fatalf("%v does not name the file", err)
		}
		want, wrong := Read("r", bytes.NewReader(text))
		got, err := readPacked("r", bytes.NewReader(packed(t, text)), int64(len(text)))
		if (err == nil) != (wrong == nil) {
			t.Fatalf("packed: %v; as it is: %v", err, wrong)
		}
		if err == nil && (len(got.Records) != len(want.Records) || got.Torn != want.Torn) {
			t.Fatalf("%d records packed, %d as they are", len(got.Records), len(want.Records))
		}
	})
}
