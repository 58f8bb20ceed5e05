package modeldata

import (
	"strings"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/internal/testenv"
)

func TestWhatIsNotThereIsAnError(t *testing.T) {
	f := Of(t.Context(), "nowhere.gguf")
	for source, want := range map[string]string{"Mars": "nobody hands in Mars",
		compressors.SmolLM2BF16InF16.Name: "nowhere.gguf"} {
		if _, err := f(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

// TestCachesToFitOnAreOthers: and an unchanged cache loses nothing.
func TestCachesToFitOnAreOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("prefills of SmolLM2 are not for -short")
	}
	f := Of(t.Context(), testenv.SmolLM2(t))
	d, err := f(compressors.SmolLM2F16.Name)
	if err != nil {
		t.Fatal(err)
	}
	caches, err := d.Fit()
	if err != nil || len(caches) != fitted {
		t.Fatalf("%d caches to fit on, %v", len(caches), err)
	}
	for i, c := range caches {
		if c.Shape != d.Cache.Shape || c.DType != kv.F16 || c.Equal(d.Cache) || i > 0 && c.Equal(caches[0]) {
			t.Errorf("cache %d is %v of %v, want another one like that which is measured", i, c.DType, c.Shape)
		}
	}
	if loss, err := d.LnPPL(d.Cache); loss != 0 || err != nil {
		t.Errorf("an unchanged cache loses %g nats, %v", loss, err)
	}
	if loss, err := d.LnPPL(caches[0]); loss < .1 || err != nil {
		t.Errorf("another text's cache loses %g nats, %v", loss, err)
	}
}
