package cli

import (
	"context"
	"os"

	"golang.org/x/term"

	"kvgauge/compressors"
	"kvgauge/internal/modeldata"
	"kvgauge/internal/registry"
	"kvgauge/results"
)

// codecInfo is what show tells of a codec: its registration, and its certificate put to the test.
type codecInfo struct {
	registry.Info
	Certificate *results.Certificate `json:"certificate"`
}

// detailCodec adds the certificate to what a listing says of a codec. Slow also measures what takes
// seconds or a model's caches.
func detailCodec(ctx context.Context, v any, slow bool) (any, error) {
	info := v.(registry.Info)
	k := compressors.Checker{Slow: slow}
	if slow {
		k.Outside = modeldata.Of(ctx, "")
	}
	checked, err := k.Check(info.Name)
	if err != nil {
		return nil, err
	}
	c, err := results.CertificateOf(checked)
	return codecInfo{info, c}, err
}

func showCodec(e *env, v codecInfo) error {
	if err := showInfo(e, v.Info); err != nil {
		return err
	}
	return v.Certificate.Text(e.out, redOn(e))
}

// redOn returns what makes text red where the output is a terminal and colours are not unwanted.
func redOn(e *env) func(string) string {
	f, ok := e.out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("NO_COLOR") != "" {
		return nil
	}
	return func(s string) string { return "\x1b[31m" + s + "\x1b[0m" }
}
