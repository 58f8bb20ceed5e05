// Package modeldata hands certificates the caches of a model.
package modeldata

import (
	"context"
	"fmt"
	"sync"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/workloads"
)

// Model is the one whose caches certificates ask for.
const Model = "smollm2"

// fitted is how many caches codecs are fitted on.
const fitted = 8

// Of returns what a compressors.Checker asks for the data that certificates want of a model:
// the cache of the first passage of 768 tokens, what SmolLM2 makes of changes to it over the 256
// tokens that follow, and the caches of the next eight passages to fit on. path is where the model
// lies, "" that where it was pulled to. Nothing is computed before it is asked for, nor twice.
func Of(ctx context.Context, path string) func(source string) (compressors.Data, error) {
	o := workloads.Options{}
	if path != "" {
		o.Models = map[string]string{Model: path}
	}
	of := func(d kv.DType) func() (compressors.Data, error) {
		return sync.OnceValues(func() (compressors.Data, error) { return modelData(ctx, o, d) })
	}
	bf16, f16 := of(kv.BF16), of(kv.F16)
	return func(source string) (compressors.Data, error) {
		switch source {
		case compressors.SmolLM2BF16.Name:
			return bf16()
		case compressors.SmolLM2F16.Name:
			return f16()
		case compressors.SmolLM2BF16InF16.Name:
			d, err := bf16()
			if err != nil {
				return d, err
			}
			return compressors.Data{Cache: held(d.Cache, kv.F16)}, nil
		}
		return compressors.Data{}, fmt.Errorf("nobody hands in %s", source)
	}
}

func modelData(ctx context.Context, o workloads.Options, d kv.DType) (compressors.Data, error) {
	_, src, err := workloads.Open(fmt.Sprintf("model:name=%s,prompts=1,prefix_tokens=512,"+
		"continuation_tokens=256,dtype=%s", Model, d), o)
	if err != nil {
		return compressors.Data{}, err
	}
	s, err := src.Sample(ctx, 0)
	if err != nil {
		return compressors.Data{}, err
	}
	return compressors.Data{Cache: s.Cache,
		Fit: sync.OnceValues(func() ([]kv.Tensor, error) {
			caches := make([]kv.Tensor, fitted)
			for i := range caches {
				if caches[i], err = src.(workloads.Calibrator).Calibration(ctx, i); err != nil {
					return nil, err
				}
			}
			return caches, nil
		}),
		LnPPL: func(changed kv.Tensor) (float64, error) {
			v, err := s.Judge.Judge(ctx, []workloads.Candidate{{Cache: changed}}, workloads.JudgeOptions{})
			if err != nil {
				return 0, err
			}
			sum := 0.0
			for i, x := range v[0].NLL {
				sum += x - v[0].BaseNLL[i]
			}
			return sum / float64(len(v[0].NLL)), nil
		}}, nil
}

// held returns t's values rounded to another type.
func held(t kv.Tensor, d kv.DType) kv.Tensor {
	out := kv.New(t.Shape, d)
	out.Meta = t.Meta
	for _, side := range kv.Sides {
		wide := make([]float32, len(t.Bits[side]))
		t.DType.Widen(wide, t.Bits[side])
		d.Narrow(out.Bits[side], wide)
	}
	return out
}
