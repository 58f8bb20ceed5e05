package registry

import (
	"errors"
	"fmt"
	"strings"
)

// maxSpec bounds the text of a spec, so that hostile input stays cheap.
const maxSpec = 4096

type arg struct{ name, value string }

// parse splits "name:a=1,b=(x:y=2)" into its name and arguments.
func parse(text string) (string, []arg, error) {
	if len(text) > maxSpec {
		return "", nil, fmt.Errorf("longer than %d bytes", maxSpec)
	}
	name, rest, has := strings.Cut(strings.TrimSpace(text), ":")
	if name == "" {
		return "", nil, errors.New("want name or name:param=value, got no name")
	}
	if !has {
		return name, nil, nil
	}
	fields, err := Split(rest, ',')
	if err != nil {
		return "", nil, err
	}
	var args []arg
	for _, field := range fields {
		key, value, ok := strings.Cut(field, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || value == "" {
			return "", nil, fmt.Errorf("want param=value, got %q", field)
		}
		args = append(args, arg{key, unparen(value)})
	}
	return name, args, nil
}

func unparen(s string) string {
	if len(s) >= 2 && s[0] == '(' && s[len(s)-1] == ')' {
		return s[1 : len(s)-1]
	}
	return s
}

// Split cuts text at every sep that stands outside parentheses. It is an error when parentheses
// do not match.
func Split(text string, sep byte) ([]string, error) {
	var out []string
	depth, start := 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return nil, fmt.Errorf("a ')' without its '(' in %q", text)
			}
		case c == sep && depth == 0:
			out = append(out, text[start:i])
			start = i + 1
		}
	}
	if depth != 0 {
		return nil, fmt.Errorf("a '(' without its ')' in %q", text)
	}
	return append(out, text[start:]), nil
}

// Nearest returns the name that is fewest edits away from word, or "" if none is close enough
// to be what was meant.
func Nearest(word string, names []string) string {
	best, bestDist := "", len(word)/2+1
	if len(word) > 64 {
		return ""
	}
	for _, name := range names {
		if d := editDistance(word, name); d < bestDist {
			best, bestDist = name, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diag, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diag+cost)
		}
	}
	return row[len(b)]
}
