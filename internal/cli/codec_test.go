package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/testenv"
	"kvgauge/internal/weights/safetensors"
	"kvgauge/workloads/kvfile"
)

// kvgauge runs the command line in this process and returns its standard output.
func kvgauge(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := Main(args, strings.NewReader(""), &out, &errs); status != 0 {
		t.Fatalf("kvgauge %s: status %d: %s", strings.Join(args, " "), status, errs.String())
	}
	return out.String()
}

// TestAnFP8CacheFileThroughTheCommandLine: ratios count against what is held too, on the way there,
// in the frame and in what comes back.
func TestAnFP8CacheFileThroughTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	var file bytes.Buffer
	codes := safetensors.Entry{Name: "k", DType: safetensors.F8E4M3, Shape: []int{1, 2, 64, 32},
		Data: bytes.Repeat([]byte{56, 57, 56, 58, 0xb8, 60, 56, 59}, 512)}
	if err := safetensors.Write(&file, nil, []safetensors.Entry{codes}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("fp8.safetensors"), file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		want string
		args []string
	}{
		{"held_bytes                 4096\n", []string{"cache", "stat", at("fp8.safetensors")}},
		{" of the 4096 bytes held in f8_e4m3), decompressed", []string{"codec", "compress", "--codec",
			"lossless_fp8", "--in", at("fp8.safetensors"), "--out", at("f.kvgf")}},
		{`"held_bytes": 4096`, []string{"codec", "inspect", at("f.kvgf"), "--json"}},
		{"", []string{"codec", "decompress", "--in", at("f.kvgf"), "--out", at("back.safetensors")}},
		{`"held": "f8_e4m3"`, []string{"cache", "stat", at("back.safetensors"), "--json"}},
	} {
		if out := kvgauge(t, step.args...); !strings.Contains(out, step.want) {
			t.Errorf("kvgauge %v lacks %q:\n%s", step.args[:2], step.want, out)
		}
	}
}

// vector is what KVShuttle said of one of its codecs.
type vector struct {
	Compare          string
	MetadataJSON     string  `json:"metadata_json"`
	CompressionRatio float64 `json:"compression_ratio"`
	WireLen          int     `json:"wire_len"`
	PayloadSHA256    string  `json:"payload_sha256"`
	WireSHA256       string  `json:"wire_sha256"`
}

// TestKVShuttleFilesThroughTheCommandLine goes the way of somebody who checks us against
// KVShuttle with files alone: compress, inspect, decompress.
func TestKVShuttleFilesThroughTheCommandLine(t *testing.T) {
	raw, err := os.ReadFile(testenv.Shared(t, "conformance/kvshuttle/codecs.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Cases map[string]struct{ Compressors map[string]vector }
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for name, c := range all.Cases {
		dir := testenv.Shared(t, "conformance/kvshuttle/"+name)
		in := filepath.Join(dir, "in_k.npy") + "," + filepath.Join(dir, "in_v.npy")
		for codec, want := range c.Compressors {
			if want.Compare == "exact" {
				checkVector(t, dir, in, codec, want)
				checked++
			}
		}
	}
	if checked < 16 {
		t.Errorf("only %d exact vectors", checked)
	}
}

func checkVector(t *testing.T, dir, in, codec string, want vector) {
	tmp := t.TempDir()
	bin, frame := filepath.Join(tmp, "bin"), filepath.Join(tmp, "frame")
	spec := "kvshuttle/" + codec
	kvgauge(t, "codec", "compress", "--codec", spec, "--in", in, "--out", bin, "--payload-only")
	kvgauge(t, "codec", "compress", "--codec", spec, "--in", in, "--out", frame)
	golden, err := os.ReadFile(filepath.Join(dir, codec+".payload.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(bin); !bytes.Equal(got, golden) {
		t.Errorf("%s: payload differs", codec)
	}
	var got struct {
		vector
		Ratio        float64 `json:"kvshuttle_ratio"`
		PayloadBytes int     `json:"payload_bytes"`
	}
	if err := json.Unmarshal([]byte(kvgauge(t, "codec", "inspect", frame, "--json")), &got); err != nil {
		t.Fatal(err)
	}
	if got.MetadataJSON != want.MetadataJSON || got.WireLen != want.WireLen ||
		got.WireSHA256 != want.WireSHA256 || got.PayloadSHA256 != want.PayloadSHA256 ||
		got.PayloadBytes != len(golden) || got.Ratio != want.CompressionRatio {
		t.Errorf("%s: inspect says %+v, want %+v", codec, got, want)
	}
	out := filepath.Join(tmp, "k.npy") + "," + filepath.Join(tmp, "v.npy")
	kvgauge(t, "codec", "decompress", "--in", frame, "--out", out)
	goldenOut := filepath.Join(dir, codec+".out_k.npy") + "," + filepath.Join(dir, codec+".out_v.npy")
	if _, err := os.Stat(strings.Split(goldenOut, ",")[0]); err != nil {
		goldenOut = in // a lossless codec
	}
	if !readHalf(t, out).Equal(readHalf(t, goldenOut)) {
		t.Errorf("%s: the decompressed cache differs", codec)
	}
}

func readHalf(t *testing.T, path string) kv.Tensor {
	t.Helper()
	x, err := kvfile.Read(path, kvfile.Options{DType: kv.F16})
	if err != nil {
		t.Fatal(err)
	}
	return x
}
