package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// journalFile is kept beside run.jsonl while a run is under way: one line for each finished
// sample, so that a killed run loses no more than the samples in flight.
const journalFile = "journal.jsonl"

// maxJournal bounds what is read back.
const maxJournal = 1 << 30

// A journal keeps finished samples until their cells' records are written.
type journal struct {
	mu   sync.Mutex
	file *os.File
	done map[journalKey]sampled
}

type journalKey struct {
	cache  string
	sample int
}

// openJournal opens the journal of the run in dir, and reads what an interrupted run left in it.
// A last line that was cut short is dropped.
func openJournal(dir string) (*journal, error) {
	path := filepath.Join(dir, journalFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	j := &journal{file: f, done: map[journalKey]sampled{}}
	if err := j.read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, nil
}

func (j *journal) read() error {
	text, err := io.ReadAll(io.LimitReader(j.file, maxJournal))
	if err != nil {
		return err
	}
	whole := int64(bytes.LastIndexByte(text, '\n') + 1)
	n := 0
	for line := range bytes.Lines(text[:whole]) {
		n++
		var s sampled
		if err := json.Unmarshal(line, &s); err != nil {
			return fmt.Errorf("line %d is no sample of a run: remove the file to begin again", n)
		}
		j.done[journalKey{s.Cache, s.Sample}] = s
	}
	if err := j.file.Truncate(whole); err != nil {
		return err
	}
	_, err = j.file.Seek(whole, io.SeekStart)
	return err
}

// get returns a sample that was finished before. A nil journal has none.
func (j *journal) get(cache string, sample, cells int) (sampled, bool) {
	if j == nil {
		return sampled{}, false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s, ok := j.done[journalKey{cache, sample}]
	return s, ok && len(s.Outcomes) == cells
}

// put keeps a finished sample; when it returns, the sample is on the disk.
func (j *journal) put(s sampled) error {
	if j == nil {
		return nil
	}
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return err
	}
	return j.file.Sync()
}

// close closes the journal; done says that the run is complete, and removes it.
func (j *journal) close(done bool) error {
	err := j.file.Close()
	if done {
		err = errors.Join(err, os.Remove(j.file.Name()))
	}
	return err
}
