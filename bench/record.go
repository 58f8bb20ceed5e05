package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"kvgauge/compressors"
	"kvgauge/configs"
	"kvgauge/internal/registry"
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
	get    func(*outcome) []results.Number
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

func one(n results.Number) []results.Number { return []results.Number{n} }

var measures = slices.Concat(sizeMeasures(), kvshuttleMeasures(), sideMeasures(), judgedMeasures())

func sizeMeasures() []measure {
	ratio := func(a, b int64) []results.Number { return one(results.Number(float64(a) / float64(b))) }
	out := []measure{
		{name: "raw_bytes", get: func(o *outcome) []results.Number { return one(results.Number(o.RawBytes)) }},
		{name: "frame_bytes", better: -1,
			get: func(o *outcome) []results.Number { return one(results.Number(o.FrameBytes)) }},
		{name: "ratio", better: 1, get: func(o *outcome) []results.Number { return ratio(o.RawBytes, o.FrameBytes) }},
		{name: "bits_per_value", better: -1,
			get: func(o *outcome) []results.Number { return ratio(8*o.FrameBytes, o.Values) }},
	}
	for _, k := range []compressors.SectionKind{compressors.Codes, compressors.Scales,
		compressors.Indices, compressors.Tables, compressors.Raw, compressors.Header} {
		out = append(out, measure{name: "section_" + k.String() + "_bytes",
			get: func(o *outcome) []results.Number { return one(results.Number(o.Sections[k.String()])) }})
	}
	return append(out, measure{name: "kept_share", get: func(o *outcome) []results.Number {
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
	add := func(name string, better int, layers bool, under string, get func(*distortion) []results.Number) {
		for _, side := range []string{"k", "v"} {
			of := sides[side]
			out = append(out, measure{strings.Replace(name, "#", side, 1), better, damage, layers, under,
				func(o *outcome) []results.Number {
					if d := of(o); d != nil {
						return get(d)
					}
					return nil
				}})
		}
	}
	add("nmse_#", -1, false, configs.NMSE, func(d *distortion) []results.Number { return one(d.NMSE) })
	add("mse_#", -1, false, configs.NMSE, func(d *distortion) []results.Number { return one(d.MSE) })
	add("snr_#_db", 1, false, configs.NMSE, func(d *distortion) []results.Number {
		return one(results.Number(-10 * stats.Log10(float64(d.NMSE))))
	})
	add("cosine_#", 1, false, configs.Cosine, func(d *distortion) []results.Number { return one(d.Cosine) })
	add("nmse_#_by_layer", -1, true, configs.NMSE, func(d *distortion) []results.Number { return d.NMSEByLayer })
	add("cosine_#_by_layer", 1, true, configs.Cosine,
		func(d *distortion) []results.Number { return d.CosineByLayer })
	add("cosine_#_row_min", 1, false, configs.Cosine, func(d *distortion) []results.Number { return one(d.RowMin) })
	add("cosine_#_row_p01", 1, false, configs.Cosine, func(d *distortion) []results.Number { return one(d.RowP01) })
	add("cosine_#_row_median", 1, false, configs.Cosine,
		func(d *distortion) []results.Number { return one(d.RowMedian) })
	return out
}

func judgedMeasures() []measure {
	var out []measure
	add := func(name string, better int, under string, of func(*outcome) *quality,
		get func(*quality) results.Number) {
		out = append(out, measure{name, better, verdict, false, under, func(o *outcome) []results.Number {
			if q := of(o); q != nil {
				return one(get(q))
			}
			return nil
		}})
	}
	all := func(o *outcome) *quality { return o.Quality }
	out = append(out,
		measure{"attention_error", -1, verdict, false, configs.AttentionError, func(o *outcome) []results.Number {
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
			func(o *outcome) []results.Number {
				if o.Quality == nil {
					return nil
				}
				return o.Quality.ByLayer
			}})
	add("kld_mean_nats", -1, configs.KLD, all, func(q *quality) results.Number { return q.KLDMean })
	add("kld_median_nats", -1, configs.KLD, all, func(q *quality) results.Number { return q.KLDMedian })
	add("kld_p99_nats", -1, configs.KLD, all, func(q *quality) results.Number { return q.KLDP99 })
	add("kld_max_nats", -1, configs.KLD, all, func(q *quality) results.Number { return q.KLDMax })
	add("ln_ppl_ratio", 0, configs.Perplexity, all, func(q *quality) results.Number { return q.LnPPLRatio })
	add("same_top1", 1, configs.KLD, all, func(q *quality) results.Number { return q.SameTop1 })
	add("base_nll_nats", 0, configs.Perplexity, all, func(q *quality) results.Number { return q.BaseNLL })
	out = append(out, measure{"agreement", 1, verdict, false, configs.Agreement, func(o *outcome) []results.Number {
		if o.Quality == nil || o.Quality.Agreement == nil {
			return nil
		}
		return one(*o.Quality.Agreement)
	}})
	k, v := func(o *outcome) *quality { return o.KOnly }, func(o *outcome) *quality { return o.VOnly }
	add("kld_mean_nats_k_only", -1, configs.KOnly, k, func(q *quality) results.Number { return q.KLDMean })
	add("kld_mean_nats_v_only", -1, configs.VOnly, v, func(q *quality) results.Number { return q.KLDMean })
	add("same_top1_k_only", 1, configs.KOnly, k, func(q *quality) results.Number { return q.SameTop1 })
	add("same_top1_v_only", 1, configs.VOnly, v, func(q *quality) results.Number { return q.SameTop1 })
	return out
}

// record makes the record of a cell from what came of its samples, in their order.
func (p *Plan) record(c Cell, samples []sampled, outs []outcome) results.Record {
	r := results.Record{Type: "codec", Cell: p.Coords(c), Attrs: p.attrs(p.Codecs[c.Codec])}
	for i := range outs {
		o := &outs[i]
		if o.done() {
			continue
		}
		r.Skipped, r.Failed = o.Skipped, o.Failed
		if len(outs) > 1 && r.Failed != "" && samples[i].Name != "" {
			r.Failed = fmt.Sprintf("%s: %s", samples[i].Name, r.Failed)
		}
		return r
	}
	for _, s := range samples {
		r.Labels = append(r.Labels, s.Name)
	}
	r.Attrs["payload_sha256"] = payloadDigest(outs)
	r.Attrs["shape"] = outs[0].Shape
	for _, m := range measures {
		if m.under == "" || p.Sweep.Has(m.under) {
			if metric, ok := p.metric(m, c, outs); ok {
				r.Metrics = append(r.Metrics, metric)
			}
		}
	}
	return r
}

func (p *Plan) metric(m measure, c Cell, outs []outcome) (results.Metric, bool) {
	x := results.Metric{Name: m.name, Better: m.better, Over: "prompt", Values: []results.Number{}}
	x.Kind = p.kind(m.class, c)
	if x.Kind == results.Numeric {
		x.Tolerance, x.AbsTolerance = tolerances[m.class][0], tolerances[m.class][1]
		if m.under == configs.Agreement {
			x.AbsTolerance = agreementTolerance
		}
	}
	perPrompt := 0
	for i := range outs {
		values := m.get(&outs[i])
		x.Values = append(x.Values, values...)
		perPrompt = len(values)
	}
	if m.layers && len(x.Values) > 0 {
		x.Over, x.Dims = "prompt,layer", []int{len(outs), perPrompt}
	}
	caps := p.Codecs[c.Codec].Caps
	if len(x.Values) == 0 {
		if m.name == "kept_share" || strings.HasPrefix(m.name, "kvshuttle_") {
			return x, false // only droppers have one, and only KVShuttle's codecs the others
		}
		x.Note = p.whyAbsent(m, c)
	} else if m.class == damage && caps.DropsTokens {
		x.Note = "over the rows that were kept; dropped ones are absent, not wrong"
	}
	return x, true
}

// kind says how two runs' values of a metric are compared. A cache that a model computed is
// itself only numeric, and with it all that depends on its values.
func (p *Plan) kind(c class, cell Cell) results.Kind {
	model := p.Sources[cell.Source].Label().Kind == "model"
	if c == verdict || model && (c == damage || !p.Codecs[cell.Codec].Caps.FixedRate) {
		return results.Numeric
	}
	return results.Exact
}

func (p *Plan) whyAbsent(m measure, c Cell) string {
	kind := p.Sources[c.Source].Label().Kind
	switch {
	case m.class == damage:
		return "no values: the cache holds one latent for keys and values"
	case kind == "synthetic":
		return "no queries: no model stands behind a synthetic cache"
	case kind != "model":
		return "no queries: no model stands behind a cache from a file"
	case p.Codecs[c.Codec].Caps.DropsTokens:
		return "a dropped token takes its key and its value along"
	}
	return "the model's judge does not give it"
}

// attrs are what is known of a codec beside its numbers.
func (p *Plan) attrs(c Codec) map[string]string {
	out := map[string]string{}
	b, _ := json.Marshal(c.Caps) // a struct of bools and a string cannot fail
	var caps map[string]any
	_ = json.Unmarshal(b, &caps)
	for name, v := range caps {
		switch v := v.(type) {
		case bool:
			if v {
				out[name] = "true"
			}
		case string:
			if v != "" {
				out[name] = v
			}
		}
	}
	if source := codecSource(c.Spec); source != "" {
		out["codec_source"] = source
	}
	return out
}

// codecSource names the papers or projects of a codec, or of every part of a chain.
func codecSource(spec compressors.Spec) string {
	parts, err := registry.Split(string(spec), '+')
	if err != nil {
		return ""
	}
	var out []string
	for _, part := range parts {
		info, err := compressors.Describe(compressors.Spec(part).Name())
		if err == nil && !slices.Contains(out, info.Source) {
			out = append(out, info.Source)
		}
	}
	return strings.Join(out, "; ")
}

// payloadDigest is the SHA-256 of the payload, or with several prompts of their digests in order.
func payloadDigest(outs []outcome) string {
	if len(outs) == 1 {
		return outs[0].Payload
	}
	h := sha256.New()
	for _, o := range outs {
		b, _ := hex.DecodeString(o.Payload)
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}
