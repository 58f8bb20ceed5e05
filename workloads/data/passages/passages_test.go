package passages

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// A prefix of 512 tokens and a continuation of 256 need 768. SmolLM2's vocabulary, the largest in
// use, spends as little as 1.14 tokens on a word of these texts, which asks for 674 words.
const minWords, maxWords = 680, 900

var wantRegisters = map[string]int{
	"narrative": 8, "dialogue": 5, "exposition": 7, "code": 5, "list": 3, "table": 4,
}

func TestPassagesComeInFileOrderWithConsecutiveNumbers(t *testing.T) {
	for i, p := range All() {
		if want := fmt.Sprintf("%02d-%s-", i+1, p.Register); !strings.HasPrefix(p.Name, want) {
			t.Errorf("passage %d is named %s, want the prefix %s", i, p.Name, want)
		}
	}
}

func TestEveryRegisterHasItsShare(t *testing.T) {
	got, total := map[string]int{}, 0
	for _, p := range All() {
		got[p.Register]++
		total++
	}
	for register, want := range wantRegisters {
		if got[register] != want {
			t.Errorf("register %s: got %d passages, want %d", register, got[register], want)
		}
		total -= want
	}
	if total != 0 {
		t.Errorf("got %d passages more than the registers add up to: %v", total, got)
	}
}

func TestEveryPassageIsLongEnoughForPrefixAndContinuation(t *testing.T) {
	for _, p := range All() {
		if n := len(strings.Fields(p.Text)); n < minWords || n > maxWords {
			t.Errorf("%s: %d words, want %d to %d", p.Name, n, minWords, maxWords)
		}
	}
}

func TestEveryPassageIsCleanText(t *testing.T) {
	for _, p := range All() {
		if problem := unclean(p.Text); problem != "" {
			t.Errorf("%s: %s", p.Name, problem)
		}
	}
}

// unclean names the first thing that would make a file differ between checkouts or tokenizers.
func unclean(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "not valid UTF-8"
	case strings.ContainsRune(text, '\r'):
		return "a carriage return, want LF only"
	case strings.ContainsRune(text, '\ufeff'):
		return "a byte order mark"
	case strings.TrimSpace(text)+"\n" != text:
		return "want no blank at the start and exactly one newline at the end"
	}
	for i, line := range strings.Split(text, "\n") {
		if strings.TrimRight(line, " \t") != line {
			return fmt.Sprintf("line %d ends in a blank", i+1)
		}
	}
	return ""
}

func TestUncleanSeesEachFault(t *testing.T) {
	for _, bad := range []string{"a\xff\n", "a\r\n", "\ufeffa\n", "a", "a\n\n", " a\n", "a \nb\n"} {
		if unclean(bad) == "" {
			t.Errorf("unclean(%q) found nothing", bad)
		}
	}
}

func TestNoTwelveWordsOccurTwice(t *testing.T) {
	const run = 12
	seen := map[string]string{}
	for _, p := range All() {
		words := strings.Fields(strings.ToLower(p.Text))
		for i := 0; i+run <= len(words); i++ {
			key := strings.Join(words[i:i+run], " ")
			if first, dup := seen[key]; dup {
				t.Errorf("%s repeats %s: %q", p.Name, first, key)
			}
			seen[key] = p.Name
		}
	}
}

func TestReadmeListsEveryFileWithItsWords(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, p := range All() {
		words := len(strings.Fields(p.Text))
		sum += words
		row := fmt.Sprintf("| `%s.txt` | %s | %d |\n", p.Name, p.Register, words)
		if !strings.Contains(string(readme), row) {
			t.Errorf("README.md lacks the row %q", row)
		}
	}
	if row := fmt.Sprintf("| total | | %d |\n", sum); !strings.Contains(string(readme), row) {
		t.Errorf("README.md lacks the row %q", row)
	}
}
