// Package models opens a model by what the user calls it: the one in the binary, one that was
// pulled by name, or a path.
package models

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kvgauge/internal/registry"
	"kvgauge/internal/store"
	"kvgauge/internal/weights"
	"kvgauge/workloads/data/tiny"
)

// Open opens the model called name: tiny, a name of the store's catalogue, a GGUF file, or a
// Hugging Face directory. Whatever has a slash, a backslash or a dot in it is a path. The error
// for a known name that has not been pulled wraps store.ErrAbsent. The caller closes the model.
func Open(name string, o weights.Options) (*weights.Model, error) {
	if name == tiny.Name {
		r, size := tiny.GGUF()
		return weights.OpenGGUF(r, size, tiny.Name, o)
	}
	path, err := Path(name)
	if err != nil {
		return nil, err
	}
	return weights.Open(path, o)
}

// Path returns the file or directory that name means; tiny has none.
func Path(name string) (string, error) {
	if strings.ContainsAny(name, `/\.`) {
		return name, nil
	}
	path, err := store.Path(store.Model, name)
	if !errors.Is(err, store.ErrUnknown) {
		return path, err
	}
	if _, statErr := os.Stat(name); statErr == nil {
		return name, nil
	}
	if near := registry.Nearest(name, Names()); near != "" {
		return "", fmt.Errorf("no model named %q (did you mean %q?), and no file or folder of that name: %w",
			name, near, store.ErrUnknown)
	}
	return "", fmt.Errorf("no model named %q; have %s, or the path of a GGUF file or Hugging Face folder: %w",
		name, strings.Join(Names(), ", "), store.ErrUnknown)
}

// Names returns the names that Open knows, tiny first.
func Names() []string {
	names := []string{tiny.Name}
	for _, e := range store.Catalogue(store.Model) {
		names = append(names, e.Name)
	}
	return names
}

// Label returns how records name the model that was opened as name: by that name, where it is
// one, else as its file calls itself, else by the last part of its path.
func Label(name string, m *weights.Model) string {
	if !strings.ContainsAny(name, `/\.`) {
		return name
	}
	if m.Config.Name != "" {
		return m.Config.Name
	}
	return filepath.Base(name)
}
