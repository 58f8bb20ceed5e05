package workloads

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"kvgauge/compressors/kv"
	"kvgauge/internal/registry"
	"kvgauge/workloads/kvfile"
)

type fileParams struct {
	Path  string `param:"path" doc:"safetensors, .npz, or a pair of .npy in parentheses: (k.npy,v.npy)"`
	Fit   string `param:"fit" doc:"another such file, of the same model: what codecs are fitted on"`
	DType string `param:"dtype" doc:"what 32-bit values are rounded to, and 8-bit ones widened: bf16 or f16"`
}

func init() {
	Register(registry.Family[Builder, fileParams]{
		Name:     "file",
		Doc:      "a cache from a file; no model stands behind it, so nothing is judged",
		Source:   "this repository",
		Defaults: fileParams{DType: "bf16"},
		New:      newFile,
	})
}

// A fileSource is one cache in a file. Its header is read when the source is opened, so that a
// plan can say what is in it; its values are read by Sample.
type fileSource struct {
	path string
	fit  string // cache to fit codecs on, or ""
	o    kvfile.Options
	head kv.Tensor
	most int // tokens that are taken
}

func newFile(p fileParams) (Builder, error) {
	d, err := kv.ParseDType(p.DType)
	if err != nil {
		return nil, err
	}
	return func(o Options) (Source, error) {
		if p.Path == "" {
			return nil, errors.New(`cache source "file": want path=FILE`)
		}
		f := &fileSource{path: p.Path, fit: p.Fit, o: kvfile.Options{DType: d}}
		if f.head, err = kvfile.Head(p.Path, f.o); err != nil {
			return nil, err
		}
		if f.head.Tokens == 0 {
			return nil, fmt.Errorf("%s: holds no tokens", p.Path)
		}
		f.most = o.cut(f.head.Tokens, SmokeTokens)
		return f, nil
	}, nil
}

// Label names the file, and the model where the file says which one made it. The type is the
// file's own, which dtype changes for values of 32 and 8 bits only.
func (f *fileSource) Label() Label {
	l := Label{Kind: "file", Dataset: f.name(), Tokens: f.most, DType: f.head.DType}
	if f.head.Meta != nil {
		l.Model = f.head.Meta.Model
	}
	return l
}

// name is the file's name without its folder: records travel.
func (f *fileSource) name() string {
	k, v, pair := strings.Cut(f.path, ",")
	if !pair {
		return filepath.Base(f.path)
	}
	return filepath.Base(k) + "," + filepath.Base(v)
}

func (f *fileSource) Len() int { return 1 }

func (f *fileSource) Shape(context.Context) (kv.Shape, error) {
	s := f.head.Shape
	s.Tokens = f.most
	return s, nil
}

func (f *fileSource) Sample(_ context.Context, i int) (Sample, error) {
	if i != 0 {
		return Sample{}, fmt.Errorf("sample %d of 1", i)
	}
	t, err := kvfile.Read(f.path, f.o)
	if err != nil {
		return Sample{}, err
	}
	if t.Tokens < f.most || t.Shape != f.head.Shape {
		return Sample{}, fmt.Errorf("%s: has become %v, was %v", f.path, t.Shape, f.head.Shape)
	}
	if f.most < t.Tokens {
		t = t.Slice(0, f.most).Clone()
	}
	return Sample{Name: f.name(), Cache: t}, nil
}

// Calibration implements Calibrator with the file that fit names.
func (f *fileSource) Calibration(_ context.Context, i int) (kv.Tensor, error) {
	switch {
	case f.fit == "":
		return kv.Tensor{}, errors.New("no cache to fit on: name one in fit=")
	case i > 0:
		return kv.Tensor{}, fmt.Errorf("cache %d to fit on: there is 1", i)
	}
	return kvfile.Read(f.fit, f.o)
}
