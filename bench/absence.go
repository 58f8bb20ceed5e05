package bench

import (
	"errors"
	"io/fs"

	"kvgauge/internal/store"
)

// absence returns why a source is skipped, if err says that its model or data are not on this
// machine; any other error is the cell's failure.
func absence(err error) string {
	if errors.Is(err, store.ErrAbsent) || errors.Is(err, fs.ErrNotExist) {
		return err.Error()
	}
	return ""
}
