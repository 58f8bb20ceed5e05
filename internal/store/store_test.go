package store

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"kvgauge/internal/testenv"
)

func TestTheCatalogueRefusesWhatCouldNotBeChecked(t *testing.T) {
	const ok = `{"kind": "dataset", "name": "x", "doc": "d", "licence": "MIT",
		"url": "https://example.org/x", "bytes": 3, "file": "x.txt",
		"sha256": "0123456789012345678901234567890123456789012345678901234567890123"}`
	if _, err := parseCatalogue([]byte("[" + ok + "]")); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"bytes": 3`, `"bytes": 0`}, {`"sha256": "0`, `"sha256": "`}, {`"MIT"`, `""`},
		{`"dataset"`, `"data"`}, {`"x.txt"`, `"../x"`}, {`"url":`, `"unpack": "rot13", "url":`},
		{`"doc"`, `"dok"`}, {`"https://example.org/x"`, `""`}, {`"bytes": 3`, `"bytes": 3.5`},
	} {
		text := "[" + strings.Replace(ok, change[0], change[1], 1) + "]"
		if _, err := parseCatalogue([]byte(text)); err == nil {
			t.Errorf("%s passes", change[1])
		}
	}
	if _, err := parseCatalogue([]byte("[" + ok + "," + ok + "]")); err == nil {
		t.Error("two of one name pass")
	}
}

func TestPathSaysWhatIsAbsentAndHowToGetIt(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("KVGAUGE_CACHE", dir)
	_, err := Path(Dataset, "wikitext2")
	if !errors.Is(err, ErrAbsent) || !strings.HasSuffix(err.Error(), "run kvgauge data pull wikitext2") {
		t.Errorf("absent: %v", err)
	}
	_, err = Path(Model, "smollm3")
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), `did you mean "smollm2"?`) {
		t.Errorf("misspelt: %v", err)
	}
	path := filepath.Join(dir, "datasets", "wiki.test.raw")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = Path(Dataset, "wikitext2"); err == nil || !strings.Contains(err.Error(), "has 4 bytes, want 1290590") {
		t.Errorf("half a file: %v", err)
	}
	if err := os.Truncate(path, 1290590); err != nil {
		t.Fatal(err)
	}
	if got, err := Path(Dataset, "wikitext2"); err != nil || got != path {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestDigestsAreThoseOfTheFilesThemselves compares the catalogue with copies of the files.
func TestDigestsAreThoseOfTheFilesThemselves(t *testing.T) {
	for name, rel := range map[string]string{
		"wikitext2": "wikitext2/wiki.test.raw", "gsm8k": "gsm8k/test.jsonl",
		"humaneval": "humaneval/HumanEval.jsonl", "mt-bench": "mt_bench/question.jsonl",
		"c4": "c4/c4_sample_200.jsonl", "c4-prefixes": "c4/c4_prefix_completion.jsonl",
		"greek-philosophers": "longtext/pg57126.txt", "tinyshakespeare": "longtext/tinyshakespeare.txt",
	} {
		f, err := os.Open(testenv.Shared(t, "data/prompts/"+rel+".gz"))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		e, err := Find(Dataset, name)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(text)) != e.Size() || sum(text) != e.Digest() {
			t.Errorf("%s: file of %d bytes, %s; catalogue has %d, %s", name,
				len(text), sum(text), e.Size(), e.Digest())
		}
		if name == "wikitext2" {
			checkRows(t, e, text)
		}
	}
}

// checkRows makes of the text the rows that the address serves, compares their digest, and turns
// them into the text again.
func checkRows(t *testing.T, e Entry, text []byte) {
	var rows bytes.Buffer
	for line := range strings.Lines(string(text)) {
		if line == " \n" {
			line = ""
		}
		rows.WriteString(`{"text":"`)
		for _, r := range line {
			rows.WriteString(escape(r))
		}
		rows.WriteString("\"}\n")
	}
	served := rows.Bytes()
	if int64(len(served)) != e.Bytes {
		served = bytes.TrimSuffix(served, []byte("\n"))
	}
	if int64(len(served)) != e.Bytes || sum(served) != e.SHA256 {
		t.Fatalf("rows of %d bytes, %s; catalogue has %d, %s", len(served), sum(served), e.Bytes, e.SHA256)
	}
	var again bytes.Buffer
	if err := textRows(&again, bytes.NewReader(served)); err != nil || !bytes.Equal(again.Bytes(), text) {
		t.Errorf("the rows become %d bytes, want %d: %v", again.Len(), len(text), err)
	}
}

// escape spells a rune as the served rows do: ASCII only, slashes escaped.
func escape(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case strings.ContainsRune(`"\/`, r):
		return `\` + string(r)
	case r < 0x80:
		return string(r)
	}
	out := ""
	for _, u := range utf16.Encode([]rune{r}) {
		out += fmt.Sprintf(`\u%04x`, u)
	}
	return out
}
