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
	"kvgauge/results"
)

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
	if held := outs[0].Held; held != "" {
		r.Attrs["held"] = held
	}
	p.describeState(c, r.Attrs)
	for _, m := range measures {
		if m.under == "" || p.Sweep.Has(m.under) {
			if metric, ok := p.metric(m, c, outs); ok {
				r.Metrics = append(r.Metrics, metric)
			}
		}
	}
	r.Metrics = append(r.Metrics, p.boundMetrics(c, outs)...)
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
		if slices.Contains([]string{"kept_share", "state_bytes", heldBytes, "ratio_held"}, m.name) ||
			strings.HasPrefix(m.name, "kvshuttle_") {
			return x, false // only droppers, fitted codecs, caches held in 8 bits, KVShuttle's codecs
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
