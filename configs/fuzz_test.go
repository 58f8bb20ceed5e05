package configs

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// located matches an error of Read: every line has the file and a line, or blames a --set.
var located = regexp.MustCompile(`^((x\.yaml:[1-9][0-9]*|--set .*): |and \d+ more mistakes$)`)

// check reads text, which must give a sweep that is in bounds or errors that say where.
func check(t *testing.T, text []byte) {
	t.Helper()
	s, err := Read("x.yaml", text)
	if err == nil {
		if len(s.Caches) == 0 || len(s.Codecs) == 0 || len(s.Caches) > maxEntries ||
			len(s.Codecs) > maxEntries || !goodName.MatchString(s.Name) {
			t.Fatalf("%q reads as %+v", text, s)
		}
		return
	}
	var es Errors
	if !errors.As(err, &es) {
		t.Fatalf("%T: %v", err, err)
	}
	for _, e := range es {
		if strings.Contains(e.Error(), "\n") || !located.MatchString(e.Error()) {
			t.Fatalf("%q\ngives an error without its place: %v", text, e)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	for _, name := range Names() {
		text, _ := Text(name)
		f.Add(text)
	}
	f.Add([]byte("caches: &a [x]\ncodecs: *a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) < 1<<14 {
			check(t, text)
		}
	})
}

// fragments are spliced into a good file: what people and attackers write by mistake.
var fragments = []string{
	"010", "1_000", "0x1f", "*a", "&a ", "<<: *a", "---\n", "...\n", "{", "}", "[", "]", ": ", "- ", "? ",
	"!!binary ", "!x ", "|\n", ">\n", "\t", "\n", "  ", "#", "'", "\"", "~", "null", ".nan", ".inf", "-", "%YAML 1.1\n",
	"\xff", "\x00", "\u2028", "\ufeff", "é", "18446744073709551616", "-1", "1e999", "true", "a: b", "()", "(((", ",=:",
	"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "{a: {b: {c: d}}}", "[1, 2, 3, 4, 5, 6, 7, 8, 9]",
}

func TestMutatedFilesGiveErrorsWithTheirPlaceOrSweeps(t *testing.T) {
	n := 40000
	if testing.Short() {
		n = 4000
	}
	seeds := [][]byte{[]byte(good)}
	for _, name := range Names() {
		text, _ := Text(name)
		seeds = append(seeds, text)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	for range n {
		check(t, mutate(rng, seeds[rng.IntN(len(seeds))]))
	}
	runtime.ReadMemStats(&after)
	perFile := (after.TotalAlloc - before.TotalAlloc) / uint64(n)
	if perFile > 1<<20 {
		t.Errorf("a mutated file of 1 kB costs %d bytes on average", perFile)
	}
	if took := time.Since(start); took > time.Duration(n)*10*time.Millisecond {
		t.Errorf("%d files took %v", n, took)
	}
}

func mutate(rng *rand.Rand, seed []byte) []byte {
	text := append([]byte(nil), seed...)
	for range 1 + rng.IntN(4) {
		at := rng.IntN(len(text) + 1)
		end := min(len(text), at+1+rng.IntN(20))
		switch rng.IntN(6) {
		case 0: // cut a run
			text = append(text[:at], text[end:]...)
		case 1: // change a byte
			if at < len(text) {
				text[at] ^= 1 << rng.IntN(8)
			}
		case 2: // cut short
			if at > len(text)/2 {
				text = text[:at]
			}
		case 3: // double a run
			text = append(text[:end:end], append(append([]byte(nil), text[at:end]...), text[end:]...)...)
		default: // splice a fragment
			f := fragments[rng.IntN(len(fragments))]
			text = append(text[:at:at], append([]byte(f), text[at:]...)...)
		}
	}
	return text
}

func TestManyAliasesAndDeepNestingStayCheap(t *testing.T) {
	const head = "caches: a\ncodecs: b\nmodels: "
	for name, text := range map[string]string{
		"flat list":   head + "[" + strings.Repeat("1,", 200000) + "1]",
		"flat map":    head + "{" + strings.Repeat("a: 1,", 100000) + "a: 1}",
		"deep flow":   head + strings.Repeat("{a: ", 100000),
		"deep block":  head + "\n" + strings.Repeat(" - ", 3000) + "a",
		"many anchor": head + "[" + strings.Repeat("&a 1,", 100000) + "*a]",
		"long key":    strings.Repeat("a", 500000) + ": 1\n",
		"long scalar": "name: " + strings.Repeat("a", 900000),
		"quotes":      "name: \"" + strings.Repeat("\\\"", 400000),
		"questions":   strings.Repeat("? ", 9000),
		"colons":      strings.Repeat("a: ", 100000),
		"brackets":    strings.Repeat("[", 1<<19),
	} {
		start := time.Now()
		check(t, []byte(text))
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}
