package workloads

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kvgauge/internal/store"
	"kvgauge/internal/testenv"
)

// words makes one token of each word.
func words(text string) ([]int32, error) {
	return make([]int32, len(strings.Fields(text))), nil
}

func TestTheFirstDocumentsThatAreLongEnoughAreTaken(t *testing.T) {
	path := write(t, "d.jsonl", `{"text":"a b c"}
{"text":"a"}
{"text":"a b c d"}
{"text":"a b c d e"}
`)
	got, err := takeDocuments(path, 2, 3, words)
	if err != nil || len(got) != 2 || got[0].Name != "row 1" || got[1].Name != "row 3" {
		t.Fatalf("%v, %v", got, err)
	}
	for _, d := range got {
		if len(d.Tokens) != 3 {
			t.Errorf("%s is cut to %d tokens, want 3", d.Name, len(d.Tokens))
		}
	}
	_, err = takeDocuments(path, 3, 4, words)
	want := "has 2 documents of at least 4 tokens, want 3 " +
		"(4 documents in all, the longest of 5 tokens)"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("too few: %v, want %q", err, want)
	}
}

func TestDocumentsOfEqualNameAreToldApart(t *testing.T) {
	path := write(t, "d.raw", " = A = \n \n x\n \n = A = \n \n y\n")
	got, err := takeDocuments(path, 2, 1, words)
	if err != nil || got[0].Name != "A" || got[1].Name != "A (2)" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestPassagesNeedNoFile(t *testing.T) {
	got, err := takeDocuments(Passages, 8, 300, words)
	if err != nil || len(got) != 8 || !strings.HasPrefix(got[0].Name, "01-") {
		t.Errorf("%d passages, %v", len(got), err)
	}
}

func TestADatasetThatWasPulledIsTakenByName(t *testing.T) {
	t.Setenv("KVGAUGE_CACHE", t.TempDir())
	e, err := store.Find(store.Dataset, "wikitext2")
	if err != nil {
		t.Fatal(err)
	}
	path, err := store.PathOf(e)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(testenv.Shared(t, "data/prompts/wikitext2/wiki.test.raw.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := takeDocuments("wikitext2", 8, 768, words)
	if err != nil || len(got) != 8 || got[0].Name != "Robert Boulter" {
		t.Errorf("%d articles, %v", len(got), err)
	}
}

func TestADatasetThatIsNotThereIsAnErrorThatSaysHowToGetIt(t *testing.T) {
	t.Setenv("KVGAUGE_CACHE", t.TempDir())
	for name, want := range map[string]string{
		"wikitext2": "kvgauge data pull wikitext2",
		"wikitext3": `did you mean "wikitext2"?`,
		"./a.txt":   "no such file",
	} {
		_, err := takeDocuments(name, 1, 1, words)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := takeDocuments("gsm8k", 1, 1, words); !errors.Is(err, store.ErrAbsent) {
		t.Errorf("%v does not wrap store.ErrAbsent", err)
	}
}
