package transfermodel

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kvgauge/internal/testenv"
)

func TestKVShuttlesTransferVectors(t *testing.T) {
	var golden struct {
		Simulate []struct {
			Bytes int64   `json:"bytes"`
			Gbps  float64 `json:"gbps"`
			MS    float64 `json:"ms"`
		} `json:"simulate"`
		Measured []struct {
			Compress   []float64 `json:"compress_ms"`
			Transfer   []float64 `json:"transfer_ms"`
			Decompress []float64 `json:"decompress_ms"`
			Total      float64   `json:"total_ms"`
		} `json:"pipelined_measured"`
		Split []struct {
			Layers, Chunks int
			Sizes          []int
		} `json:"array_split_layers"`
	}
	b, err := os.ReadFile(testenv.Shared(t, "conformance/kvshuttle/transfer.json"))
	if err == nil {
		err = json.Unmarshal(b, &golden)
	}
	if err != nil || len(golden.Simulate) == 0 || len(golden.Measured) == 0 || len(golden.Split) == 0 {
		t.Fatalf("%+v, %v", golden, err)
	}
	m := open(t, "kvshuttle_pipelined")
	for _, g := range golden.Simulate {
		x := Transfer{RawBytes: g.Bytes, Link: ByteRate(g.Gbps) * Gbps, Layers: 1}
		if got := m.Raw(x) * 1e3; math.Abs(got-g.MS) > 1e-12*g.MS {
			t.Errorf("%d bytes at %v Gbps take %v ms, want %v", g.Bytes, g.Gbps, got, g.MS)
		}
	}
	for _, g := range golden.Measured {
		parts := make([]Chunk, len(g.Compress))
		for i := range parts {
			parts[i] = Chunk{Compress: g.Compress[i], Send: g.Transfer[i], Decompress: g.Decompress[i]}
		}
		if got := KVShuttlePipelined(parts); math.Abs(got-g.Total) > 1e-12*g.Total {
			t.Errorf("%+v: %v, want %v", g, got, g.Total)
		}
	}
	for _, g := range golden.Split {
		if got := ArraySplit(g.Layers, g.Chunks); !slices.Equal(got, g.Sizes) {
			t.Errorf("%d layers in %d parts: %v, want %v", g.Layers, g.Chunks, got, g.Sizes)
		}
	}
}

// Parts whose times are in proportion to their layers: the model and the sum over parts are one.
func TestKVShuttlePipelinedIsItsSumOverParts(t *testing.T) {
	m := open(t, "kvshuttle_pipelined:chunks=7")
	rapid.Check(t, func(t *rapid.T) {
		x := anyTransfer(t)
		var parts []Chunk
		for _, layers := range ArraySplit(x.Layers, 7) {
			share := float64(layers) / float64(x.Layers)
			parts = append(parts, Chunk{Compress: share * x.Compress.Seconds(),
				Send:       share * float64(x.WireBytes) / float64(x.Link),
				Decompress: share * x.Decompress.Seconds()})
		}
		got, want := m.Lay(x).Ready, KVShuttlePipelined(parts)
		if math.Abs(got-want) > 1e-9*want {
			t.Errorf("%+v: %v, sum over parts %v", x, got, want)
		}
	})
}

func TestKVShuttlePipelinedWithEqualPartsIsPipelined(t *testing.T) {
	theirs, ours := open(t, "kvshuttle_pipelined"), open(t, "pipelined")
	rapid.Check(t, func(t *rapid.T) {
		x := anyTransfer(t)
		a, b := theirs.Lay(x).Ready, ours.Lay(x).Ready
		if math.Abs(a-b) > 1e-9*b {
			t.Errorf("%+v: %v and %v", x, a, b)
		}
	})
}

func TestAnEmptySplitHasNoParts(t *testing.T) {
	for _, n := range [][2]int{{0, 4}, {4, 0}, {-1, 3}, {3, -1}} {
		if got := ArraySplit(n[0], n[1]); got != nil {
			t.Errorf("%v: %v", n, got)
		}
	}
	if got := KVShuttlePipelined(nil); got != 0 {
		t.Errorf("no parts take %v s", got)
	}
	if _, _, err := Open("kvshuttle_pipelined:chunks=-1"); err == nil {
		t.Error("chunks=-1 opens")
	}
}
