package kvfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"

	"kvgauge/compressors/kv"
)

// The .npy format (NumPy's NEP 1): magic, version, header length (16 bits in version 1, 32 in 2
// and 3), a Python dictionary as text, then the values.
const (
	npyMagic     = "\x93NUMPY"
	maxNpyHeader = 1 << 16 // numpy itself refuses more than 10,000 bytes
)

// parseNpy finds the array in a .npy file of size bytes. name stands in errors.
func parseNpy(f io.ReaderAt, size int64, name string) (*array, error) {
	a, at, err := parseNpyHeader(io.NewSectionReader(f, 0, size), name)
	if err != nil {
		return nil, err
	}
	n, err := a.elements()
	if err != nil {
		return nil, err
	}
	if want := n * a.elem.size(); size-at != want {
		return nil, fmt.Errorf("holds %d bytes of values, want %d for shape %v in %v",
			size-at, want, a.shape, a.elem)
	}
	a.open = func() (io.Reader, error) { return io.NewSectionReader(f, at, size-at), nil }
	return a, nil
}

// parseNpyHeader reads up to the values and returns where they start.
func parseNpyHeader(r io.Reader, name string) (*array, int64, error) {
	var pre [12]byte
	if _, err := io.ReadFull(r, pre[:10]); err != nil || string(pre[:6]) != npyMagic {
		return nil, 0, fmt.Errorf("is not a .npy file: want %q at the start", npyMagic)
	}
	at, n := int64(10), int64(binary.LittleEndian.Uint16(pre[8:]))
	switch pre[6] {
	case 1:
	case 2, 3:
		if _, err := io.ReadFull(r, pre[10:]); err != nil {
			return nil, 0, fmt.Errorf(".npy header is cut short")
		}
		at, n = 12, int64(binary.LittleEndian.Uint32(pre[8:]))
	default:
		return nil, 0, fmt.Errorf(".npy version %d, want 1, 2 or 3", pre[6])
	}
	if n > maxNpyHeader {
		return nil, 0, fmt.Errorf(".npy header of %d bytes, want at most %d", n, maxNpyHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, 0, fmt.Errorf(".npy header is cut short")
	}
	a, err := parseNpyDict(string(text))
	if err != nil {
		return nil, 0, fmt.Errorf(".npy header: %w", err)
	}
	a.name = name
	return a, at + n, nil
}

// parseNpyDict reads {'descr': '<f2', 'fortran_order': False, 'shape': (1, 2, 3, 4), }.
func parseNpyDict(text string) (*array, error) {
	p := &pyReader{text: text}
	a := &array{}
	seen := map[string]bool{}
	p.want('{')
	for p.err == nil && !p.next('}') {
		key := p.str()
		p.want(':')
		if seen[key] {
			return nil, fmt.Errorf("key %q stands twice", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			a.elem = p.descr()
		case "fortran_order":
			a.fortran = p.boolean()
		case "shape":
			a.shape = p.tuple()
		default:
			p.fail("unknown key %q", key)
		}
		if !p.peek('}') {
			p.want(',')
		}
	}
	if p.err == nil && strings.TrimSpace(p.text) != "" {
		p.fail("text after the dictionary")
	}
	if p.err == nil && len(seen) != 3 {
		p.fail("want the keys descr, fortran_order and shape")
	}
	return a, p.err
}

// pyReader reads the few Python literals that a header has, and keeps the first mistake.
type pyReader struct {
	text string
	err  error
}

func (p *pyReader) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *pyReader) peek(c byte) bool {
	p.text = strings.TrimLeft(p.text, " \t\n")
	return p.text != "" && p.text[0] == c
}

func (p *pyReader) next(c byte) bool {
	if !p.peek(c) {
		return false
	}
	p.text = p.text[1:]
	return true
}

func (p *pyReader) want(c byte) {
	if p.err == nil && !p.next(c) {
		p.fail("want %q, got %.20q", string(c), p.text)
	}
}

func (p *pyReader) str() string {
	quote := byte('\'')
	if p.peek('"') {
		quote = '"'
	}
	p.want(quote)
	s, rest, ok := strings.Cut(p.text, string(quote))
	if p.err != nil || !ok {
		p.fail("a string without its end")
		return ""
	}
	p.text = rest
	return s
}

func (p *pyReader) descr() elem {
	if p.peek('[') {
		p.fail("values are records, want <f2 or <f4")
		return 0
	}
	switch s := p.str(); s {
	case "<f2":
		return elemF16
	case "<f4":
		return elemF32
	default:
		p.fail("type %.20q, want <f2 (F16) or <f4 (F32)", s)
		return 0
	}
}

func (p *pyReader) boolean() bool {
	p.text = strings.TrimLeft(p.text, " \t\n")
	for word, v := range map[string]bool{"True": true, "False": false} {
		if strings.HasPrefix(p.text, word) {
			p.text = p.text[len(word):]
			return v
		}
	}
	p.fail("want True or False, got %.20q", p.text)
	return false
}

func (p *pyReader) tuple() []int64 {
	var out []int64
	p.want('(')
	for p.err == nil && !p.next(')') {
		p.text = strings.TrimLeft(p.text, " \t\n")
		n := 0
		for n < len(p.text) && '0' <= p.text[n] && p.text[n] <= '9' {
			n++
		}
		d, err := strconv.ParseInt(p.text[:n], 10, 64)
		if err != nil || d > maxDim || len(out) == 32 {
			p.fail("want a tuple of dimensions, got %.20q", p.text)
			return nil
		}
		p.text = strings.TrimPrefix(p.text[n:], "L") // Python 2 wrote long integers so
		out = append(out, d)
		if !p.peek(')') {
			p.want(',')
		}
	}
	return out
}

// appendNpyHeader appends a version 1 header for one side of c; values start at a multiple of
// 64 bytes, as numpy has it.
func appendNpyHeader(dst []byte, c content, side kv.Side) []byte {
	descr := "<f2"
	if c.widens() {
		descr = "<f4"
	}
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d, %d, %d), }",
		descr, c.Layers, c.Heads, c.Tokens, c.Dim(side))
	pad := 63 - (10+len(dict))%64
	dict += strings.Repeat(" ", pad) + "\n"
	dst = append(dst, npyMagic...)
	dst = append(dst, 1, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(dict)))
	return append(dst, dict...)
}

// widens says whether the values go as float32: they are, or numpy has no type for them.
func (c content) widens() bool { return c.wide != nil || c.DType == kv.BF16 }

// writeNpy writes one side of c as a .npy file.
func (c content) writeNpy(w io.Writer, side kv.Side) error {
	if _, err := w.Write(appendNpyHeader(nil, c, side)); err != nil {
		return err
	}
	return c.writeSide(w, side, c.widens())
}
