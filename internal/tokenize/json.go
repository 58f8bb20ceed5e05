package tokenize

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
)

// document is the part of a tokenizer.json that is read.
type document struct {
	Model struct {
		Type         string           `json:"type"`
		Vocab        map[string]int64 `json:"vocab"`
		Merges       json.RawMessage  `json:"merges"`
		IgnoreMerges bool             `json:"ignore_merges"`
		ByteFallback bool             `json:"byte_fallback"`
		Dropout      *float64         `json:"dropout"`
		EndOfWord    string           `json:"end_of_word_suffix"`
		SubwordMark  string           `json:"continuing_subword_prefix"`
		Unknown      *string          `json:"unk_token"`
	} `json:"model"`
	Added []struct {
		ID         int64  `json:"id"`
		Content    string `json:"content"`
		Special    bool   `json:"special"`
		SingleWord bool   `json:"single_word"`
		LStrip     bool   `json:"lstrip"`
		RStrip     bool   `json:"rstrip"`
	} `json:"added_tokens"`
	Normalizer    *step `json:"normalizer"`
	PreTokenizer  *step `json:"pre_tokenizer"`
	PostProcessor *step `json:"post_processor"`
}

// step is a stage of the pipeline: a normaliser, pre-tokenizer or post-processor.
type step struct {
	Type           string `json:"type"`
	PreTokenizers  []step `json:"pretokenizers"`
	Normalizers    []step `json:"normalizers"`
	Processors     []step `json:"processors"`
	AddPrefixSpace bool   `json:"add_prefix_space"`
	UseRegex       *bool  `json:"use_regex"`
	Individual     bool   `json:"individual_digits"`
	Behavior       string `json:"behavior"`
	Invert         bool   `json:"invert"`
	Pattern        struct {
		Regex  string `json:"Regex"`
		String string `json:"String"`
	} `json:"pattern"`
	Single []struct {
		SpecialToken *struct {
			ID string `json:"id"`
		} `json:"SpecialToken"`
	} `json:"single"`
}

// The expressions that the pre-tokenizers of published models hold, and whose rules they are.
const (
	gpt2Regex = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	headRegex = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`
	tailRegex = `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

var regexNames = map[string]string{
	gpt2Regex:                            "gpt-2",
	headRegex + `\p{N}{1,3}` + tailRegex: "llama-bpe",
	headRegex + `\p{N}` + tailRegex:      "qwen2",
}

// ParseJSON reads Hugging Face's tokenizer.json, of type BPE with byte-level pieces. What it does
// not support it refuses by name. Added tokens that are special are Control, others are User.
func ParseJSON(raw []byte) (*Tokenizer, error) {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	s, err := d.spec()
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	t, err := New(s)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	return t, nil
}

func (d *document) spec() (Spec, error) {
	s := Spec{BOS: -1, EOS: -1, Unknown: -1, IgnoreMerges: d.Model.IgnoreMerges}
	if err := d.refuse(); err != nil {
		return s, err
	}
	if err := d.vocabulary(&s); err != nil {
		return s, err
	}
	if d.Model.Unknown != nil {
		s.Unknown = int32(slices.Index(s.Tokens, *d.Model.Unknown))
	}
	var err error
	if s.Merges, err = parseMerges(d.Model.Merges); err != nil {
		return s, err
	}
	if err := d.Normalizer.normalise(&s); err != nil {
		return s, err
	}
	if err := d.PreTokenizer.pre(&s); err != nil {
		return s, err
	}
	d.PostProcessor.bos(&s)
	return s, nil
}

func (d *document) refuse() error {
	m := &d.Model
	switch {
	case m.Type != "BPE":
		return fmt.Errorf("model type %q is not supported, want BPE", m.Type)
	case m.ByteFallback:
		return errors.New("byte_fallback is not supported")
	case m.Dropout != nil && *m.Dropout != 0:
		return errors.New("dropout is not supported")
	case m.EndOfWord != "" || m.SubwordMark != "":
		return errors.New("subword prefixes and suffixes are not supported")
	}
	for _, a := range d.Added {
		if a.SingleWord || a.LStrip || a.RStrip {
			return fmt.Errorf("added token %q: single_word, lstrip and rstrip are not supported", a.Content)
		}
	}
	return nil
}

// vocabulary puts tokens in the order of their ids, which need not be without gaps: a gap is an
// unused token.
func (d *document) vocabulary(s *Spec) error {
	top := int64(-1)
	// Sorted, so that of two mistakes the same is reported every time.
	words := make([]string, 0, len(d.Model.Vocab))
	for w, id := range d.Model.Vocab {
		words = append(words, w)
		top = max(top, id)
	}
	sort.Strings(words)
	for _, a := range d.Added {
		top = max(top, a.ID)
	}
	if top >= int64(16*(len(words)+len(d.Added))+1024) {
		return fmt.Errorf("token id %d in a vocabulary of %d", top, len(words)+len(d.Added))
	}
	s.Tokens = make([]string, top+1)
	s.Kinds = make([]Kind, top+1)
	for i := range s.Kinds {
		s.Kinds[i] = Unused
	}
	for _, w := range words {
		id := d.Model.Vocab[w]
		if id < 0 || s.Kinds[id] != Unused {
			return fmt.Errorf("token %q: id %d is negative or taken", w, id)
		}
		s.Tokens[id], s.Kinds[id] = w, Normal
	}
	for _, a := range d.Added {
		if a.ID < 0 || s.Kinds[a.ID] != Unused && s.Tokens[a.ID] != a.Content {
			return fmt.Errorf("added token %q: id %d is negative or taken", a.Content, a.ID)
		}
		s.Tokens[a.ID], s.Kinds[a.ID] = a.Content, User
		if a.Special {
			s.Kinds[a.ID] = Control
		}
	}
	return nil
}

// parseMerges reads both forms: "a b", and ["a", "b"].
func parseMerges(raw json.RawMessage) ([][2]string, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var lines []string
	if json.Unmarshal(raw, &lines) == nil {
		out := make([][2]string, len(lines))
		for i, line := range lines {
			m, err := ParseMerge(line)
			if err != nil {
				return nil, fmt.Errorf("merge %d: %w", i, err)
			}
			out[i] = m
		}
		return out, nil
	}
	var pairs [][]string
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return nil, fmt.Errorf("merges: %w", err)
	}
	out := make([][2]string, len(pairs))
	for i, p := range pairs {
		if len(p) != 2 {
			return nil, fmt.Errorf("merge %d has %d parts, want 2", i, len(p))
		}
		out[i] = [2]string{p[0], p[1]}
	}
	return out, nil
}

func (p *step) normalise(s *Spec) error {
	if p == nil {
		return nil
	}
	switch p.Type {
	case "NFC":
		s.NFC = true
		return nil
	case "Sequence":
		for i := range p.Normalizers {
			if err := p.Normalizers[i].normalise(s); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("normalizer %q is not supported", p.Type)
}

// pre recognises the stages of the supported pre-tokenizers: digits apart, one known expression,
// and the byte-level stage, which itself splits as GPT-2 does unless use_regex is false.
func (p *step) pre(s *Spec) error {
	if p == nil {
		return errors.New("pre_tokenizer is absent, want ByteLevel")
	}
	stages := []step{*p}
	if p.Type == "Sequence" {
		stages = p.PreTokenizers
	}
	digits, byteLevel, name := false, false, ""
	for _, st := range stages {
		switch {
		case byteLevel:
			return errors.New("pre_tokenizer: nothing is supported after ByteLevel")
		case st.Type == "Digits" && st.Individual && name == "":
			digits = true
		case st.Type == "Split":
			n, err := st.expression()
			if err != nil || name != "" {
				return fmt.Errorf("pre_tokenizer Split: pattern %q is not supported here", st.Pattern.Regex)
			}
			if n == "digits" {
				digits = true
			} else {
				name = n
			}
		case st.Type == "ByteLevel":
			byteLevel = true
			s.AddPrefixSpace = st.AddPrefixSpace
			if st.UseRegex == nil || *st.UseRegex {
				if name != "" && name != "gpt-2" {
					return errors.New("pre_tokenizer: Split before ByteLevel with use_regex is not supported")
				}
				name = "gpt-2"
			}
		default:
			return fmt.Errorf("pre_tokenizer %q is not supported here", st.Type)
		}
	}
	return finishPre(s, digits, byteLevel, name)
}

func finishPre(s *Spec, digits, byteLevel bool, name string) error {
	switch {
	case !byteLevel || name == "":
		return errors.New("pre_tokenizer: want a ByteLevel stage and an expression to split by")
	case digits && name == "gpt-2":
		s.Pre = "smollm"
	case digits && name != "qwen2": // which cuts digits one by one anyway
		return fmt.Errorf("pre_tokenizer: Digits before %s is not supported", name)
	default:
		s.Pre = name
	}
	return nil
}

func (p *step) expression() (string, error) {
	if p.Invert || p.Behavior != "Isolated" {
		return "", errors.New("behavior")
	}
	if p.Pattern.Regex == `\p{N}` {
		return "digits", nil
	}
	if name, ok := regexNames[p.Pattern.Regex]; ok {
		return name, nil
	}
	return "", errors.New("pattern")
}

// bos takes the token that the post-processor's template puts first as the beginning of a
// sequence.
func (p *step) bos(s *Spec) {
	if p == nil {
		return
	}
	for i := range p.Processors {
		p.Processors[i].bos(s)
	}
	if p.Type != "TemplateProcessing" || len(p.Single) == 0 || p.Single[0].SpecialToken == nil {
		return
	}
	for id, tok := range s.Tokens {
		if tok == p.Single[0].SpecialToken.ID && s.Kinds[id] == Control {
			s.BOS, s.AddBOS = int32(id), true
		}
	}
}
