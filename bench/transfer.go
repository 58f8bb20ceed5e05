package bench

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kvgauge/compressors/kv"
	"kvgauge/configs"
	"kvgauge/internal/stats"
	"kvgauge/results"
	"kvgauge/transfermodel"
)

// intervalDraws is how often a break-even rate is resampled.
const intervalDraws = 2000

// A moved cache is what a transfer model needs to know of a cell: sizes of the sample that was
// timed, and the times on one device.
type moved struct {
	device string
	stages Stages
	kind   results.Kind
	shape  kv.Shape
	raw    int64 // in 16 bits
	plain  int64 // as the cache is held, and travels uncompressed
	wire   int64
}

// derived makes the transfer and breakeven records that follow from a codec's record. They are a
// pure function of it, so that a run that was cut between them resumes.
func (p *Plan) derived(codec *results.Record) []results.Record {
	if p.Sweep.Transfer == nil || codec.Skipped != "" || codec.Failed != "" {
		return nil
	}
	var out []results.Record
	for _, device := range p.Sweep.Transfer.Devices {
		m, err := p.moved(codec, device.Spec)
		for _, t := range p.Transfers {
			out = append(out, p.transfers(codec, t, m, err)...)
			out = append(out, p.breakEven(codec, t, m, err))
		}
	}
	return out
}

// moved finds a cell's times on a device; the error says why there are none.
func (p *Plan) moved(codec *results.Record, device string) (moved, error) {
	m := moved{device: device, kind: results.Timed}
	var err error
	if m.shape, err = parseShape(codec.Attrs["shape"]); err != nil {
		return m, err
	}
	m.raw = int64(codec.Metric("raw_bytes").Values[0])
	if m.plain = m.raw; codec.Metric(heldBytes) != nil {
		m.plain = int64(codec.Metric(heldBytes).Values[0])
	}
	m.wire = int64(codec.Metric("frame_bytes").Values[0])
	if device == configs.CPU {
		compress, decompress := codec.Metric("compress_seconds"), codec.Metric("decompress_seconds")
		m.stages = Stages{Compress: compress.Floats(), Decompress: decompress.Floats()}
		if len(m.stages.Compress) == 0 || len(m.stages.Decompress) == 0 {
			return m, errors.New(compress.Note)
		}
		return m, nil
	}
	// What follows from sizes and a calibration is no noisier than the sizes.
	m.kind = results.Numeric
	m.stages, err = calibrated(device, codec.Coord("codec"), m.shape, m.raw, m.wire)
	return m, err
}

// sizeTolerance is that of times that follow from sizes and a calibration.
const sizeTolerance = 0.01

func (m moved) metric(name string, better int, over string, values ...float64) results.Metric {
	x := results.Metric{Name: name, Kind: m.kind, Better: better, Over: over,
		Values: results.Numbers(values...), Flags: m.stages.Flags}
	if m.kind == results.Numeric {
		x.Tolerance = sizeTolerance
	}
	return x
}

// parseShape reads what kv.Shape.String writes.
func parseShape(text string) (kv.Shape, error) {
	var s kv.Shape
	dims, value, both := strings.Cut(text, "/")
	n, err := fmt.Sscanf(dims, "%dx%dx%dx%d", &s.Layers, &s.Heads, &s.Tokens, &s.KeyDim)
	if s.ValueDim = s.KeyDim; both && err == nil {
		s.ValueDim, err = strconv.Atoi(value)
	}
	if err != nil || n != 4 {
		return s, fmt.Errorf("shape %q is not layers x heads x tokens x dim", text)
	}
	return s, s.Check()
}

// transfer lays out repeat i; samples of both directions are paired by repeat.
func (m moved) transfer(compress, decompress float64) transfermodel.Transfer {
	return transfermodel.Transfer{
		RawBytes: m.plain, WireBytes: m.wire, Layers: m.shape.Layers, Link: transfermodel.Gbps,
		Compress: transfermodel.Seconds(compress), Decompress: transfermodel.Seconds(decompress),
	}
}

// at returns sample i, or the last where one direction has fewer.
func at(xs []float64, i int) float64 { return xs[min(i, len(xs)-1)] }

func (p *Plan) transfers(codec *results.Record, t Transfer, m moved,
	reason error) []results.Record {
	var out []results.Record
	for _, gbps := range p.Sweep.Transfer.LinksGbps {
		r := follow(codec, "transfer", t, m,
			results.Coord{Axis: "link_gbps", Value: strconv.FormatFloat(gbps, 'g', -1, 64)})
		if reason != nil {
			r.Skipped = reason.Error()
		} else {
			r.Metrics = m.layOut(t, transfermodel.ByteRate(gbps)*transfermodel.Gbps)
		}
		out = append(out, r)
	}
	return out
}

// follow begins a record with the coordinates of a codec's record and its own.
func follow(codec *results.Record, kind string, t Transfer, m moved,
	more ...results.Coord) results.Record {
	cell := append(codec.Cell[:len(codec.Cell):len(codec.Cell)],
		results.Coord{Axis: "device", Value: m.device},
		results.Coord{Axis: "transfer", Value: string(t.Spec)})
	return results.Record{Type: kind, Cell: append(cell, more...)}
}

func (m moved) layOut(t Transfer, link transfermodel.ByteRate) []results.Metric {
	var total, raw, saved, compress, send, decompress []float64
	for i := range max(len(m.stages.Compress), len(m.stages.Decompress)) {
		x := m.transfer(at(m.stages.Compress, i), at(m.stages.Decompress, i))
		x.Link = link
		span, plain := t.Lay(x), t.Raw(x)
		total = append(total, span.Ready)
		raw = append(raw, plain)
		saved = append(saved, plain-span.Ready)
		compress = append(compress, span.Compressed)
		send = append(send, span.Sent-span.Compressed)
		decompress = append(decompress, span.Ready-span.Sent)
	}
	return []results.Metric{
		m.metric("total_seconds", -1, "repeat", total...), m.metric("raw_seconds", 0, "repeat", raw[0]),
		m.metric("saved_seconds", 1, "repeat", saved...),
		m.metric("compress_stage_seconds", 0, "repeat", compress...),
		m.metric("send_seconds", 0, "repeat", send...),
		m.metric("decompress_stage_seconds", 0, "repeat", decompress...),
	}
}

func (p *Plan) breakEven(codec *results.Record, t Transfer, m moved, reason error) results.Record {
	r := follow(codec, "breakeven", t, m)
	if reason != nil {
		r.Skipped = reason.Error()
		return r
	}
	x := m.transfer(stats.Median(m.stages.Compress), stats.Median(m.stages.Decompress))
	tie, err := transfermodel.BreakEven(t, x)
	if err != nil {
		r.Failed = err.Error()
		return r
	}
	gbps := func(name string, rate transfermodel.ByteRate) results.Metric {
		return m.metric(name, 1, "", rate.Gbps())
	}
	best := gbps("breakeven_gbps", tie.Rate)
	best.Interval = &results.Interval{Kind: "none"}
	s := transfermodel.Samples{Compress: m.stages.Compress, Decompress: m.stages.Decompress}
	rng := stats.Stream(p.Sweep.Seed, "breakeven|"+r.Key())
	if lo, hi, err := s.Interval(t, x, results.Level, intervalDraws, rng); err == nil {
		best.Interval = &results.Interval{Kind: "samples", Level: results.Level,
			Low: results.Number(lo.Gbps()), High: results.Number(hi.Gbps())}
	} else {
		best.Note = err.Error()
	}
	closed := gbps("breakeven_closed_gbps", tie.Closed)
	if !tie.HasClosed {
		closed.Values = []results.Number{}
		closed.Note = "this model has no closed form for its parameters"
	}
	r.Metrics = []results.Metric{best, closed, gbps("breakeven_bisected_gbps", tie.Bisected)}
	if header := codec.Metric("section_header_bytes"); header != nil && len(header.Values) > 0 {
		x.WireBytes -= int64(header.Values[0])
		bare, err := transfermodel.BreakEven(t, x)
		if err != nil {
			r.Failed = err.Error()
			return r
		}
		payload := gbps("breakeven_payload_gbps", bare.Rate)
		payload.Note = "if only payloads travelled, as papers count, without header and metadata"
		r.Metrics = append(r.Metrics, payload)
	}
	return r
}
