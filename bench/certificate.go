package bench

import (
	"context"
	"slices"

	"kvgauge/compressors"
	"kvgauge/internal/modeldata"
	"kvgauge/internal/registry"
	"kvgauge/results"
)

// certificates emits a record for every codec, token dropper and byte coder of the plan: what its
// certificate says when put to the test here, on a model's caches too if the plan has that model. Of a
// sweep's shards the first has them.
func (r *runner) certificates() error {
	if r.Shard.Index != 0 {
		return nil
	}
	k := compressors.Checker{Outside: r.Plan.outside(r.ctx)}
	for _, name := range r.partNames() {
		rec := results.Record{Type: results.CertificateType,
			Cell: []results.Coord{{Axis: "codec", Value: name}}}
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if r.have(rec.Key()) != nil {
			continue
		}
		c, err := k.Check(name)
		if err == nil {
			rec.Certificate, err = results.CertificateOf(c)
		}
		if err == nil {
			err = r.emit(rec)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// outside hands in the caches that certificates want of a model, if the plan runs on it; nil if not.
func (p *Plan) outside(ctx context.Context) func(string) (compressors.Data, error) {
	for _, s := range p.Sources {
		if s.Absent == "" && !p.Smoke && s.Label().Model == modeldata.Model {
			return modeldata.Of(ctx, p.Sweep.Models[modeldata.Model])
		}
	}
	return nil
}

// partNames are the names of the plan's codecs and of what their chains are made of, in order.
func (p *Plan) partNames() []string {
	var names []string
	for _, c := range p.Codecs {
		parts, err := registry.Split(string(c.Spec), '+')
		if err != nil {
			continue // a spec that was opened splits
		}
		for _, part := range parts {
			if name := compressors.Spec(part).Name(); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
