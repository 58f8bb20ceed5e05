package tokenize

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

func TestSplitsEqualTheReference(t *testing.T) {
	raw, err := os.ReadFile("testdata/splits.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Text   string
		Pieces map[string][]string
	}
	if err := json.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if len(row.Pieces) != len(preNames) {
			t.Fatalf("%q has pieces by %d sets of rules, there are %d", row.Text, len(row.Pieces), len(preNames))
		}
		for name, want := range row.Pieces {
			split, err := splitterOf(name)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			split(row.Text, func(piece string) {
				if piece != "" {
					got = append(got, piece)
				}
			})
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q is split as %q, want %q", name, row.Text, got, want)
			}
		}
	}
}
