package workloads

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kvgauge/internal/testenv"
)

func collect(t *testing.T, path string) ([]Document, error) {
	t.Helper()
	var docs []Document
	var last error
	for d, err := range fileDocuments(path) {
		if err != nil {
			last = err
			continue
		}
		docs = append(docs, d)
	}
	return docs, last
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The authors of WikiText-2 count 60 articles in its test split; two lines of a formula look
// like headings.
func TestWikiTextHasSixtyArticles(t *testing.T) {
	docs, err := collect(t, testenv.Shared(t, "data/prompts/wikitext2/wiki.test.raw.gz"))
	if err != nil || len(docs) != 60 {
		t.Fatalf("%d articles, %v, want 60", len(docs), err)
	}
	if docs[0].Name != "Robert Boulter" || docs[59].Name != "The Hustler ( film )" {
		t.Errorf("from %q to %q", docs[0].Name, docs[59].Name)
	}
	total := 0
	for _, d := range docs {
		if !strings.HasPrefix(d.Text, " = "+d.Name+" = \n") {
			t.Errorf("%q begins with %.40q", d.Name, d.Text)
		}
		total += len(d.Text)
	}
	// All but the blank line before the first heading belongs to some article.
	if want := 1290590 - len(" \n"); total != want {
		t.Errorf("articles have %d bytes, want %d", total, want)
	}
}

func TestRowsAreTakenFromTextQuestionOrPrompt(t *testing.T) {
	for rel, want := range map[string]struct {
		n     int
		first string
	}{
		"data/prompts/gsm8k/test.jsonl.gz":          {1319, "Janet"},
		"data/prompts/c4/c4_sample_200.jsonl.gz":    {200, ""},
		"data/prompts/humaneval/HumanEval.jsonl.gz": {164, "from typing"},
	} {
		docs, err := collect(t, testenv.Shared(t, rel))
		if err != nil || len(docs) != want.n || !strings.HasPrefix(docs[0].Text, want.first) {
			t.Errorf("%s: %d rows, %v, want %d that begin with %q", rel, len(docs), err, want.n, want.first)
		}
	}
}

func TestOneDocumentPerFormat(t *testing.T) {
	const articles = " \n = One = \n \n a\n = = Part = = \n b\n \n = Two = x = \n \n = not = \n c\n"
	for name, c := range map[string]struct {
		file, text string
		want       []Document
	}{
		"whole": {"a.txt", "one\n\ntwo", []Document{{"a", "one\n\ntwo"}}},
		"gzip":  {"a.txt.gz", gzipped(t, "one"), []Document{{"a", "one"}}},
		// The bytes decide, not the name.
		"unzipped": {"b.txt.gz", "one", []Document{{"b", "one"}}},
		"zipped":   {"b.txt", gzipped(t, "one"), []Document{{"b", "one"}}},
		"marked":   {"c.TXT", "\ufeffone", []Document{{"c", "one"}}},
		"rows": {"d.jsonl", "{\"prompt\":\"p\"}\r\n\n{\"question\":\"q\",\"prompt\":\"p\"}\n" +
			"{\"text\":\"t\",\"question\":3}", []Document{{"row 1", "p"}, {"row 3", "q"}, {"row 4", "t"}}},
		"articles": {"e.raw", articles, []Document{
			{"One", " = One = \n \n a\n = = Part = = \n b\n \n"},
			{"Two = x", " = Two = x = \n \n = not = \n c\n"}}},
		"heading at the end": {"f.tokens", " = A = \n \n = B = ", []Document{
			{"A", " = A = \n \n = B = "}}},
	} {
		got, err := collect(t, write(t, c.file, c.text))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestBadTextFilesGiveOneLineWithThePlace(t *testing.T) {
	bomb := gzipped(t, strings.Repeat("a", 65<<20))
	for name, c := range map[string]struct{ file, text, want string }{
		"kind":      {"a.csv", "x", "want a .txt, .jsonl, .raw or .tokens file"},
		"empty":     {"a.txt", "", "a.txt:1: is empty"},
		"binary":    {"a.txt", "one\n\xff\xfe", "a.txt:2: is not UTF-8"},
		"not json":  {"a.jsonl", "{\"text\":\"a\"}\nfoo\n", "a.jsonl:2: want a JSON object"},
		"array":     {"a.jsonl", "[1]", "a.jsonl:1: want a JSON object"},
		"no text":   {"a.jsonl", "{\"Text\":\"a\"}", `a.jsonl:1: row has none of "text"`},
		"number":    {"a.jsonl", "{\"text\":3}", `a.jsonl:1: "text" is not a string`},
		"null":      {"a.jsonl", "{\"prompt\":null}", `a.jsonl:1: "prompt" is not a string`},
		"no title":  {"a.raw", "text\n", "a.raw:2: has no article"},
		"long line": {"a.jsonl", strings.Repeat("a", maxLine+1), "a.jsonl:1: line is longer than"},
		"cut gzip":  {"a.txt", gzipped(t, "hello")[:12], "a.txt:1: unexpected EOF"},
		"bomb":      {"a.txt", bomb, "inflates to more than"},
	} {
		_, err := collect(t, write(t, c.file, c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", name, err, c.want)
		}
	}
	for _, path := range []string{t.TempDir() + ".txt", "/nonexistent/a.txt"} {
		if _, err := collect(t, path); err == nil {
			t.Errorf("%s can be read", path)
		}
	}
}

func TestReadingStopsWhenEnoughIsRead(t *testing.T) {
	for file, text := range map[string]string{
		"a.jsonl": "{\"text\":\"a\"}\nbroken\n",
		"a.raw":   " = A = \n \n a\n \n = B = \n \n b\n\xff",
	} {
		for d, err := range fileDocuments(write(t, file, text)) {
			if err != nil || d.Text == "" {
				t.Errorf("%s: %q, %v", file, d, err)
			}
			break
		}
	}
}

func FuzzDocuments(f *testing.F) {
	f.Add([]byte(" = A = \n \n b\n"), uint8(0))
	f.Add([]byte("{\"text\":\"a\"}\n"), uint8(1))
	f.Add([]byte("\x1f\x8b\x08\x00"), uint8(2))
	exts := []string{".raw", ".jsonl", ".txt"}
	f.Fuzz(func(t *testing.T, data []byte, kind uint8) {
		ext := exts[int(kind)%len(exts)]
		total := 0
		err := splitDocuments(bytes.NewReader(data), int64(len(data)), "f"+ext, splitters[ext],
			func(d Document) bool { total += len(d.Text); return true })
		if err != nil && (strings.Contains(err.Error(), "\n") ||
			!strings.HasPrefix(err.Error(), "f"+ext+":")) {
			t.Errorf("error %q", err)
		}
		if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) && total > len(data) {
			t.Errorf("%d bytes of text from %d bytes", total, len(data))
		}
	})
}
