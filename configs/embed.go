package configs

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"kvgauge/internal/registry"
)

//go:embed *.yaml
var embedded embed.FS

// Names returns the names of the sweeps that come with the tool, in order.
func Names() []string {
	entries, err := embedded.ReadDir(".")
	if err != nil {
		panic("configs: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Text returns the text of an embedded sweep.
func Text(name string) ([]byte, error) { return embedded.ReadFile(name + ".yaml") }

// Open reads the sweep at a path, or the embedded one of that name, and applies sets as Read
// does. A file wins over a name, a folder does not.
func Open(pathOrName string, sets ...string) (*Sweep, error) {
	text, err := readFile(pathOrName)
	if info, statErr := os.Stat(pathOrName); statErr == nil && info.IsDir() {
		if _, textErr := Text(pathOrName); textErr == nil {
			err = fs.ErrNotExist
		}
	}
	if err == nil {
		return Read(pathOrName, text, sets...)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if text, embeddedErr := Text(pathOrName); embeddedErr == nil {
		return Read("configs/"+pathOrName+".yaml", text, sets...)
	}
	base := strings.TrimSuffix(path.Base(pathOrName), ".yaml")
	if _, err := Text(base); err == nil {
		return nil, fmt.Errorf("no file %s here; the sweep of that name that comes with kvgauge is %q",
			pathOrName, base)
	}
	hint := "have " + strings.Join(Names(), ", ")
	if near := registry.Nearest(base, Names()); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return nil, fmt.Errorf("no file %s, and no sweep of that name comes with kvgauge (%s)",
		pathOrName, hint)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// One byte more than is allowed, so that Read can say that there are too many.
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", name, err)
	}
	return text, nil
}
