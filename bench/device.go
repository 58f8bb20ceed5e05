package bench

import (
	"slices"

	"kvgauge/compressors/kv"
	"kvgauge/configs"
	"kvgauge/gpucal"
)

// Stages are a codec's times on a device, in seconds for the whole cache. One sample of each gives
// no interval.
type Stages struct {
	Compress, Decompress []float64
	Flags                []string // where the times come from: measured, fitted, extrapolated, …
}

// checkDevice returns an error for a device that has no calibration. cpu is this machine.
func checkDevice(name string) error {
	if name == configs.CPU {
		return nil
	}
	_, err := gpucal.Open(name)
	return err
}

// calibrated looks up what a codec takes on a device. The error is why there is no answer.
func calibrated(device, codec string, shape kv.Shape, raw, wire int64) (Stages, error) {
	var s Stages
	q := gpucal.Query{Codec: codec, Tokens: shape.Tokens, RawBytes: raw, WireBytes: wire}
	if shape.KeyDim == shape.ValueDim { // else no measured point can be of this shape
		q.Shape = gpucal.Shape{Layers: shape.Layers, Heads: shape.Heads, Dim: shape.KeyDim}
	}
	for _, op := range []gpucal.Op{gpucal.Compress, gpucal.Decompress} {
		q.Op = op
		a, err := gpucal.Lookup(device, q)
		if err != nil {
			return Stages{}, err
		}
		samples := a.Samples
		if len(samples) == 0 {
			samples = []float64{a.Seconds}
		}
		if op == gpucal.Compress {
			s.Compress = samples
		} else {
			s.Decompress = samples
		}
		for _, flag := range append([]string{string(a.Provenance)}, a.Flags...) {
			if !slices.Contains(s.Flags, flag) {
				s.Flags = append(s.Flags, flag)
			}
		}
	}
	return s, nil
}
