package cli

import (
	"fmt"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// count tells people on standard error how far a long task of one number is: by a bar on a
// terminal, else by a line every tenth of the way. Call step with what is done of total, in order,
// and done at the end.
func (e *env) count(what string, total int64) (step func(int64), done func()) {
	if f, ok := e.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		bar := progressbar.NewOptions64(total, progressbar.OptionSetDescription(what),
			progressbar.OptionSetWriter(e.err), progressbar.OptionShowCount(),
			progressbar.OptionClearOnFinish())
		// A bar that cannot be drawn must not end the task.
		return func(n int64) { _ = bar.Set64(n) }, func() { _ = bar.Finish() }
	}
	last := int64(0)
	return func(n int64) {
		if tenth := 10 * n / max(1, total); tenth > last {
			last = tenth
			fmt.Fprintf(e.err, "kvgauge: %s: %d of %d\n", what, n, total)
		}
	}, func() {}
}
