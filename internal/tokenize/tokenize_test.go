package tokenize

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// toy returns a spec whose tokens are the 256 bytes in order, then one for each merge, then
// <|go|> (control) and <user> (added).
func toy(pre string, merges ...string) Spec {
	s := Spec{Pre: pre, BOS: -1, EOS: -1, Unknown: -1}
	for b := range 256 {
		s.Tokens = append(s.Tokens, string(byteToRune[b]))
	}
	for _, line := range merges {
		m, err := ParseMerge(line)
		if err != nil {
			panic(err)
		}
		s.Merges = append(s.Merges, m)
		s.Tokens = append(s.Tokens, m[0]+m[1])
	}
	for range s.Tokens {
		s.Kinds = append(s.Kinds, Normal)
	}
	s.Tokens = append(s.Tokens, "<|go|>", "<user>")
	s.Kinds = append(s.Kinds, Control, User)
	return s
}

func mustNew(t testing.TB, s Spec) *Tokenizer {
	t.Helper()
	tok, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestSplitters(t *testing.T) {
	for _, c := range []struct{ pre, text, want string }{
		{"gpt-2", "Hello, world's  end", "Hello|,| world|'s| | end"},
		{"gpt-2", "In 1987 x12", "In| 1987| x|12"},
		{"gpt-2", "THEY'RE don't", "THEY|'|RE| don|'t"},
		{"gpt-2", "a\n\n b\t", "a|\n\n| b|\t"},
		{"gpt-2", "  ", "  "},
		{"smollm", "In 1987, x", "In| |1|9|8|7|,| x"},
		{"smollm", "  two", " | two"},
		{"llama-bpe", "THEY'RE 12345", "THEY|'RE| |123|45"},
		{"llama-bpe", "a,b\tc (d);\n\n e \n  f", "a|,b|\tc| (|d|);\n\n| e| \n| | f"},
		{"qwen2", "x 123", "x| |1|2|3"},
		{"qwen2", "a　b¼", "a|　b|¼"},
	} {
		split, err := splitterOf(c.pre)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		split(c.text, func(p string) { got = append(got, p) })
		if want := strings.Split(c.want, "|"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q is split as %q, want %q", c.pre, c.text, got, want)
		}
	}
}

func TestMergesTakeLowestRankFirst(t *testing.T) {
	tok := mustNew(t, toy("gpt-2", "b c", "a b", "ab c"))
	// "bc" ranks before "ab", so "abc" is a + bc, and "ab" + c is never seen.
	if got := tok.Encode("abc ab", false); !reflect.DeepEqual(got, []int32{'a', 256, 32, 257}) {
		t.Errorf("got %v", got)
	}
}

func TestSpecialTokens(t *testing.T) {
	tok := mustNew(t, toy("gpt-2"))
	goID := int32(256)
	if got := tok.Encode("a<|go|>b<user>", true); !reflect.DeepEqual(got, []int32{'a', goID, 'b', goID + 1}) {
		t.Errorf("with special tokens: %v", got)
	}
	want := append([]int32{'a', '<', '|', 'g', 'o', '|', '>', 'b'}, goID+1)
	if got := tok.Encode("a<|go|>b<user>", false); !reflect.DeepEqual(got, want) {
		t.Errorf("without: %v, want %v", got, want)
	}
}

func TestBytesWithoutATokenBecomeTheUnknown(t *testing.T) {
	s := toy("gpt-2")
	s.Tokens[7] = "zz"
	s.Unknown = 256
	if got := mustNew(t, s).Encode("a\ab", false); !reflect.DeepEqual(got, []int32{'a', 256, 'b'}) {
		t.Errorf("got %v", got)
	}
	s.Unknown = -1
	long := strings.Repeat("a\a", 40)
	if got := mustNew(t, s).Encode(long, false); len(got) != 40 || got[0] != 'a' {
		t.Errorf("without an unknown token: got %v", got)
	}
}

func TestHeapMergesAsScanDoes(t *testing.T) {
	tok := mustNew(t, toy("gpt-2", "a a", "aa a", "a b", "aa aa", "b a", "ab ab", "aa b", "aab a"))
	e := newEncoder(tok)
	for n := range 1 << 12 {
		var word []byte
		for bit := range 12 {
			word = append(word, 'a'+byte(n>>bit&1))
		}
		e.ids = e.ids[:0]
		for _, b := range word {
			e.ids = append(e.ids, tok.bytes[b])
		}
		start := append([]int32(nil), e.ids...)
		e.scan()
		want := append([]int32(nil), e.ids...)
		e.ids = append(e.ids[:0], start...)
		e.merge()
		if !reflect.DeepEqual(e.ids, want) {
			t.Fatalf("%s: heap gives %v, scan %v", word, e.ids, want)
		}
	}
}

func TestLongWordsAreNotQuadratic(t *testing.T) {
	tok := mustNew(t, toy("gpt-2", "a a", "aa aa", "aaaa aaaa"))
	start := time.Now()
	n := len(tok.Encode(strings.Repeat("a", 1<<20), false))
	if n != 1<<17 {
		t.Errorf("%d tokens, want %d", n, 1<<17)
	}
	// The quadratic form takes minutes; n log n a fraction of a second.
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("a word of 1 MiB took %v", d)
	}
}

func TestSpecsThatAreRefused(t *testing.T) {
	none := Spec{Tokens: []string{"<s>", "日"}, Unknown: -1}
	unknown := toy("gpt-2")
	unknown.Merges = [][2]string{{"q", "q"}}
	kinds := toy("gpt-2")
	kinds.Kinds = kinds.Kinds[1:]
	for want, s := range map[string]Spec{
		"no byte has a token":    none,
		"parts and result":       unknown,
		"token types":            kinds,
		`"klingon" is not`:       toy("klingon"),
		"vocabulary of 0 tokens": {},
	} {
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// document writes a tokenizer.json around a toy vocabulary.
func toyJSON(t testing.TB, pre string, merges any) []byte {
	t.Helper()
	vocab := map[string]int{}
	for b := range 256 {
		vocab[string(byteToRune[b])] = b
	}
	vocab["ab"] = 256
	raw, err := json.Marshal(map[string]any{
		"model": map[string]any{"type": "BPE", "vocab": vocab, "merges": merges},
		"added_tokens": []map[string]any{
			{"id": 257, "content": "<|go|>", "special": true}, {"id": 258, "content": "<user>"},
		},
		"pre_tokenizer": json.RawMessage(pre),
		"post_processor": map[string]any{"type": "TemplateProcessing",
			"single": []any{map[string]any{"SpecialToken": map[string]any{"id": "<|go|>", "type_id": 0}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

const (
	plainPre  = `{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}`
	smolPre   = `{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},` + plainPre + `]}`
	splitPre  = `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":%q},"behavior":"Isolated"},{"type":"ByteLevel","use_regex":false}]}`
	spacedPre = `{"type":"ByteLevel","add_prefix_space":true}`
)

func TestTokenizerJSON(t *testing.T) {
	qwen := fmt.Sprintf(strings.ReplaceAll(splitPre, "%q", "%s"), mustJSON(headRegex+`\p{N}`+tailRegex))
	llama := fmt.Sprintf(strings.ReplaceAll(splitPre, "%q", "%s"), mustJSON(headRegex+`\p{N}{1,3}`+tailRegex))
	for _, c := range []struct{ pre, name string }{
		{plainPre, "gpt-2"}, {smolPre, "smollm"}, {qwen, "qwen2"}, {llama, "llama-bpe"}, {spacedPre, "gpt-2"},
	} {
		for _, merges := range []any{[]string{"a b"}, [][]string{{"a", "b"}}} {
			tok, err := ParseJSON(toyJSON(t, c.pre, merges))
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if tok.Pre() != c.name {
				t.Errorf("rules are %s, want %s", tok.Pre(), c.name)
			}
			want := []int32{256, 257}
			if c.pre == spacedPre {
				want = []int32{' ', 256, 257}
			}
			if got := tok.Encode("ab<|go|>", true); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %v, want %v", c.name, got, want)
			}
			if bos, add := tok.BOS(); bos != 257 || !add {
				t.Errorf("BOS is %d, %v", bos, add)
			}
		}
	}
}

func mustJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestTokenizerJSONRefusesByName(t *testing.T) {
	for want, raw := range map[string]string{
		"BPE":             `{"model":{"type":"Unigram"}}`,
		"byte_fallback":   `{"model":{"type":"BPE","byte_fallback":true}}`,
		"lstrip":          `{"model":{"type":"BPE"},"added_tokens":[{"content":"x","lstrip":true}]}`,
		"is negative":     `{"model":{"type":"BPE","vocab":{"a":-1}}}`,
		"token id":        `{"model":{"type":"BPE","vocab":{"a":99999999999}}}`,
		"\"Lowercase\"":   `{"model":{"type":"BPE"},"normalizer":{"type":"Lowercase"}}`,
		"pre_tokenizer":   `{"model":{"type":"BPE"}}`,
		"Metaspace":       `{"model":{"type":"BPE"},"pre_tokenizer":{"type":"Metaspace"}}`,
		"merge 0":         `{"model":{"type":"BPE","merges":["ab"]}}`,
		"tokenizer.json:": `{`,
	} {
		if _, err := ParseJSON([]byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", raw, err, want)
		}
	}
}

func FuzzTokenizerJSON(f *testing.F) {
	f.Add(toyJSON(f, smolPre, []string{"a b"}))
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"a":0}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tok, err := ParseJSON(raw)
		if err != nil {
			return
		}
		tok.Encode("x "+string(raw[:min(len(raw), 64)]), true)
	})
}

func FuzzRoundTrip(f *testing.F) {
	var toks []*Tokenizer
	for name := range preNames {
		toks = append(toks, mustNew(f, toy(name, "a b", "Ġ a", "Ġa b")))
	}
	f.Add("Hello <|go|> ab\r\n  12 é\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range toks {
			back, err := tok.Decode(tok.Encode(text, utf8.ValidString(text)))
			if err != nil || string(back) != text {
				t.Fatalf("%s: %q came back as %q, %v", tok.Pre(), text, back, err)
			}
		}
	})
}
