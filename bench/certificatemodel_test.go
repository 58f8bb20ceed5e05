package bench

import (
	"fmt"
	"strings"
	"testing"

	"kvgauge/internal/testenv"
)

// TestRunsHandInTheModelThatTheyHave: certificates see a model's caches in sweeps over that model only.
func TestRunsHandInTheModelThatTheyHave(t *testing.T) {
	model := fmt.Sprintf("caches: [{model: {name: smollm2}}]\ncodecs: [identity]\nmodels: {smollm2: %q}\n",
		testenv.SmolLM2(t))
	for text, want := range map[string]bool{
		model: true, "caches: [fake]\ncodecs: [identity]\n": false,
		strings.Replace(model, "name: smollm2", "name: tiny", 1): false,
	} {
		if f := plan(t, text, PlanOptions{}).outside(t.Context()); (f != nil) != want {
			t.Errorf("caches for certificates: %v, want %v, with %s", f != nil, want, text)
		}
		if f := plan(t, text, PlanOptions{Smoke: true}).outside(t.Context()); f != nil {
			t.Errorf("caches for certificates of a smoke run of %s", text)
		}
	}
}
