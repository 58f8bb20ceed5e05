package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"kvgauge/bench"
)

// A progress tells people how far a run is: a bar on a terminal, a line for each step elsewhere.
type progress struct {
	w   io.Writer
	bar *progressbar.ProgressBar
	tty bool
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, tty: ok && term.IsTerminal(int(f.Fd()))}
}

func (p *progress) step(s bench.Step) {
	if !p.tty {
		fmt.Fprintf(p.w, "[%d/%d] %s: %s\n", s.Done, s.Total, s.Cache, s.What)
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions(s.Total, progressbar.OptionSetWriter(p.w),
			progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetWidth(24), progressbar.OptionSetPredictTime(true))
	}
	p.bar.Describe(s.Cache + ": " + s.What)
	_ = p.bar.Set(s.Done) // a bar that cannot be drawn must not end a run
}

func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
