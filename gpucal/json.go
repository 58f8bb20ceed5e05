package gpucal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A jsonReader turns JSON text into nodes that know their lines.
type jsonReader struct {
	*reader
	d    *json.Decoder
	text []byte
	at   int // bytes of text whose lines were counted
	line int
}

// json returns the root of the one value in text, or nil.
func (r *reader) json(text []byte) *node {
	if !r.readable(text, maxJSON) {
		return nil
	}
	j := &jsonReader{reader: r, d: json.NewDecoder(bytes.NewReader(text)), text: text, line: 1}
	j.d.UseNumber()
	r.left = maxNodes
	root, err := j.value("", 0)
	if err == nil {
		if _, err = j.d.Token(); err == nil {
			err = errors.New("text after the end of the value")
		} else if errors.Is(err, io.EOF) {
			return root
		}
		j.wrong("", err)
		return nil
	}
	return nil
}

// errSaid is returned where the mistake was reported already.
var errSaid = errors.New("reported")

// token returns the next token and the line on which it ends.
func (j *jsonReader) token(path string) (json.Token, int, error) {
	t, err := j.d.Token()
	if err != nil {
		j.wrong(path, err)
		return nil, 0, errSaid
	}
	return t, j.lineAt(int(j.d.InputOffset())), nil
}

func (j *jsonReader) lineAt(offset int) int {
	if offset > len(j.text) {
		offset = len(j.text)
	}
	if offset > j.at {
		j.line += bytes.Count(j.text[j.at:offset], []byte("\n"))
		j.at = offset
	}
	return j.line
}

func (j *jsonReader) wrong(path string, err error) {
	offset, msg := int(j.d.InputOffset()), err.Error()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = int(syntax.Offset)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		offset, msg = len(j.text), "the file ends too early"
	}
	j.fail(j.lineAt(offset), path, "not JSON: %s", msg)
}

func (j *jsonReader) value(path string, depth int) (*node, error) {
	t, line, err := j.token(path)
	if err != nil {
		return nil, err
	}
	if j.left--; j.left < 0 || depth > maxDepth {
		j.fail(line, path, "more than %d values or %d levels", maxNodes, maxDepth)
		return nil, errSaid
	}
	n := &node{line: line}
	switch v := t.(type) {
	case json.Delim:
		if v == '[' {
			n.kind = isList
			return n, j.list(n, path, depth)
		}
		n.kind = isMap
		return n, j.object(n, path, depth)
	case json.Number:
		n.kind, n.text = isNumber, v.String()
	case string:
		n.kind, n.text = isText, v
	case bool:
		n.kind, n.text = isBool, fmt.Sprint(v)
	}
	return n, nil
}

func (j *jsonReader) list(n *node, path string, depth int) error {
	for i := 0; j.d.More(); i++ {
		item, err := j.value(index(path, i), depth+1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, _, err := j.token(path)
	return err
}

func (j *jsonReader) object(n *node, path string, depth int) error {
	for j.d.More() {
		t, line, err := j.token(path)
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			j.fail(line, path, "a key is a text")
			return errSaid
		}
		value, err := j.value(join(path, key), depth+1)
		if err != nil {
			return err
		}
		j.add(n, strings.Clone(key), line, path, value)
	}
	_, _, err := j.token(path)
	return err
}
