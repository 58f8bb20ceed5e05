// Package tidy holds the house rules as tests: who may import whom, how long files and functions
// may be, which calls stand in one place only, and that every exported name is explained.
package tidy

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"kvgauge/internal/golden"
	"kvgauge/internal/testenv"
)

const (
	maxFileLines     = 500
	maxTestLines     = 700
	maxFunctionLines = 70
	maxColumns       = 120
)

type goPackage struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = testenv.Root(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p goPackage
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// TestImportsAreThoseOfTheTable compares go list with the table in ARCHITECTURE.md, whose rows
// read "| package | import, import |".
func TestImportsAreThoseOfTheTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]string{}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*?) *\\|$")
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		table[m[1]] = strings.ReplaceAll(m[2], "`", "")
	}
	seen := map[string]bool{}
	var rows []string
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, "kvgauge"), "/")
		if name == "" {
			name = "main"
		}
		var ours []string
		for _, i := range p.Imports {
			if rest, ok := strings.CutPrefix(i, "kvgauge/"); ok {
				ours = append(ours, rest)
			}
		}
		sort.Strings(ours)
		got := strings.Join(ours, ", ")
		if got == "" {
			got = "none"
		}
		seen[name] = true
		rows = append(rows, fmt.Sprintf("| `%s` | %s |", name, got))
		if table[name] != got && !golden.Updating() {
			t.Errorf("ARCHITECTURE.md has no or another row for %s; it should read\n%s\n"+
				"(go test ./internal/tidy -update writes it)", name, rows[len(rows)-1])
		}
	}
	if golden.Updating() {
		updateTable(t, string(text), rows)
		return
	}
	for name := range table {
		if !seen[name] {
			t.Errorf("ARCHITECTURE.md has a row for %s, which is no package", name)
		}
	}
}

// updateTable puts the rows where the table of imports stands.
func updateTable(t *testing.T, text string, rows []string) {
	t.Helper()
	const head = "| package | imports (of ours) |\n|---|---|\n"
	before, rest, ok := strings.Cut(text, head)
	at := strings.Index(rest, "\n\n")
	if !ok || at < 0 {
		t.Fatal("ARCHITECTURE.md has no table of imports")
	}
	text = before + head + strings.Join(rows, "\n") + rest[at:]
	if strings.HasPrefix(rest, "\n") {
		text = before + head + strings.Join(rows, "\n") + "\n" + rest
	}
	path := filepath.Join(testenv.Root(t), "ARCHITECTURE.md")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// onlyIn says which packages may be imported where, as prefixes of our import paths.
var onlyIn = map[string][]string{
	"github.com/olekukonko/tablewriter": {"kvgauge/results/report"},
	"github.com/go-echarts/go-echarts":  {"kvgauge/results/report"},
	"gonum.org/v1/plot":                 {"kvgauge/results/report", "kvgauge/internal/gendoc"},
	"github.com/spf13/cobra":            {"kvgauge/internal/cli"},
	"gopkg.in/yaml.v3":                  {"kvgauge/configs", "kvgauge/gpucal"},
	"kvgauge/internal/llama":            {"kvgauge/workloads", "kvgauge/internal/"},
	"kvgauge/internal/testenv":          {},
	"math/rand":                         {},
	"pgregory.net/rapid":                {},
	"github.com/rogpeppe/go-internal":   {},
	"github.com/google/go-cmp":          {},
	"github.com/schollz/progressbar":    {"kvgauge/internal/cli", "kvgauge/internal/store"},
	"github.com/parquet-go/parquet-go":  {"kvgauge/results"},
	"github.com/invopop/jsonschema":     {"kvgauge/configs"},
}

func TestLibrariesAreImportedOnlyWhereTheyBelong(t *testing.T) {
	for _, p := range packages(t) {
		for _, i := range p.Imports {
			for lib, places := range onlyIn {
				// math/rand/v2 is another package than math/rand.
				if i != lib && (lib == "math/rand" || !strings.HasPrefix(i, lib+"/")) {
					continue
				}
				if !slices.ContainsFunc(places, func(place string) bool {
					return strings.HasPrefix(p.ImportPath, place)
				}) && !strings.HasPrefix(p.ImportPath, lib) {
					t.Errorf("%s imports %s, which belongs in %v", p.ImportPath, i, places)
				}
			}
		}
	}
}

// onceCalls may be made only in these files: the clock in measuring and headers, the exit in main.
var onceCalls = map[string][]string{
	"time.Now":   {"bench/measure.go", "bench/env.go"},
	"time.Since": {"bench/measure.go", "bench/env.go"},
	"os.Exit":    {"main.go"},
}

func TestSources(t *testing.T) {
	root := testenv.Root(t)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata" ||
			d.Name() == "kvgauge-runs") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(rel, ".go") {
			checkFile(t, path, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkFile(t *testing.T, path, rel string) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Errorf("%s: %v", rel, err)
		return
	}
	if ast.IsGenerated(file) {
		return
	}
	isTest := strings.HasSuffix(rel, "_test.go")
	lines := strings.Split(string(src), "\n")
	if n := len(lines) - 1; n > maxTestLines || !isTest && n > maxFileLines {
		t.Errorf("%s has %d lines: split it by idea", rel, n)
	}
	for i, line := range lines {
		if n := len([]rune(strings.ReplaceAll(line, "\t", "    "))); n > maxColumns && !isTest {
			t.Errorf("%s:%d has %d columns", rel, i+1, n)
		}
	}
	if isTest {
		return
	}
	ast.Inspect(file, func(n ast.Node) bool { return checkNode(t, set, rel, n) })
	if file.Name.Name != "main" {
		checkDocs(t, set, rel, file)
	}
}

func checkNode(t *testing.T, set *token.FileSet, rel string, n ast.Node) bool {
	t.Helper()
	switch n := n.(type) {
	case *ast.FuncDecl:
		length := set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1
		if length > maxFunctionLines {
			t.Errorf("%v: %s has %d lines", rel, n.Name.Name, length)
		}
	case *ast.CallExpr:
		sel, ok := n.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok {
			call := pkg.Name + "." + sel.Sel.Name
			if files, limited := onceCalls[call]; limited && !slices.Contains(files, rel) {
				t.Errorf("%s:%d calls %s, which belongs in %v", rel,
					set.Position(n.Pos()).Line, call, files)
			}
		}
	}
	return true
}

func checkDocs(t *testing.T, set *token.FileSet, rel string, file *ast.File) {
	t.Helper()
	missing := func(name *ast.Ident, doc ...*ast.CommentGroup) {
		for _, d := range doc {
			if d != nil {
				return
			}
		}
		if name.IsExported() {
			t.Errorf("%s:%d: %s has no doc comment", rel, set.Position(name.Pos()).Line, name.Name)
		}
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil || exportedReceiver(decl.Recv) {
				missing(decl.Name, decl.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					missing(spec.Name, spec.Doc, decl.Doc, spec.Comment)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						missing(name, spec.Doc, decl.Doc, spec.Comment)
					}
				}
			}
		}
	}
}

func exportedReceiver(recv *ast.FieldList) bool {
	typ := recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// machinePath matches what only one machine has; nothing of the kind belongs in a repository.
var machinePath = regexp.MustCompile(`(^|[^\w.])/(root|home|work|tmp)/[a-z]`)

func TestNoFileNamesAPathOfOneMachine(t *testing.T) {
	cmd := exec.Command("git", "ls-files")
	cmd.Dir = testenv.Root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Skip("not a git checkout: ", err)
	}
	for _, rel := range strings.Fields(string(out)) {
		b, err := readUnpacked(filepath.Join(cmd.Dir, rel))
		if err != nil || strings.ContainsRune(string(b[:min(len(b), 8000)]), 0) {
			continue
		}
		for i, line := range strings.Split(string(b), "\n") {
			if machinePath.MatchString(line) && rel != "internal/tidy/tidy_test.go" {
				t.Errorf("%s:%d names a path of one machine: %.80s", rel, i+1, line)
			}
		}
	}
}

// readUnpacked reads a file, and what gzip packed in it.
func readUnpacked(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil || filepath.Ext(path) != ".gz" {
		return b, err
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
