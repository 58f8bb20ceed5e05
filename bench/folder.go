package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"kvgauge/results"
)

// RunInto runs the plan and keeps its records in dir, each from the moment its cell is done. With
// resume it continues the run that is there, if there is one: h must be of the same config, tool
// and machine. A run that is killed loses the samples in flight and nothing else.
func (p *Plan) RunInto(ctx context.Context, dir string, h results.Header, resume bool,
	o RunOptions) (tally Tally, err error) {
	w, old, err := openFolder(dir, h, resume)
	if err != nil {
		return tally, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	have := map[string]*results.Record{}
	for i := range old {
		have[old[i].Key()] = &old[i]
	}
	if o.journal, err = openJournal(dir); err != nil {
		return tally, err
	}
	o.have = func(key string) *results.Record { return have[key] }
	tally, err = p.Run(ctx, o, w.Append)
	return tally, errors.Join(err, o.journal.close(err == nil))
}

// openFolder begins a run's file, or continues one that is of the same run.
func openFolder(dir string, h results.Header, resume bool) (
	*results.Writer, []results.Record, error) {
	_, err := os.Stat(filepath.Join(dir, results.RunFile))
	if !resume || errors.Is(err, os.ErrNotExist) {
		w, err := results.Create(dir, h)
		if err != nil {
			return nil, nil, err
		}
		// A journal without its run is of no run that could be continued.
		err = os.Remove(filepath.Join(dir, journalFile))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, nil, errors.Join(err, w.Close())
		}
		return w, nil, nil
	}
	w, old, err := results.Resume(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := sameRun(old.Header, h); err != nil {
		w.Close()
		return nil, nil, fmt.Errorf("%s: %w: it cannot be continued, begin another with -o", dir, err)
	}
	return w, old.Records, nil
}

// sameRun says what keeps records made now from standing beside those of an older header.
func sameRun(old, now results.Header) error {
	for _, x := range []struct{ what, old, now string }{
		{"shard", old.Shard, now.Shard},
		{"smoke", fmt.Sprint(old.Smoke), fmt.Sprint(now.Smoke)},
		{"version", old.Version, now.Version},
		{"commit", old.Commit, now.Commit},
		{"architecture", old.GOARCH + old.GOAMD64, now.GOARCH + now.GOAMD64},
		{"processor", old.CPU, now.CPU},
	} {
		if x.old != x.now {
			return fmt.Errorf("the run there has %s %q, this one %q", x.what, x.old, x.now)
		}
	}
	if !bytes.Equal(old.Config, now.Config) {
		return errors.New("the run there has another config")
	}
	return nil
}
