package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"kvgauge/internal/stats"
)

// A theirRow is one row of KVShuttle's results.json, in the order of its keys. Times and quality
// are left out where there are none, as KVShuttle leaves them out.
type theirRow struct {
	Model        string   `json:"model"`
	Compressor   string   `json:"compressor"`
	Gbps         float64  `json:"bandwidth_gbps"`
	SeqLen       int      `json:"seq_len"`
	PromptIdx    int      `json:"prompt_idx"`
	PromptSource string   `json:"prompt_source"`
	Compress     *float64 `json:"compress_ms,omitempty"`
	Serialize    *float64 `json:"serialize_ms,omitempty"`
	Transfer     float64  `json:"transfer_ms"`
	Deserialize  *float64 `json:"deserialize_ms,omitempty"`
	Decompress   *float64 `json:"decompress_ms,omitempty"`
	Total        *float64 `json:"total_ms,omitempty"`
	RawTransfer  float64  `json:"raw_transfer_ms"`
	Speedup      *float64 `json:"speedup,omitempty"`
	Original     int64    `json:"original_bytes"`
	Compressed   int64    `json:"compressed_bytes"`
	Ratio        float64  `json:"compression_ratio"`

	KeyCosine       *float64  `json:"mean_key_cosine_sim,omitempty"`
	ValueCosine     *float64  `json:"mean_val_cosine_sim,omitempty"`
	KeyMSE          *float64  `json:"mean_key_mse,omitempty"`
	ValueMSE        *float64  `json:"mean_val_mse,omitempty"`
	PerplexityDelta *float64  `json:"perplexity_delta,omitempty"`
	TokenAgreement  *float64  `json:"token_agreement,omitempty"`
	KeyByLayer      []float64 `json:"key_cosine_sim_per_layer,omitempty"`
	ValueByLayer    []float64 `json:"val_cosine_sim_per_layer,omitempty"`
}

type theirMetadata struct {
	Experiment   string    `json:"experiment"`
	Backend      string    `json:"backend"`
	Timestamp    string    `json:"timestamp"`
	NumResults   int       `json:"num_results"`
	Models       []string  `json:"models"`
	Compressors  []string  `json:"compressors"`
	Gbps         []float64 `json:"bandwidths_gbps"`
	PromptSource string    `json:"prompt_source"`
}

// theirConfig is what the form needs of a run's config.
type theirConfig struct {
	Transfer struct {
		Links []float64 `json:"links_gbps"`
	} `json:"transfer"`
	KVShuttle struct {
		Experiment string `json:"experiment"`
		Lengths    []int  `json:"lengths"`
		PerLayer   bool   `json:"per_layer"`
	} `json:"kvshuttle"`
}

// A theirModel holds the records of one model by the index of the prompt.
type theirModel struct {
	name    string
	prompts [][]theirPrompt
}

// A theirPrompt is one sample of one record.
type theirPrompt struct {
	r      *Record
	sample int
}

// KVShuttle returns a run in the form of KVShuttle's results.json (repository awneesht/KVShuttle
// at 768c6d7): one row per model, prompt, codec and link, and why each cell without rows has none.
//
// Times are medians of this machine's, without serialization, which is not timed apart.
// prompt_source says synthetic of synthetic caches, whatever the experiment asked for. Prompts of
// one length are one synthetic cache and have equal rows, as they do there. It is an error if the
// run has no links.
func KVShuttle(f *File) (text []byte, left []string, err error) {
	var c theirConfig
	if err := json.Unmarshal(f.Header.Config, &c); err != nil {
		return nil, nil, fmt.Errorf("%s: config of the run: %w", f.Path, err)
	}
	if len(c.Transfer.Links) == 0 {
		return nil, nil, errors.New("KVShuttle's form has a row for every link: " +
			"the run has no transfer.links_gbps")
	}
	meta := theirMetadata{Experiment: f.Header.Name, Backend: "kvgauge", Gbps: c.Transfer.Links,
		Timestamp: strings.TrimSuffix(f.Header.Started, "Z")}
	if c.KVShuttle.Experiment != "" {
		meta.Experiment = c.KVShuttle.Experiment
	}
	models, left, err := theirModels(f, c.KVShuttle.Lengths, maxTheirRows/len(c.Transfer.Links))
	if err != nil {
		return nil, nil, err
	}
	rows := []json.RawMessage{}
	for _, m := range models {
		meta.Models = append(meta.Models, m.name)
		for idx, prompts := range m.prompts {
			for _, p := range prompts {
				row := p.row(idx, c.KVShuttle.PerLayer)
				meta.add(row)
				for _, gbps := range c.Transfer.Links {
					b, err := json.Marshal(row.over(gbps, p))
					if err != nil {
						return nil, nil, err
					}
					rows = append(rows, b)
				}
			}
		}
	}
	meta.NumResults = len(rows)
	text, err = json.MarshalIndent(struct {
		Metadata theirMetadata     `json:"metadata"`
		Results  []json.RawMessage `json:"results"`
	}{meta, rows}, "", "  ")
	return append(bytes.TrimSpace(text), '\n'), left, err
}

// add notes the codec and the prompt source of a row.
func (m *theirMetadata) add(row theirRow) {
	known := false
	for _, name := range m.Compressors {
		known = known || name == row.Compressor
	}
	if !known {
		m.Compressors = append(m.Compressors, row.Compressor)
	}
	switch m.PromptSource {
	case "", row.PromptSource:
		m.PromptSource = row.PromptSource
	default:
		m.PromptSource = "mixed"
	}
}

// theirModels sorts the run's codec records by model and prompt. lengths are the tokens of each
// synthetic prompt; without them caches are counted through, model by model.
// The error says that they make more than most rows of one link.
func theirModels(f *File, lengths []int, most int) (models []*theirModel, left []string, err error) {
	byName := map[string]*theirModel{}
	prompts := map[int][]int{} // indices of the prompts of a length
	for i, tokens := range lengths {
		prompts[tokens] = append(prompts[tokens], i)
	}
	first := map[string]int{} // of each cache, the index of its first prompt
	for i := range f.Records {
		r := &f.Records[i]
		if r.Type != "codec" {
			continue
		}
		if r.Skipped != "" || r.Failed != "" {
			left = append(left, fmt.Sprintf("%s %s: %s%s", r.Coord("cache"), r.Coord("codec"),
				r.Skipped, r.Failed))
			continue
		}
		m := byName[r.Coord("model")]
		if m == nil {
			m = &theirModel{name: r.Coord("model")}
			byName[m.name] = m
			models = append(models, m)
		}
		if most -= m.place(r, prompts, first); most < 0 {
			return nil, nil, fmt.Errorf("more than %d rows: make a run of fewer cells", maxTheirRows)
		}
	}
	return models, left, nil
}

// maxTheirRows bounds the rows of a file, so that hostile input stays cheap.
const maxTheirRows = 1 << 21

// place enters every sample of a record under the prompts that it stands for, and returns how
// many those are.
func (m *theirModel) place(r *Record, prompts map[int][]int, first map[string]int) int {
	raw := r.Metric("raw_bytes")
	if raw == nil {
		return 0
	}
	tokens, _ := strconv.Atoi(r.Coord("tokens"))
	if same := prompts[tokens]; r.Coord("source") == "synthetic" && len(raw.Values) == 1 && same != nil {
		for _, idx := range same {
			m.at(idx, theirPrompt{r, 0})
		}
		return len(same)
	}
	start, seen := first[r.Coord("cache")]
	if !seen {
		start = len(m.prompts)
		first[r.Coord("cache")] = start
	}
	for i := range raw.Values {
		m.at(start+i, theirPrompt{r, i})
	}
	return len(raw.Values)
}

func (m *theirModel) at(idx int, p theirPrompt) {
	for len(m.prompts) <= idx {
		m.prompts = append(m.prompts, nil)
	}
	m.prompts[idx] = append(m.prompts[idx], p)
}

// value returns the sample's value of a metric, or nil where there is none that JSON can hold.
func (p theirPrompt) value(name string) *float64 {
	m := p.r.Metric(name)
	if m == nil || p.sample >= len(m.Values) {
		return nil
	}
	return finite(float64(m.Values[p.sample]))
}

func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func (p theirPrompt) number(names ...string) float64 {
	for _, name := range names {
		if v := p.value(name); v != nil {
			return *v
		}
	}
	return 0
}

// row makes what all links share of the rows of one prompt.
func (p theirPrompt) row(idx int, perLayer bool) theirRow {
	r := p.r
	tokens, _ := strconv.Atoi(r.Coord("tokens"))
	row := theirRow{Model: r.Coord("model"), SeqLen: tokens, PromptIdx: idx,
		Compressor:   strings.TrimPrefix(r.Coord("codec"), "kvshuttle/"),
		PromptSource: r.Coord("source"),
		Original:     int64(p.number("raw_bytes")),
		Compressed:   int64(p.number("kvshuttle_payload_bytes", "frame_bytes")),
		Ratio:        p.number("kvshuttle_ratio", "ratio"),
		KeyCosine:    p.value("cosine_k"), ValueCosine: p.value("cosine_v"),
		KeyMSE: p.value("mse_k"), ValueMSE: p.value("mse_v"),
		TokenAgreement: p.value("same_top1"),
	}
	if row.PromptSource == "model" {
		row.PromptSource = r.Coord("dataset")
	}
	if base, ratio := p.value("base_nll_nats"), p.value("ln_ppl_ratio"); base != nil && ratio != nil {
		row.PerplexityDelta = finite(math.Exp(*base+*ratio) - math.Exp(*base))
	}
	if perLayer {
		row.KeyByLayer, row.ValueByLayer = p.layers("cosine_k_by_layer"), p.layers("cosine_v_by_layer")
	}
	return row
}

// layers returns the sample's row of a metric over prompts and layers.
func (p theirPrompt) layers(name string) []float64 {
	m := p.r.Metric(name)
	if m == nil || len(m.Dims) != 2 || len(m.Values) < (p.sample+1)*m.Dims[1] {
		return nil
	}
	return m.Floats()[p.sample*m.Dims[1] : (p.sample+1)*m.Dims[1]]
}

// over adds what follows from a link's rate. Transfers take the wire length, which for KVShuttle's
// codecs is of KVShuttle's message.
func (row theirRow) over(gbps float64, p theirPrompt) theirRow {
	row.Gbps = gbps
	row.Transfer = 8 * p.number("kvshuttle_wire_bytes", "frame_bytes") / (gbps * 1e6)
	row.RawTransfer = 8 * float64(row.Original) / (gbps * 1e6)
	c, d := p.medianMS("compress_seconds"), p.medianMS("decompress_seconds")
	if c == nil || d == nil {
		return row
	}
	none := 0.0
	total := *c + row.Transfer + *d
	row.Compress, row.Serialize, row.Deserialize, row.Decompress = c, &none, &none, d
	row.Total = &total
	row.Speedup = finite(row.RawTransfer / total)
	return row
}

func (p theirPrompt) medianMS(name string) *float64 {
	m := p.r.Metric(name)
	if m == nil || len(m.Values) == 0 {
		return nil
	}
	return finite(1e3 * stats.Median(m.Floats()))
}
