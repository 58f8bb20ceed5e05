package workloads

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// A Document is one text of a dataset: an article, a row, a file.
type Document struct {
	Name string // title, row or file name: unique within well-made datasets
	Text string // UTF-8
}

// maxLine bounds a row of JSONL, so that a file without line ends stays cheap.
const maxLine = 16 << 20

// A splitter yields the documents of a text file of one format, in order, until yield wants no
// more. Its error names the line.
type splitter func(lines *lineReader, name string, yield func(Document) bool) error

// splitters by file extension. A .raw or .tokens file is WikiText as its authors publish it.
var splitters = map[string]splitter{
	".txt": splitWhole, ".jsonl": splitRows, ".raw": splitArticles, ".tokens": splitArticles,
}

// fileDocuments yields the documents of the file at path, in order: a .txt file is one
// document, a .jsonl file one per row, a .raw or .tokens file in WikiText's format one per
// article; each may be compressed by gzip. What is inflated is bounded by 64 MiB or 64 times the
// file. An error ends the sequence; it is one line and begins with path and line.
func fileDocuments(path string) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		if err := eachDocument(path, func(d Document) bool { return yield(d, nil) }); err != nil {
			yield(Document{}, err)
		}
	}
}

func eachDocument(path string, yield func(Document) bool) error {
	name := strings.TrimSuffix(filepath.Base(path), ".gz")
	split := splitters[strings.ToLower(filepath.Ext(name))]
	if split == nil {
		return fmt.Errorf("%s: want a .txt, .jsonl, .raw or .tokens file, or one of them in .gz", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s: want a file", path)
	}
	return splitDocuments(f, st.Size(), path, split, yield)
}

// splitDocuments is eachDocument of size bytes of r, which errors call path.
func splitDocuments(
	r io.Reader, size int64, path string, split splitter, yield func(Document) bool,
) error {
	lines, err := newLineReader(r, max(64<<20, 64*size))
	if err == nil {
		name := strings.TrimSuffix(filepath.Base(path), ".gz")
		err = split(lines, strings.TrimSuffix(name, filepath.Ext(name)), yield)
	}
	if err != nil {
		line := 1
		if lines != nil {
			line = max(1, lines.n)
		}
		return fmt.Errorf("%s:%d: %w", path, line, err)
	}
	return nil
}

// A lineReader reads a text line by line and counts the lines.
type lineReader struct {
	r    *bufio.Reader
	left int64 // bytes that may still be read
	n    int   // number of the line that was read last
}

// newLineReader inflates r if it is gzip, and skips a byte order mark.
func newLineReader(r io.Reader, limit int64) (*lineReader, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	if magic, _ := br.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, err
		}
		br = bufio.NewReaderSize(z, 1<<16)
	}
	if mark, _ := br.Peek(3); string(mark) == "\ufeff" {
		br.Discard(3)
	}
	return &lineReader{r: br, left: limit}, nil
}

// next returns the next line with its end, or io.EOF. The slice is valid until the next call
// only if it is short; it is never longer than most bytes.
func (l *lineReader) next(most int) (string, error) {
	var line []byte
	l.n++
	for {
		part, err := l.r.ReadSlice('\n')
		if l.left -= int64(len(part)); l.left < 0 {
			return "", errors.New("inflates to more than 64 times the file")
		}
		if len(line)+len(part) > most {
			return "", fmt.Errorf("line is longer than %d bytes", most)
		}
		line = append(line, part...)
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(line) > 0:
			err = nil
		}
		if err == nil && !utf8.Valid(line) {
			err = errors.New("is not UTF-8")
		}
		return string(line), err
	}
}

func splitWhole(lines *lineReader, name string, yield func(Document) bool) error {
	var text strings.Builder
	for {
		line, err := lines.next(int(lines.left))
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		text.WriteString(line)
	}
	if text.Len() == 0 {
		return errors.New("is empty")
	}
	yield(Document{Name: name, Text: text.String()})
	return nil
}

// rowKeys are the names under which a row may hold its text, in the order of preference.
var rowKeys = []string{"text", "question", "prompt"}

func splitRows(lines *lineReader, _ string, yield func(Document) bool) error {
	for {
		line, err := lines.next(maxLine)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		text, err := rowText(line)
		if err != nil {
			return err
		}
		if !yield(Document{Name: fmt.Sprintf("row %d", lines.n), Text: text}) {
			return nil
		}
	}
}

func rowText(line string) (string, error) {
	var row map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &row); err != nil {
		return "", fmt.Errorf("want a JSON object: %w", oneLine(err))
	}
	for _, key := range rowKeys {
		raw, ok := row[key]
		if !ok {
			continue
		}
		var text *string
		if err := json.Unmarshal(raw, &text); err != nil || text == nil {
			return "", fmt.Errorf("%q is not a string", key)
		}
		return *text, nil
	}
	return "", errors.New(`row has none of "text", "question", "prompt"`)
}

// oneLine keeps an error's text from breaking a line.
func oneLine(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "\n", " "))
}

// splitArticles cuts WikiText into articles, each from its heading " = Title = " to the next.
// What stands before the first heading, a blank line in the published files, is no article.
func splitArticles(lines *lineReader, _ string, yield func(Document) bool) error {
	a := articleSplitter{yield: yield, blank: true}
	for a.more() {
		line, err := lines.next(maxLine)
		if err == io.EOF {
			a.flush()
			if a.found == 0 {
				return errors.New(`has no article: want headings like " = Title = "`)
			}
			return nil
		}
		if err != nil {
			return err
		}
		a.add(line)
	}
	return nil
}

type articleSplitter struct {
	yield   func(Document) bool
	title   string
	text    strings.Builder
	heading string // a line that is a heading if the next is blank
	blank   bool   // the line before was blank
	inside  bool   // a heading has been seen
	stopped bool
	found   int
}

func (a *articleSplitter) more() bool { return !a.stopped }

// add takes the next line. A heading stands between blank lines: some published paragraphs and
// formulas begin like one.
func (a *articleSplitter) add(line string) {
	blank := strings.TrimSpace(line) == ""
	if a.heading != "" {
		heading := a.heading
		a.heading = ""
		if blank {
			a.flush()
			a.title, a.inside = topTitle(heading), true
		}
		a.text.WriteString(heading)
	}
	if a.blank && topTitle(line) != "" {
		a.heading = line
	} else if a.inside {
		a.text.WriteString(line)
	}
	a.blank = blank
}

// flush hands out the article so far.
func (a *articleSplitter) flush() {
	if a.heading != "" && a.inside {
		a.text.WriteString(a.heading)
		a.heading = ""
	}
	if a.inside && !a.stopped {
		a.found++
		a.stopped = !a.yield(Document{Name: a.title, Text: a.text.String()})
	}
	a.text.Reset()
}

// topTitle returns the title in a line " = Title = ", or "" if the line is none or is the heading
// of a section, " = = Section = = ".
func topTitle(line string) string {
	s, ok := strings.CutPrefix(strings.TrimSpace(line), "= ")
	if !ok {
		return ""
	}
	if s, ok = strings.CutSuffix(s, " ="); !ok {
		return ""
	}
	if strings.HasPrefix(s, "= ") || strings.HasSuffix(s, " =") {
		return ""
	}
	return strings.TrimSpace(s)
}
