package compressors_test

import (
	"fmt"
	"strings"
	"testing"

	"kvgauge/compressors"
	"kvgauge/internal/golden"
)

// TestREADMEListsWhatIsRegistered keeps the table in README.md; -update writes it.
func TestREADMEListsWhatIsRegistered(t *testing.T) {
	var out strings.Builder
	section(t, &out, "codec", compressors.Specs())
	section(t, &out, "token dropper", compressors.DropperSpecs())
	section(t, &out, "byte coder", compressors.CoderSpecs())
	golden.Block(t, "README.md", "codecs", out.String())
}

// section writes a table of the families among specs.
func section(t *testing.T, out *strings.Builder, kind string, specs []compressors.Spec) {
	t.Helper()
	fmt.Fprintf(out, "\n| %s | what it does | parameters, with defaults | from |\n", kind)
	out.WriteString("|---|---|---|---|\n")
	for i, spec := range specs {
		if i > 0 && spec.Name() == specs[i-1].Name() {
			continue
		}
		info, err := compressors.Describe(spec.Name())
		if err != nil {
			t.Fatal(err)
		}
		if info.Doc == "" || info.Source == "" {
			t.Errorf("%s says not what it does or where it comes from", info.Name)
		}
		var params []string
		for _, p := range info.Params {
			if p.Doc == "" {
				t.Errorf("%s: parameter %s is not explained", info.Name, p.Name)
			}
			params = append(params, "`"+p.Name+"="+p.Default+"`")
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n",
			info.Name, info.Doc, strings.Join(params, " "), info.Source)
	}
}
