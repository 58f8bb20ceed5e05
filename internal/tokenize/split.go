package tokenize

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A splitter cuts text into the pieces that are merged each on its own; their concatenation is
// the text. The published rules are regular expressions with look-ahead, which Go's package does
// not have, so they are written out as scanners.
type splitter func(text string, emit func(piece string))

// rules are the parameters in which the published expressions differ.
type rules struct {
	foldCase    bool // 'S and 'LL are contractions too
	lettersTake bool // any character but a letter, digit or line break may precede letters
	maxDigits   int  // digits per piece; 0: any number, with an optional space before
	linesTrail  bool // line breaks follow punctuation, and end runs of white space
	digitsApart bool // every digit is cut out before the rest is split
}

// preNames are the names that GGUF files and this package use for the rules.
var preNames = map[string]rules{
	"gpt-2":     {},
	"smollm":    {digitsApart: true},
	"llama-bpe": {foldCase: true, lettersTake: true, maxDigits: 3, linesTrail: true},
	"qwen2":     {foldCase: true, lettersTake: true, maxDigits: 1, linesTrail: true},
}

// preAliases are other names for the same rules. A file that names none is read as GPT-2.
var preAliases = map[string]string{
	"": "gpt-2", "default": "gpt-2", "gpt2": "gpt-2", "mpt": "gpt-2", "olmo": "gpt-2",
	"phi-2": "gpt-2", "starcoder": "smollm", "refact": "smollm", "command-r": "smollm",
	"llama3": "llama-bpe", "llama-v3": "llama-bpe", "deepseek-r1-qwen": "qwen2",
}

func splitterOf(name string) (splitter, error) {
	if alias, ok := preAliases[name]; ok {
		name = alias
	}
	r, ok := preNames[name]
	if !ok {
		known := make([]string, 0, len(preNames))
		for n := range preNames {
			known = append(known, n)
		}
		sort.Strings(known)
		return nil, fmt.Errorf("pre-tokenizer %q is not supported, want one of %s",
			name, strings.Join(known, ", "))
	}
	if r.digitsApart {
		return r.splitDigits, nil
	}
	return r.splitText, nil
}

// splitDigits cuts out every digit (any \p{N}) and splits what lies between.
func (r rules) splitDigits(text string, emit func(string)) {
	from := 0
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRuneInString(text[i:])
		if isDigit(c) {
			r.splitText(text[from:i], emit)
			emit(text[i : i+n])
			from = i + n
		}
		i += n
	}
	r.splitText(text[from:], emit)
}

func (r rules) splitText(text string, emit func(string)) {
	for len(text) > 0 {
		n := r.first(text)
		emit(text[:n])
		text = text[n:]
	}
}

// first returns the length of the first piece; each method below is one alternative of the
// expressions, in their order, and returns 0 where it does not match.
func (r rules) first(s string) int {
	if n := r.contraction(s); n > 0 {
		return n
	}
	if n := r.letters(s); n > 0 {
		return n
	}
	if n := r.digits(s); n > 0 {
		return n
	}
	if n := r.symbols(s); n > 0 {
		return n
	}
	return r.spaces(s)
}

// contraction: 's|'t|'re|'ve|'m|'ll|'d
func (r rules) contraction(s string) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	fold := func(b byte) byte {
		if r.foldCase && 'A' <= b && b <= 'Z' {
			return b + 'a' - 'A'
		}
		return b
	}
	switch fold(s[1]) {
	case 's', 't', 'm', 'd':
		return 2
	}
	if r.foldCase && strings.HasPrefix(s[1:], "ſ") { // U+017F folds to s
		return 1 + len("ſ")
	}
	if len(s) < 3 {
		return 0
	}
	switch string([]byte{fold(s[1]), fold(s[2])}) {
	case "re", "ve", "ll":
		return 3
	}
	return 0
}

// letters: ` ?\p{L}+`, or `[^\r\n\p{L}\p{N}]?\p{L}+`
func (r rules) letters(s string) int {
	c, n := utf8.DecodeRuneInString(s)
	lead := 0
	if !isLetter(c) {
		if r.lettersTake {
			if c == '\r' || c == '\n' || isDigit(c) {
				return 0
			}
		} else if c != ' ' {
			return 0
		}
		lead = n
	}
	if k := runOf(s[lead:], isLetter); k > 0 {
		return lead + k
	}
	return 0
}

// digits: ` ?\p{N}+`, or `\p{N}{1,k}`
func (r rules) digits(s string) int {
	if r.maxDigits == 0 {
		return r.afterSpace(s, isDigit)
	}
	at := 0
	for range r.maxDigits {
		c, n := utf8.DecodeRuneInString(s[at:])
		if n == 0 || !isDigit(c) {
			break
		}
		at += n
	}
	return at
}

// symbols: ` ?[^\s\p{L}\p{N}]+`, with `[\r\n]*` after it where line breaks trail
func (r rules) symbols(s string) int {
	n := r.afterSpace(s, func(c rune) bool { return !isSpace(c) && !isLetter(c) && !isDigit(c) })
	if n > 0 && r.linesTrail {
		for n < len(s) && (s[n] == '\r' || s[n] == '\n') {
			n++
		}
	}
	return n
}

// spaces: `\s*[\r\n]+` where line breaks trail, else `\s+(?!\S)|\s+`: a run of white space
// leaves its last character to the text that follows.
func (r rules) spaces(s string) int {
	run, last, lines := 0, 0, 0
	for run < len(s) {
		c, n := utf8.DecodeRuneInString(s[run:])
		if !isSpace(c) {
			break
		}
		run, last = run+n, n
		if c == '\r' || c == '\n' {
			lines = run
		}
	}
	if r.linesTrail && lines > 0 {
		return lines
	}
	if run < len(s) && run > last {
		return run - last
	}
	return run
}

// afterSpace matches an optional space and then one or more characters of a class.
func (r rules) afterSpace(s string, class func(rune) bool) int {
	lead := 0
	if s[0] == ' ' {
		lead = 1
	}
	if n := runOf(s[lead:], class); n > 0 {
		return lead + n
	}
	return 0
}

func runOf(s string, class func(rune) bool) int {
	at := 0
	for at < len(s) {
		c, n := utf8.DecodeRuneInString(s[at:])
		if !class(c) {
			break
		}
		at += n
	}
	return at
}

func isLetter(c rune) bool {
	if c < 0x80 {
		return 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	return unicode.IsLetter(c)
}

func isDigit(c rune) bool {
	if c < 0x80 {
		return '0' <= c && c <= '9'
	}
	return unicode.Is(unicode.N, c)
}

func isSpace(c rune) bool {
	if c < 0x80 {
		return c == ' ' || '\t' <= c && c <= '\r'
	}
	return unicode.Is(unicode.White_Space, c)
}
