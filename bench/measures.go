package bench

import (
	"slices"
	"strings"

	"kvgauge/compressors"
	"kvgauge/configs"
	"kvgauge/internal/stats"
	"kvgauge/results"
)

// A measure is one metric that a cell's record holds: where it comes from in the outcomes.
type measure struct {
	name   string
	better int
	class  class
	layers bool   // one value per prompt and layer
	under  string // the entry of the sweep's quality list that asks for it; "" is always
	get    func(*outcome) nums
}

// A class says where a metric's noise comes from.
type class int

const (
	size    class = iota // exact where the codec's rate is fixed or the cache is exact
	damage               // exact where the cache is
	verdict              // always numeric
)

// Tolerances of Numeric metrics between unlike CPUs: relative, and absolute.
var tolerances = map[class][2]float64{
	size: {0.01, 0}, damage: {0.02, 1e-7}, verdict: {0.1, 1e-3},
}

// agreementTolerance is wide: where greedy decoding diverges hangs on near ties.
const agreementTolerance = 0.25

// nums are what one sample gives of a measure.
type (
	nums   = []results.Number
	number = results.Number
)

func one(n results.Number) nums { return nums{n} }

// heldBytes is the metric of what is shipped of caches that are held in 8 bits.
const heldBytes = "held_bytes"

var measures = slices.Concat(sizeMeasures(), kvshuttleMeasures(), sideMeasures(), judgedMeasures())

func sizeMeasures() []measure {
	ratio := func(a, b int64) nums { return one(results.Number(float64(a) / float64(b))) }
	out := []measure{
		{name: "raw_bytes", get: func(o *outcome) nums { return one(results.Number(o.RawBytes)) }},
		{name: "frame_bytes", better: -1,
			get: func(o *outcome) nums { return one(results.Number(o.FrameBytes)) }},
		{name: "ratio", better: 1, get: func(o *outcome) nums { return ratio(o.RawBytes, o.FrameBytes) }},
		{name: "bits_per_value", better: -1,
			get: func(o *outcome) nums { return ratio(8*o.FrameBytes, o.Values) }},
	}
	for _, m := range []measure{
		{name: heldBytes, get: func(o *outcome) nums { return one(results.Number(o.HeldBytes)) }},
		{name: "ratio_held", better: 1,
			get: func(o *outcome) nums { return ratio(o.HeldBytes, o.FrameBytes) }},
	} {
		get := m.get
		m.get = func(o *outcome) nums {
			if o.HeldBytes == 0 {
				return nil
			}
			return get(o)
		}
		out = append(out, m)
	}
	for _, k := range []compressors.SectionKind{compressors.Codes, compressors.Scales,
		compressors.Indices, compressors.Tables, compressors.Raw, compressors.Header} {
		out = append(out, measure{name: "section_" + k.String() + "_bytes",
			get: func(o *outcome) nums { return one(results.Number(o.Sections[k.String()])) }})
	}
	out = append(out, measure{name: "state_bytes", better: -1, get: func(o *outcome) nums {
		if o.StateBytes == 0 {
			return nil
		}
		return one(results.Number(o.StateBytes))
	}})
	return append(out, measure{name: "kept_share", get: func(o *outcome) nums {
		if o.KeptShare == nil {
			return nil
		}
		return one(*o.KeptShare)
	}})
}

func sideMeasures() []measure {
	sides := map[string]func(*outcome) *distortion{
		"k": func(o *outcome) *distortion { return o.K },
		"v": func(o *outcome) *distortion { return o.V },
	}
	var out []measure
	type getter = func(*distortion) nums
	add := func(name string, better int, layers bool, under string, get getter) {
		for _, side := range []string{"k", "v"} {
			of := sides[side]
			out = append(out, measure{strings.Replace(name, "#", side, 1), better, damage, layers, under,
				func(o *outcome) nums {
					if d := of(o); d != nil {
						return get(d)
					}
					return nil
				}})
		}
	}
	add("nmse_#", -1, false, configs.NMSE, func(d *distortion) nums { return one(d.NMSE) })
	add("mse_#", -1, false, configs.NMSE, func(d *distortion) nums { return one(d.MSE) })
	add("snr_#_db", 1, false, configs.NMSE, func(d *distortion) nums {
		return one(results.Number(-10 * stats.Log10(float64(d.NMSE))))
	})
	add("cosine_#", 1, false, configs.Cosine, func(d *distortion) nums { return one(d.Cosine) })
	add("nmse_#_by_layer", -1, true, configs.NMSE,
		func(d *distortion) nums { return d.NMSEByLayer })
	add("cosine_#_by_layer", 1, true, configs.Cosine,
		func(d *distortion) nums { return d.CosineByLayer })
	add("cosine_#_row_min", 1, false, configs.Cosine,
		func(d *distortion) nums { return one(d.RowMin) })
	add("cosine_#_row_p01", 1, false, configs.Cosine,
		func(d *distortion) nums { return one(d.RowP01) })
	add("cosine_#_row_median", 1, false, configs.Cosine,
		func(d *distortion) nums { return one(d.RowMedian) })
	return out
}

func judgedMeasures() []measure {
	var out []measure
	add := func(name string, better int, under string, of func(*outcome) *quality,
		get func(*quality) number) {
		out = append(out, measure{name, better, verdict, false, under, func(o *outcome) nums {
			if q := of(o); q != nil {
				return one(get(q))
			}
			return nil
		}})
	}
	all := func(o *outcome) *quality { return o.Quality }
	out = append(out,
		measure{"attention_error", -1, verdict, false, configs.AttentionError,
			func(o *outcome) nums {
				if o.Quality == nil || len(o.Quality.ByLayer) == 0 {
					return nil
				}
				sum := results.Number(0)
				for _, x := range o.Quality.ByLayer {
					sum += x
				}
				return one(sum / results.Number(len(o.Quality.ByLayer)))
			}},
		measure{"attention_error_by_layer", -1, verdict, true, configs.AttentionError,
			func(o *outcome) nums {
				if o.Quality == nil {
					return nil
				}
				return o.Quality.ByLayer
			}})
	add("kld_mean_nats", -1, configs.KLD, all, func(q *quality) number { return q.KLDMean })
	add("kld_median_nats", -1, configs.KLD, all, func(q *quality) number { return q.KLDMedian })
	add("kld_p99_nats", -1, configs.KLD, all, func(q *quality) number { return q.KLDP99 })
	add("kld_max_nats", -1, configs.KLD, all, func(q *quality) number { return q.KLDMax })
	add("ln_ppl_ratio", 0, configs.Perplexity, all, func(q *quality) number { return q.LnPPLRatio })
	add("same_top1", 1, configs.KLD, all, func(q *quality) number { return q.SameTop1 })
	add("base_nll_nats", 0, configs.Perplexity, all, func(q *quality) number { return q.BaseNLL })
	out = append(out, measure{"agreement", 1, verdict, false, configs.Agreement,
		func(o *outcome) nums {
			if o.Quality == nil || o.Quality.Agreement == nil {
				return nil
			}
			return one(*o.Quality.Agreement)
		}})
	k, v := func(o *outcome) *quality { return o.KOnly }, func(o *outcome) *quality { return o.VOnly }
	add("kld_mean_nats_k_only", -1, configs.KOnly, k, func(q *quality) number { return q.KLDMean })
	add("kld_mean_nats_v_only", -1, configs.VOnly, v, func(q *quality) number { return q.KLDMean })
	add("same_top1_k_only", 1, configs.KOnly, k, func(q *quality) number { return q.SameTop1 })
	add("same_top1_v_only", 1, configs.VOnly, v, func(q *quality) number { return q.SameTop1 })
	return out
}
