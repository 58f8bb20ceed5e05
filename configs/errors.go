package configs

import (
	"fmt"
	"sort"
	"strings"
)

// An Error is one mistake in a config, and where it stands.
type Error struct {
	File string
	Line int    // 0 if it stands nowhere in the file
	Path string // "codecs[2]", or ""
	Msg  string // what was wanted
	from string // the --set text at fault, instead of file and line
}

// Error returns "configs/x.yaml:12: codecs[2]: what was wanted".
func (e Error) Error() string {
	var b strings.Builder
	switch {
	case e.from != "":
		b.WriteString("--set " + e.from)
	case e.Line > 0:
		fmt.Fprintf(&b, "%s:%d", e.File, e.Line)
	default:
		b.WriteString(e.File)
	}
	if e.Path != "" {
		b.WriteString(": " + e.Path)
	}
	return b.String() + ": " + e.Msg
}

// Errors are all the mistakes that could be seen at once, in the order of the file.
type Errors []Error

// maxErrors bounds what is printed; a file with more has one cause for most of them.
const maxErrors = 25

// Error returns one line for each mistake.
func (es Errors) Error() string {
	var lines []string
	for i, e := range es {
		if i == maxErrors {
			lines = append(lines, fmt.Sprintf("and %d more mistakes", len(es)-maxErrors))
			break
		}
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "\n")
}

// Err returns es in the order of their lines, or nil if there are none.
func (es Errors) Err() error {
	if len(es) == 0 {
		return nil
	}
	sort.SliceStable(es, func(i, j int) bool { return es[i].Line < es[j].Line })
	return es
}

// Mistake returns an Error at an entry of the sweep, for those who resolve its spec.
func (s *Sweep) Mistake(e Entry, format string, args ...any) Error {
	return Error{File: s.File, Line: e.Line, Path: e.Path, from: e.from,
		Msg: fmt.Sprintf(format, args...)}
}
