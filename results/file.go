package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// RunFile is the name of a run's file in its folder.
const RunFile = "run.jsonl"

// A File is one run as it was read back: its header, and a record for every cell that was done,
// skipped or failed, in the order of the file.
type File struct {
	Header  Header
	Records []Record

	Path string // what was read
	Torn bool   // the last line was cut short, as by a kill, and left out
	size int64  // bytes up to the end of the last whole line
}

// Bounds on a file, so that hostile input stays cheap.
const (
	maxLine    = 64 << 20
	maxRecords = 1 << 20
)

// Open reads a run from a folder that holds run.jsonl or run.jsonl.gz, or from such a file. A last
// line that was cut short is left out and noted. Errors name file and line.
func Open(path string) (*File, error) {
	path, err := runFile(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !isPacked(path) {
		return Read(path, f)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return readPacked(path, f, info.Size())
}

// Read reads a run; name stands for it in errors.
func Read(name string, r io.Reader) (*File, error) {
	f := &File{Path: name}
	seen := map[string]int{}
	br := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := readLine(br)
		if errors.Is(err, io.EOF) && len(line) > 0 {
			f.Torn = true
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if err != nil {
			break
		}
		if n == 1 {
			err = f.header(line)
		} else {
			err = f.record(line, n, seen)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		f.size += int64(len(line)) + 1
	}
	if f.size == 0 {
		return nil, fmt.Errorf("%s:1: no whole header: want a run, which begins with one", name)
	}
	return f, nil
}

// readLine returns a line without its end. With io.EOF it returns what follows the last end.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxLine {
			return nil, fmt.Errorf("a line of more than %d bytes", maxLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimSuffix(line, []byte("\n")), err
	}
}

func (f *File) header(line []byte) error {
	var version struct{ Schema int }
	if err := json.Unmarshal(line, &version); err != nil {
		return fmt.Errorf("not the header of a run: %w", plain(err))
	}
	if version.Schema != Schema {
		return fmt.Errorf("schema %d, this tool reads %d", version.Schema, Schema)
	}
	return strict(line, &f.Header)
}

func (f *File) record(line []byte, n int, seen map[string]int) error {
	var rec Record
	if err := strict(line, &rec); err != nil {
		return err
	}
	if err := rec.check(); err != nil {
		return err
	}
	if len(f.Records) == maxRecords {
		return fmt.Errorf("more than %d records", maxRecords)
	}
	key := rec.Key()
	if first, twice := seen[key]; twice {
		return fmt.Errorf("the cell of line %d again: %s", first, key)
	}
	seen[key] = n
	f.Records = append(f.Records, rec)
	return nil
}

// strict decodes one JSON value into v; unknown keys are errors.
func strict(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return plain(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value on the line")
	}
	return nil
}

// plain takes Go's types out of encoding/json's errors.
func plain(err error) error {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		return fmt.Errorf("%s cannot be a JSON %s", typed.Field, typed.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// check returns an error for a record that no run can hold.
func (r *Record) check() error {
	if r.Type == "" || len(r.Cell) == 0 {
		return errors.New("a record without type or cell")
	}
	if (r.Type == CertificateType) != (r.Certificate != nil) {
		return fmt.Errorf("a record of type %q: want a certificate in those of type %q only",
			r.Type, CertificateType)
	}
	if r.Certificate != nil {
		if err := r.Certificate.check(); err != nil {
			return err
		}
	}
	for i := range r.Metrics {
		m := &r.Metrics[i]
		if !slices.Contains([]Kind{Exact, Simulated, Numeric, Timed}, m.Kind) {
			return fmt.Errorf("metric %q is of kind %q; want exact, simulated, numeric or timed",
				m.Name, m.Kind)
		}
		if n, ok := m.dimsLen(); !ok || len(m.Dims) > 0 && n != len(m.Values) && len(m.Values) > 0 {
			return fmt.Errorf("metric %q has %d values for dims %v", m.Name, len(m.Values), m.Dims)
		}
		for _, before := range r.Metrics[:i] {
			if before.Name == m.Name {
				return fmt.Errorf("metric %q stands twice", m.Name)
			}
		}
		if i > 1000 {
			return errors.New("more than 1000 metrics")
		}
	}
	return nil
}

func (m *Metric) dimsLen() (int, bool) {
	n := 1
	for _, d := range m.Dims {
		if d < 0 || d > maxLine || n > maxLine {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// A Writer appends to a run's file. What Append returned from without error is on the disk.
type Writer struct{ f *os.File }

// ErrExists is wrapped by Create's error where the folder holds a run already.
var ErrExists = errors.New("holds a run already")

// Create makes dir and in it the file of a new run.
func Create(dir string, h Header) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, PackedFile)); err == nil {
		return nil, fmt.Errorf("%s %w, in %s: gunzip that to continue it with --resume, or name another "+
			"folder with -o", dir, ErrExists, PackedFile)
	}
	path := filepath.Join(dir, RunFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s %w: continue it with --resume, or name another folder with -o",
			dir, ErrExists)
	}
	if err != nil {
		return nil, err
	}
	w := &Writer{f}
	return w, w.append(h)
}

// Resume opens the file of a run to append to it, and returns what it holds. A line that was cut
// short is removed. A packed run is an error.
func Resume(dir string) (*Writer, *File, error) {
	old, err := Open(dir)
	if err != nil {
		return nil, nil, err
	}
	if isPacked(old.Path) {
		return nil, nil, fmt.Errorf("%s: nothing can be appended to a packed run: gunzip it first", old.Path)
	}
	f, err := os.OpenFile(old.Path, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	if err = f.Truncate(old.size); err == nil {
		_, err = f.Seek(old.size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	old.Torn = false
	return &Writer{f}, old, nil
}

// Append writes records, each as one line, in one write, and waits until they are on the disk.
func (w *Writer) Append(records ...Record) error {
	values := make([]any, len(records))
	for i := range records {
		values[i] = &records[i]
	}
	return w.append(values...)
}

func (w *Writer) append(values ...any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, v := range values {
		if err := e.Encode(v); err != nil {
			return err
		}
	}
	if _, err := w.f.Write(b.Bytes()); err != nil {
		return err
	}
	return w.f.Sync()
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }
