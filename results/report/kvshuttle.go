package report

import (
	"errors"
	"strings"

	"kvgauge/results"
)

// KVShuttle is the format that writes results.json as KVShuttle has it, and skipped.txt beside it
// where cells have no rows. It is made when it is named, and of one run.
const KVShuttle = "kvshuttle"

func init() { writers[KVShuttle] = kvshuttleFiles }

func kvshuttleFiles(_ output, _ *view, files []*results.File) (map[string][]byte, error) {
	if len(files) != 1 {
		return nil, errors.New("KVShuttle's form holds one run: name one DIR")
	}
	text, left, err := results.KVShuttle(files[0])
	if err != nil {
		return nil, err
	}
	made := map[string][]byte{"results.json": text}
	if len(left) > 0 {
		made["skipped.txt"] = []byte(strings.Join(left, "\n") + "\n")
	}
	return made, nil
}
