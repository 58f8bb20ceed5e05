package gpucal

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"kvgauge/internal/registry"
)

//go:embed data/*.yaml
var data embed.FS

// Devices returns the names of the devices that come with the tool, sorted.
func Devices() []string {
	entries, err := data.ReadDir("data")
	if err != nil {
		panic("gpucal: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

var (
	loadMu sync.Mutex
	loaded = map[string]*Calibration{}
)

// Open returns the calibration of a device that comes with the tool, or reads one from a path
// that ends in .yaml or .yml, once. The calibration is shared and must not be changed.
func Open(name string) (*Calibration, error) {
	loadMu.Lock()
	defer loadMu.Unlock()
	if c, ok := loaded[name]; ok {
		return c, nil
	}
	if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
		c, err := openFile(name)
		if err == nil {
			loaded[name] = c
		}
		return c, err
	}
	text, err := data.ReadFile(path.Join("data", name+".yaml"))
	if errors.Is(err, fs.ErrNotExist) || !goodDevice(name) {
		return nil, unknown(name)
	}
	if err != nil {
		return nil, err
	}
	c, err := Read("gpucal/data/"+name+".yaml", text)
	if err != nil {
		return nil, err
	}
	loaded[name] = c
	return c, nil
}

func openFile(name string) (*Calibration, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxYAML+1)) // one more than Read takes
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return Read(name, text)
}

func unknown(name string) error {
	hint := "have cpu, " + strings.Join(Devices(), ", ") + ", or the path of a .yaml file"
	if near := registry.Nearest(name, Devices()); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return fmt.Errorf("no device named %q; %s: %w", name, hint, registry.ErrUnknown)
}

// Lookup answers a query about a device by its name or the path of its calibration.
func Lookup(device string, q Query) (Answer, error) {
	c, err := Open(device)
	if err != nil {
		return Answer{}, err
	}
	return c.Lookup(q)
}
