package kvfile

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"kvgauge/compressors/kv"
	"kvgauge/internal/testenv"
	"kvgauge/internal/weights/safetensors"
)

// ramp returns a cache in which every value differs from its neighbours.
func ramp(s kv.Shape, d kv.DType) kv.Tensor {
	t := kv.New(s, d)
	for _, side := range kv.Sides {
		for i := range t.Bits[side] {
			t.Bits[side][i] = d.Bits(float32(i%97) - 40.5 + 100*float32(side))
		}
	}
	return t
}

var shapes = map[string]kv.Shape{
	"equal dims":   {Layers: 2, Heads: 3, Tokens: 5, KeyDim: 4, ValueDim: 4},
	"unequal dims": {Layers: 2, Heads: 1, Tokens: 7, KeyDim: 6, ValueDim: 2},
	"latent":       {Layers: 3, Heads: 1, Tokens: 4, KeyDim: 9},
	"no tokens":    {Layers: 1, Heads: 2, Tokens: 0, KeyDim: 3, ValueDim: 3},
}

func TestEveryFormatGivesTheCacheBack(t *testing.T) {
	dir := t.TempDir()
	k := filepath.Join(dir, "k.npy")
	for name, shape := range shapes {
		for _, d := range []kv.DType{kv.F16, kv.BF16} {
			src := ramp(shape, d)
			for _, path := range []string{
				filepath.Join(dir, "x.safetensors"), filepath.Join(dir, "x.npz"),
				k + "," + filepath.Join(dir, "v.npy"),
			} {
				if err := Write(path, src); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				got, err := Read(path, Defaults)
				if err != nil || !got.Equal(src) {
					t.Errorf("%s in %v through %s: got %v %v, %v", name, d, path, got.Shape, got.DType, err)
				}
				head, err := Head(path, Defaults)
				if err != nil || head.Shape != got.Shape || head.DType != got.DType ||
					head.Bits[kv.K] != nil {
					t.Errorf("%s: head of %s is %v %v, %v", name, path, head.Shape, head.DType, err)
				}
			}
		}
	}
	keys, err := Read(k, Defaults)
	if err != nil || keys.ValueDim != 0 {
		t.Errorf("keys alone: %v, %v", keys.Shape, err)
	}
}

func TestASliceIsWrittenWithoutItsGaps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	whole := ramp(shapes["equal dims"], kv.BF16)
	whole.Meta = &kv.Meta{Positions: []int32{2, 3, 5, 7, 11}}
	if err := Write(path, whole.Slice(1, 4)); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path, Defaults)
	if err != nil || !got.Equal(whole.Slice(1, 4)) || got.Meta.Position(2) != 7 {
		t.Errorf("got %v with %+v, %v", got.Shape, got.Meta, err)
	}
}

func TestSafetensorsKeepMetadata(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	src := ramp(kv.Shape{Layers: 1, Heads: 1, Tokens: 2, KeyDim: 2, ValueDim: 2}, kv.F16)
	src.Meta = &kv.Meta{Model: "tiny", Positions: []int32{4, 9},
		Rope: &kv.Rope{Theta: 1e5, Dim: 2, Interleaved: true, Applied: true}}
	if err := WriteKept(path, src, &kv.Kept{Layers: 1, Heads: 1, Lists: [][]int32{{1}}}); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path, Defaults)
	if err != nil || !reflect.DeepEqual(got.Meta, src.Meta) {
		t.Errorf("metadata came back as %+v, %v", got.Meta, err)
	}
	raw, _ := os.ReadFile(path)
	st, err := safetensors.Read(bytes.NewReader(raw), int64(len(raw)))
	if err != nil || st.Metadata["kept"] != "[[[1]]]" {
		t.Errorf("kept is %q, %v", st.Metadata["kept"], err)
	}
}

// cacheOf writes a safetensors file from literals.
func cacheOf(t testing.TB, meta map[string]string, entries ...safetensors.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Write(&b, meta, entries); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func f32Entry(name string, shape []int, values ...float32) safetensors.Entry {
	return safetensors.Entry{Name: name, DType: safetensors.F32, Shape: shape,
		Data: safetensors.AppendF32(nil, values)}
}

func TestF32IsRoundedToTheAskedTypeAndMustFit(t *testing.T) {
	shape := []int{1, 1, 1, 4}
	inf := float32(math.Inf(1))
	raw := cacheOf(t, nil, f32Entry("k", shape, 1.00390625, -2, inf, float32(math.NaN())),
		f32Entry("v", shape, 70000, 0, 0, 0))
	got, err := readOne(bytes.NewReader(raw), int64(len(raw)), Defaults)
	if err != nil {
		t.Fatal(err)
	}
	// 1 + 2^-8 lies between two bfloat16 values and goes to the even one.
	if got.DType != kv.BF16 || got.Bits[kv.K][0] != 0x3f80 || got.Bits[kv.K][2] != 0x7f80 {
		t.Errorf("got %v %04x", got.DType, got.Bits[kv.K])
	}
	_, err = readOne(bytes.NewReader(raw), int64(len(raw)), Options{DType: kv.F16})
	if err == nil || err.Error() != "v: value 0 is 70000, beyond the range of f16" {
		t.Errorf("70000 in f16: %v", err)
	}
}

func TestFortranOrderIsTransposed(t *testing.T) {
	src := ramp(kv.Shape{Layers: 2, Heads: 3, Tokens: 4, KeyDim: 5}, kv.F16)
	var c bytes.Buffer
	if err := (content{Tensor: src}).writeNpy(&c, kv.K); err != nil {
		t.Fatal(err)
	}
	head := strings.Replace(string(c.Bytes()[:128]), "False", "True ", 1)
	flat := make([]uint16, len(src.Bits[kv.K]))
	for l := range 2 {
		for h := range 3 {
			for s := range 4 {
				for d := range 5 {
					flat[l+2*(h+3*(s+4*d))] = src.Row(kv.K, l, h, s)[d]
				}
			}
		}
	}
	raw := safetensors.AppendU16([]byte(head), flat)
	got, err := readOne(bytes.NewReader(raw), int64(len(raw)), Defaults)
	if err != nil || !got.Equal(src) {
		t.Errorf("got %v, %v", got.Shape, err)
	}
}

func TestNpyVersionTwoHeadersAreRead(t *testing.T) {
	src := ramp(kv.Shape{Layers: 1, Heads: 1, Tokens: 2, KeyDim: 3}, kv.F16)
	var one bytes.Buffer
	if err := (content{Tensor: src}).writeNpy(&one, kv.K); err != nil {
		t.Fatal(err)
	}
	b := one.Bytes()
	two := append([]byte(npyMagic+"\x02\x00"), b[8], b[9], 0, 0)
	two = append(two, b[10:]...)
	got, err := readOne(bytes.NewReader(two), int64(len(two)), Defaults)
	if err != nil || !got.Equal(src) {
		t.Errorf("got %v, %v", got.Shape, err)
	}
}

func TestFilesThatNumpyWroteAreRead(t *testing.T) {
	for name, want := range map[string]kv.Shape{
		"regular": {Layers: 2, Heads: 2, Tokens: 24, KeyDim: 32, ValueDim: 32},
		"odd":     {Layers: 2, Heads: 1, Tokens: 13, KeyDim: 17, ValueDim: 17},
	} {
		k := testenv.Shared(t, "conformance/kvshuttle/"+name+"/in_k.npy")
		v := testenv.Shared(t, "conformance/kvshuttle/"+name+"/in_v.npy")
		got, err := Read(k+","+v, Defaults)
		if err != nil || got.Shape != want || got.DType != kv.F16 {
			t.Fatalf("%s: %v %v, %v", name, got.Shape, got.DType, err)
		}
		// What is written again are numpy's own bytes.
		again := filepath.Join(t.TempDir(), "k.npy")
		if err := Write(again+","+again+".v.npy", got); err != nil {
			t.Fatal(err)
		}
		a, _ := os.ReadFile(k)
		b, _ := os.ReadFile(again)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: the file written differs from numpy's", name)
		}
	}
}

func TestPagedLayoutRoundTripsAndPadsWithZeros(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	for _, name := range []string{"equal dims", "latent", "no tokens"} {
		src := ramp(shapes[name], kv.BF16)
		src.Meta = &kv.Meta{Model: name}
		for _, block := range []int{1, 2, 16} {
			if err := WritePaged(path, src, block); err != nil {
				t.Fatal(err)
			}
			got, err := Read(path, Defaults)
			if err != nil || !got.Equal(src) || got.Meta.Model != name {
				t.Errorf("%s in blocks of %d: %v, %v", name, block, got.Shape, err)
			}
		}
	}
	src := ramp(shapes["equal dims"], kv.BF16)
	e := pagedLayer(src, 1, 4)
	if want := []int{2, 2, 4, 3, 4}; !reflect.DeepEqual(e.Shape, want) {
		t.Fatalf("shape %v, want %v", e.Shape, want)
	}
	// Values of token 4, head 2: side 1, block 1, slot 0.
	at := 2 * ((((1*2+1)*4+0)*3 + 2) * 4)
	if got := e.Data[at : at+8]; !bytes.Equal(got, safetensors.AppendU16(nil, src.Row(kv.V, 1, 2, 4))) {
		t.Errorf("token 4 lies elsewhere: % x", got)
	}
	if rest := e.Data[at+8:]; !bytes.Equal(rest, make([]byte, len(rest))) {
		t.Errorf("padding is not zero: % x", rest)
	}
	if err := WritePaged(path, ramp(shapes["unequal dims"], kv.F16), 16); err == nil {
		t.Error("unequal dims have no place in the layout")
	}
}

func TestFloat32IsWrittenAsItIs(t *testing.T) {
	dir := t.TempDir()
	head := kv.Tensor{Shape: kv.Shape{Layers: 1, Heads: 1, Tokens: 1, KeyDim: 2, ValueDim: 1},
		Meta: &kv.Meta{Model: "m"}}
	values := [2][]float32{{1.00390625, 3}, {-0.5}}
	for _, name := range []string{"x.safetensors", "x.npz"} {
		path := filepath.Join(dir, name)
		if err := WriteFloat32(path, head, values); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path, Options{DType: kv.F16}) // 1 + 2^-8 fits in F16 and not in BF16
		if err != nil || got.Shape != head.Shape || got.DType.Float(got.Bits[kv.K][0]) != 1.00390625 ||
			got.DType.Float(got.Bits[kv.V][0]) != -0.5 {
			t.Errorf("%s: %v %04x, %v", name, got.Shape, got.Bits, err)
		}
	}
	if err := WriteFloat32(filepath.Join(dir, "y"), head, [2][]float32{{1}, {2}}); err == nil {
		t.Error("too few values pass")
	}
}

func TestOneNpyCannotBeWritten(t *testing.T) {
	err := Write("k.npy", ramp(shapes["latent"], kv.F16))
	if err == nil || !strings.Contains(err.Error(), "want k.npy,v.npy") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkRead(b *testing.B) {
	src := ramp(kv.Shape{Layers: 30, Heads: 3, Tokens: 512, KeyDim: 64, ValueDim: 64}, kv.BF16)
	dir := b.TempDir()
	for name, path := range map[string]string{
		"safetensors": filepath.Join(dir, "x.safetensors"), "npz F32": filepath.Join(dir, "x.npz"),
		"npy F32": filepath.Join(dir, "k.npy") + "," + filepath.Join(dir, "v.npy"),
	} {
		if err := Write(path, src); err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(src.RawBytes()))
			for b.Loop() {
				if _, err := Read(path, Defaults); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	src := ramp(kv.Shape{Layers: 30, Heads: 3, Tokens: 512, KeyDim: 64, ValueDim: 64}, kv.BF16)
	path := filepath.Join(b.TempDir(), "x.safetensors")
	b.SetBytes(int64(src.RawBytes()))
	for b.Loop() {
		if err := Write(path, src); err != nil {
			b.Fatal(err)
		}
	}
}
