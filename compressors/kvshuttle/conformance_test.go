package kvshuttle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/testenv"
)

type golden struct {
	Compare    string  `json:"compare"`
	Original   int     `json:"original_size_bytes"`
	Compressed int     `json:"compressed_size_bytes"`
	Metadata   string  `json:"metadata_json"`
	Ratio      float64 `json:"compression_ratio"`
	WireLen    int     `json:"wire_len"`
	WireSHA    string  `json:"wire_sha256"`
	PayloadSHA string  `json:"payload_sha256"`
	Kept       []int   `json:"kept_indices"`
}

// npy reads a float16 array in C order, as the vectors have them.
func npy(t *testing.T, path string) []uint16 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data := b[10+int(binary.LittleEndian.Uint16(b[8:])):]
	out := make([]uint16, len(data)/2)
	for i := range out {
		out[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	return out
}

func TestEveryGoldenVectorHolds(t *testing.T) {
	root := testenv.Shared(t, "conformance/kvshuttle")
	var file struct {
		Cases map[string]struct {
			Shape       []int             `json:"shape"`
			Compressors map[string]golden `json:"compressors"`
		} `json:"cases"`
	}
	b, err := os.ReadFile(root + "/codecs.json")
	if err == nil {
		err = json.Unmarshal(b, &file)
	}
	if err != nil || len(file.Cases) == 0 {
		t.Fatalf("%d cases, %v", len(file.Cases), err)
	}
	for name, c := range file.Cases {
		src := kv.New(kv.Shape{Layers: c.Shape[0], Heads: c.Shape[1], Tokens: c.Shape[2],
			KeyDim: c.Shape[3], ValueDim: c.Shape[3]}, kv.F16)
		src.Bits = [2][]uint16{npy(t, root+"/"+name+"/in_k.npy"), npy(t, root+"/"+name+"/in_v.npy")}
		if len(c.Compressors) != 14 {
			t.Fatalf("%s has %d codecs", name, len(c.Compressors))
		}
		for codecName, g := range c.Compressors {
			t.Run(name+"/"+codecName, func(t *testing.T) {
				checkVector(t, root+"/"+name+"/"+codecName, codecName, src, g)
			})
		}
	}
}

func checkVector(t *testing.T, base, name string, src kv.Tensor, g golden) {
	_, c, err := compressors.Open("kvshuttle/" + name)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := c.AppendCompress(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	payload, meta, err := split(blob)
	if err != nil || string(meta) != g.Metadata {
		t.Errorf("metadata %s, %v\nwant     %s", meta, err, g.Metadata)
	}
	ratio, _ := Ratio(src, blob)
	wire, _ := WireLen(src, blob)
	if g.Compare != "lossless" && (len(payload) != g.Compressed || ratio != g.Ratio || wire != g.WireLen) {
		t.Errorf("%d bytes, ratio %v, wire %d; want %d, %v, %d", len(payload), ratio, wire,
			g.Compressed, g.Ratio, g.WireLen)
	}
	if g.Compare == "exact" {
		checkExact(t, base, src, payload, meta, g)
	}
	out := kv.New(src.Shape, kv.F16)
	if err := c.Decompress(out, blob); err != nil {
		t.Fatal(err)
	}
	for _, side := range kv.Sides {
		want := src.Bits[side]
		if _, err := os.Stat(base + ".out_" + side.String() + ".npy"); err == nil {
			want = npy(t, base+".out_"+side.String()+".npy")
		}
		checkOutput(t, name, side, g.Compare, src, out, want)
	}
}

func checkExact(t *testing.T, base string, src kv.Tensor, payload, meta []byte, g golden) {
	sum := sha256.Sum256(payload)
	if hex.EncodeToString(sum[:]) != g.PayloadSHA {
		t.Error("the payload is another")
		if want, err := os.ReadFile(base + ".payload.bin"); err == nil {
			for i := range min(len(want), len(payload)) {
				if want[i] != payload[i] {
					t.Fatalf("first difference at byte %d: %#x, want %#x", i, payload[i], want[i])
				}
			}
		}
	}
	h := sha256.New()
	writeWire(h, src, payload, meta)
	if hex.EncodeToString(h.Sum(nil)) != g.WireSHA {
		t.Error("the wire message is another")
	}
}

// checkOutput compares bit for bit, except where an SVD's rounding is in the result: within 1e-3
// of the layer's largest value for palu_lr, and with an error of the same order for palu_int4,
// whose groups depend on the signs that an SVD happens to choose.
func checkOutput(t *testing.T, name string, side kv.Side, compare string, src, out kv.Tensor,
	want []uint16) {
	got := out.Bits[side]
	if compare != "reconstruction" {
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%v[%d] = %v, want %v", side, i, kern.F16ToF32(got[i]), kern.F16ToF32(want[i]))
			}
		}
		return
	}
	n := len(got) / out.Layers
	for l := range out.Layers {
		var most, worst, ours, theirs float64
		for i := l * n; i < (l+1)*n; i++ {
			a, b := float64(kern.F16ToF32(got[i])), float64(kern.F16ToF32(want[i]))
			x := float64(kern.F16ToF32(src.Bits[side][i]))
			most, worst = max(most, math.Abs(b)), max(worst, math.Abs(a-b))
			ours, theirs = ours+(a-x)*(a-x), theirs+(b-x)*(b-x)
		}
		if name == "palu_lr" && worst > 1e-3*most {
			t.Errorf("%v layer %d is off by %v of %v", side, l, worst, most)
		}
		if ratio := ours / theirs; name == "palu_int4" && (ratio < 0.3 || ratio > 3) {
			t.Errorf("%v layer %d: squared error %v, KVShuttle's is %v", side, l, ours, theirs)
		}
	}
}

func TestPythonPrintsFloatsSo(t *testing.T) {
	for v, want := range map[float64]string{
		1: "1.0", 0.1: "0.1", 1e16: "1e+16", 123456789012345680: "1.2345678901234568e+17",
		1e15: "1000000000000000.0", 1e-4: "0.0001", 1e-5: "1e-05", 1.5e-7: "1.5e-07",
		float64(float32(0.3395669162273407)): "0.3395669162273407", 2.5e-100: "2.5e-100",
		math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", -0.25: "-0.25", 516: "516.0",
	} {
		if got := string(appendRepr(nil, v)); got != want {
			t.Errorf("%v prints as %s, want %s", v, got, want)
		}
	}
	if got := appendRepr(nil, math.NaN()); !bytes.Equal(got, []byte("NaN")) {
		t.Errorf("NaN prints as %s", got)
	}
}
