package tokenize

import "sort"

// specials finds tokens that are taken literally from text. The longest that matches at the
// first place where one does is taken.
type specials struct {
	byFirst [256][]special // longest first
	any     bool
}

type special struct {
	text   string
	id     int32
	always bool // found even when control tokens are plain text
}

func (s *specials) add(text string, id int32, always bool) {
	s.byFirst[text[0]] = append(s.byFirst[text[0]], special{text, id, always})
	s.any = true
}

func (s *specials) finish() {
	for _, list := range s.byFirst {
		sort.SliceStable(list, func(i, j int) bool { return len(list[i].text) > len(list[j].text) })
	}
}

// next returns where in text the next special token begins, its length and id. Without one, at
// is len(text) and length 0.
func (s *specials) next(text string, parseSpecial bool) (at, length int, id int32) {
	if !s.any {
		return len(text), 0, 0
	}
	for i := range len(text) {
		for _, c := range s.byFirst[text[i]] {
			if (c.always || parseSpecial) && len(text)-i >= len(c.text) && text[i:i+len(c.text)] == c.text {
				return i, len(c.text), c.id
			}
		}
	}
	return len(text), 0, 0
}
