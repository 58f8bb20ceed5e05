package tokenize

import "unicode/utf8"

// GPT-2 writes each byte as a printable character, so that a vocabulary is a text file: bytes
// that Latin-1 prints stand for themselves, the other 68 for U+0100 and up, in order.
var (
	byteToRune [256]rune
	runeToByte [324]int16 // −1 where no byte is written so
)

func init() {
	for i := range runeToByte {
		runeToByte[i] = -1
	}
	next := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if b < '!' || b > '~' && b < 0xa1 || b == 0xad {
			r = next
			next++
		}
		byteToRune[b] = r
		runeToByte[r] = int16(b)
	}
}

// fromAlphabet returns the bytes that s stands for, and false if a character of s stands for none.
func fromAlphabet(s string) (string, bool) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if int(r) >= len(runeToByte) || runeToByte[r] < 0 {
			return "", false
		}
		out = append(out, byte(runeToByte[r]))
		i += n
	}
	return string(out), true
}
