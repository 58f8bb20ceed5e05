package llama

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/testenv"
)

// q8 rounds rows of 32 values as llama.cpp's q8_0 does: one binary16 scale of the largest
// magnitude over 127.
func q8(x []float32) {
	for ; len(x) > 0; x = x[32:] {
		top := float32(0)
		for _, v := range x[:32] {
			top = max(top, float32(math.Abs(float64(v))))
		}
		d := top / 127
		inverse := float32(0)
		if d != 0 {
			inverse = 1 / d
		}
		scale := kern.F16ToF32(kern.F32ToF16(d))
		for i, v := range x[:32] {
			x[i] = scale * float32(math.Round(float64(v*inverse)))
		}
	}
}

// q4 is llama.cpp's q4_0: a scale of the value of largest magnitude over −8.
func q4(x []float32) {
	for ; len(x) > 0; x = x[32:] {
		top := float32(0)
		for _, v := range x[:32] {
			if math.Abs(float64(v)) > math.Abs(float64(top)) {
				top = v
			}
		}
		d := top / -8
		inverse := float32(0)
		if d != 0 {
			inverse = 1 / d
		}
		scale := kern.F16ToF32(kern.F32ToF16(d))
		for i, v := range x[:32] {
			x[i] = scale * float32(min(15, int(v*inverse+8.5))-8)
		}
	}
}

type quality struct {
	Rows []struct {
		Codec   string
		KLD     float64 `json:"kld_mean"`
		Same    float64 `json:"same_top"`
		PPL     float64 `json:"ln_ppl_ratio"`
		BasePPL float64 `json:"base_ppl"`
		NMSEK   float64 `json:"nmse_k"`
		NMSEV   float64 `json:"nmse_v"`
	}
}

// round sends a cache through a rounding of rows and returns it with both sides' NMSE.
func round(t kv.Tensor, f func([]float32)) (kv.Tensor, [2]float64) {
	out := t.Clone()
	var errs [2]float64
	for _, side := range kv.Sides {
		row := make([]float32, len(t.Bits[side]))
		t.DType.Widen(row, t.Bits[side])
		f(row)
		t.DType.Narrow(out.Bits[side], row)
		var diff, norm float64
		for i := range row {
			v := float64(t.DType.Float(t.Bits[side][i]))
			d := float64(out.DType.Float(out.Bits[side][i])) - v
			diff, norm = diff+d*d, norm+v*v
		}
		errs[side] = diff / norm
	}
	return out, errs
}

func TestSmolLM2QualityOfChangedCaches(t *testing.T) {
	s := loadSmol(t)
	raw, err := os.ReadFile(testenv.Shared(t, "conformance/smollm2/quality.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want quality
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	runes := []rune(s.text)
	at := 300000
	for runes[at] != '\n' {
		at++
	}
	ids := s.tok.Encode(string(runes[at+1:at+4001]), false)[:512]
	cache, _, err := s.model.Prefill(bg, ids[:256], Options{})
	if err != nil {
		t.Fatal(err)
	}
	base := s.model.Tensor(cache, kv.F16)
	names := []string{"q8_0", "q4_0"}
	var prefixes []Prefix
	var errs [][2]float64
	for _, f := range []func([]float32){func([]float32) {}, q8, q4} {
		changed, e := round(base, f)
		p, err := s.model.FromTensor(changed, nil)
		if err != nil {
			t.Fatal(err)
		}
		prefixes, errs = append(prefixes, p), append(errs, e)
	}
	scores := make([][]Score, 256)
	err = s.model.Continue(bg, prefixes, ids[256:], Options{Logits: func(at int, logits [][]float32) {
		scores[at] = make([]Score, len(logits))
		Compare(logits, ids[min(256+at+1, 511)], scores[at])
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		var kld, same, nll, baseNLL float64
		for _, row := range scores[:255] {
			kld += row[i+1].KLD / 255
			nll += row[i+1].NLL / 255
			baseNLL += row[0].NLL / 255
			if row[i+1].Same {
				same += 1.0 / 255
			}
		}
		for _, w := range want.Rows {
			if w.Codec != name {
				continue
			}
			near(t, name+" KLD", kld, w.KLD, 0.02*w.KLD)
			near(t, name+" same top", same, w.Same, 1.5/255)
			near(t, name+" ln PPL ratio", nll-baseNLL, w.PPL, 2e-5)
			near(t, name+" base PPL", math.Exp(baseNLL), w.BasePPL, 1e-5*w.BasePPL)
			near(t, name+" NMSE of keys", errs[i+1][kv.K], w.NMSEK, 1e-3*w.NMSEK)
			near(t, name+" NMSE of values", errs[i+1][kv.V], w.NMSEV, 1e-3*w.NMSEV)
		}
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	t.Logf("%s: %.6g, reference %.6g", what, got, want)
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %g, want %g ± %.2g", what, got, want, tolerance)
	}
}
