// Package tokenize turns text into token ids and back: byte-level byte-pair encoding as GPT-2
// introduced it (Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units";
// Radford et al., "Language Models are Unsupervised Multitask Learners"), with the vocabulary and the
// splitting rules of a model's GGUF metadata or tokenizer.json.
package tokenize

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/text/unicode/norm"
)

// A Kind says how a token is found in text. The numbers are GGUF's token types.
type Kind uint8

// The kinds of token that differ in treatment.
const (
	Normal  Kind = 1 // made by merges
	Unknown Kind = 2 // stands for what has no token
	Control Kind = 3 // special: parsed only on request
	User    Kind = 4 // added: parsed always
	Unused  Kind = 5
	Byte    Kind = 6
)

// A Spec is all that defines a tokenizer.
type Spec struct {
	Tokens []string    // by id; normal tokens in GPT-2's printable alphabet, others literally
	Kinds  []Kind      // by id; nil means that all are Normal
	Merges [][2]string // in order of rank
	Pre    string      // name of the splitting rules, see Pre names in split.go

	AddPrefixSpace bool // a space is put before text that does not begin with one
	IgnoreMerges   bool // a piece that is itself a token is taken whole (Llama 3)
	NFC            bool // text is normalised first

	AddBOS   bool  // sequences begin with BOS
	BOS, EOS int32 // −1 where there is none
	Unknown  int32 // stands for a byte that has no token; −1: such a byte is left out
}

// A Tokenizer encodes and decodes. It is immutable and safe for concurrent use.
type Tokenizer struct {
	spec    Spec
	split   splitter
	ids     map[string]int32 // normal tokens, as raw bytes
	bytes   [256]int32       // id of each single byte
	merges  map[pair]merge
	text    []string // by id: the bytes that a token decodes to
	special specials
	scratch sync.Pool // of *encoder
}

type pair struct{ left, right int32 }

type merge struct{ rank, id int32 }

// New checks a spec and builds its tokenizer. It is an error if the splitting rules are not
// known, a merge names a token that does not exist, or no byte has a token.
func New(s Spec) (*Tokenizer, error) {
	if len(s.Tokens) == 0 || len(s.Tokens) > 1<<24 {
		return nil, fmt.Errorf("vocabulary of %d tokens, want 1 to %d", len(s.Tokens), 1<<24)
	}
	if s.Kinds != nil && len(s.Kinds) != len(s.Tokens) {
		return nil, fmt.Errorf("%d token types for %d tokens", len(s.Kinds), len(s.Tokens))
	}
	split, err := splitterOf(s.Pre)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{spec: s, split: split, ids: make(map[string]int32, len(s.Tokens))}
	t.scratch.New = func() any { return newEncoder(t) }
	t.readTokens()
	missing := 0
	for b := range 256 {
		id, ok := t.ids[string([]byte{byte(b)})]
		if !ok {
			id = s.Unknown
			missing++
		}
		t.bytes[b] = id
	}
	if missing == len(t.bytes) || int(s.Unknown) >= len(s.Tokens) {
		return nil, errors.New("no byte has a token: this is no byte-level vocabulary")
	}
	return t, t.readMerges()
}

func (t *Tokenizer) readTokens() {
	t.text = make([]string, len(t.spec.Tokens))
	for id, tok := range t.spec.Tokens {
		kind := Normal
		if t.spec.Kinds != nil {
			kind = t.spec.Kinds[id]
		}
		if kind == Control || kind == User || kind == Unknown {
			t.text[id] = tok
			if tok != "" {
				t.special.add(tok, int32(id), kind == User)
			}
			continue
		}
		raw, ok := fromAlphabet(tok)
		if !ok {
			t.text[id] = tok // not byte-level: it can be decoded, and text never becomes it
			continue
		}
		t.text[id] = raw
		if _, twice := t.ids[raw]; !twice && raw != "" {
			t.ids[raw] = int32(id)
		}
	}
	t.special.finish()
}

func (t *Tokenizer) readMerges() error {
	t.merges = make(map[pair]merge, len(t.spec.Merges))
	find := func(s string) (int32, bool) {
		raw, ok := fromAlphabet(s)
		if !ok {
			return 0, false
		}
		id, ok := t.ids[raw]
		return id, ok
	}
	for rank, m := range t.spec.Merges {
		left, ok1 := find(m[0])
		right, ok2 := find(m[1])
		id, ok3 := find(m[0] + m[1])
		if !ok1 || !ok2 || !ok3 {
			return fmt.Errorf("merge %d (%q, %q): parts and result must be tokens", rank, m[0], m[1])
		}
		if _, twice := t.merges[pair{left, right}]; !twice {
			t.merges[pair{left, right}] = merge{int32(rank), id}
		}
	}
	return nil
}

// Vocab returns how many tokens there are.
func (t *Tokenizer) Vocab() int { return len(t.text) }

// BOS returns the token that begins a sequence, −1 if there is none, and whether the model
// wants sequences to begin with it.
func (t *Tokenizer) BOS() (id int32, add bool) { return t.spec.BOS, t.spec.AddBOS && t.spec.BOS >= 0 }

// EOS returns the token that ends a sequence, −1 if there is none.
func (t *Tokenizer) EOS() int32 { return t.spec.EOS }

// Pre returns the name of the rules by which text is split before merging.
func (t *Tokenizer) Pre() string { return t.spec.Pre }

// Encode returns the tokens of text. Tokens that users added are always found in it; control
// tokens such as <|im_start|> are only with parseSpecial, and are plain text without. BOS is never
// added. Some vocabularies lack tokens for a few bytes that text does not have, such as control
// characters; as in the reference implementations these are left out if there is no unknown token.
func (t *Tokenizer) Encode(text string, parseSpecial bool) []int32 {
	e := t.scratch.Get().(*encoder)
	defer t.scratch.Put(e)
	// Most text has more than three bytes to a token.
	out := make([]int32, 0, len(text)/3+4)
	for len(text) > 0 {
		at, length, id := t.special.next(text, parseSpecial)
		if at > 0 {
			out = t.encodePlain(e, out, text[:at])
		}
		if length == 0 {
			break
		}
		out = append(out, id)
		text = text[at+length:]
	}
	return out
}

func (t *Tokenizer) encodePlain(e *encoder, out []int32, text string) []int32 {
	if t.spec.NFC {
		text = norm.NFC.String(text)
	}
	if t.spec.AddPrefixSpace && text[0] != ' ' {
		text = " " + text
	}
	t.split(text, func(piece string) { out = e.piece(out, piece) })
	return out
}

// Decode returns the bytes of the tokens. What a single token holds need not be valid UTF-8. Ids
// outside the vocabulary give an error.
func (t *Tokenizer) Decode(ids []int32) ([]byte, error) {
	var out []byte
	for i, id := range ids {
		if id < 0 || int(id) >= len(t.text) {
			return nil, fmt.Errorf("token %d is %d, the vocabulary has %d", i, id, len(t.text))
		}
		out = append(out, t.text[id]...)
	}
	return out, nil
}

// ParseMerge splits a merge that is written as two parts with a space between.
func ParseMerge(s string) ([2]string, error) {
	left, right, ok := strings.Cut(s, " ")
	if !ok || left == "" || right == "" {
		return [2]string{}, errors.New("want two parts with a space between")
	}
	return [2]string{left, right}, nil
}
