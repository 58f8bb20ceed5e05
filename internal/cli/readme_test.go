package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kvgauge/internal/testenv"
)

// readmeCommand matches a line of a README that shows a command of ours.
var readmeCommand = regexp.MustCompile(`^(?:    |)(?:kvgauge|go run \.) ([a-z].*)$`)

// Commands in READMEs are promises: each has its twin in a script. A word in capitals and what
// comes after two spaces (a remark) may differ, so verb and first arguments are what is looked for.
func TestReadmeCommandsAreScripted(t *testing.T) {
	root := testenv.Root(t)
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, path := range scripts {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	found := 0
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "README.md" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, line := range strings.Split(string(b), "\n") {
			m := readmeCommand.FindStringSubmatch(line)
			if m == nil || !inCode(string(b), line) {
				continue
			}
			found++
			if want := "kvgauge " + literal(m[1]); !strings.Contains(all.String(), want) {
				t.Errorf("%s shows %q, and no script runs %q", path, strings.TrimSpace(line), want)
			}
		}
		return nil
	})
	if err != nil || found < 10 {
		t.Errorf("%d commands found, %v", found, err)
	}
}

// literal is the part of a command before its first placeholder or remark.
func literal(command string) string {
	command, _, _ = strings.Cut(command, "  ")
	words := strings.Fields(command)
	for i, w := range words {
		if strings.ContainsAny(w, "[…") && i > 1 || w == strings.ToUpper(w) && strings.ContainsAny(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") ||
			strings.HasPrefix(w, "FILE") || strings.HasPrefix(w, "DEVICE") || strings.Contains(w, "path/to") || w == "--set" ||
			strings.HasPrefix(w, "gpu_calibration") {
			return strings.Join(words[:i], " ")
		}
	}
	return strings.Join(words, " ")
}

// inCode says whether a line stands in a block of code: indented, or fenced.
func inCode(text, line string) bool {
	if strings.HasPrefix(line, "    ") {
		return true
	}
	before, _, _ := strings.Cut(text, line)
	return strings.Count(before, "\n```")%2 == 1
}
