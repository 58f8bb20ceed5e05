package nprand

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"reflect"
	"testing"

	"kvgauge/internal/testenv"
)

func digest(n int, draw func() float64) string {
	h := sha256.New()
	buf := make([]byte, 8)
	for range n {
		binary.LittleEndian.PutUint64(buf, math.Float64bits(draw()))
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Digests of numpy 2.4.6's first 10^6 normal, 10^6 exponential and 10^3 uniform draws, each from
// a fresh default_rng(seed), as little-endian float64, on Linux and x86-64.
var numpyDigests = []struct {
	seed                         uint64
	normal, exponential, uniform string
}{
	{0, "53a922d0cee928f1", "0c5efaf89fb24247", "7eaf3168ef8150e6"},
	{1, "b4ea4820157f3173", "aac44257e6a5c54f", "9ae6875ee2d535ad"},
	{42, "d317580e98209bd6", "bff7e76cd8aee857", "f4168ec2b00929aa"},
	{7, "f3b231753cada625", "d7e507344b403cf6", "04cb301accba852a"},
	{4294967295, "5832fa70c381cadd", "e2034f1ebd542b6d", "bfe666d68519aa00"},
	{4294967296, "bf7dd35685e6eea6", "fa56e2d17f466e80", "e2af591affd27643"},
	{123456789012345678, "acf388b90012bfc3", "9402a5fe71d18a5c", "0d268b7c8180cff0"},
}

func TestAMillionDrawsAreNumpys(t *testing.T) {
	for _, c := range numpyDigests {
		if got := digest(1e6, New(c.seed).Normal); got != c.normal {
			t.Errorf("seed %d: normal digest %s, want %s", c.seed, got, c.normal)
		}
		if got := digest(1e6, New(c.seed).Exponential); got != c.exponential {
			t.Errorf("seed %d: exponential digest %s, want %s", c.seed, got, c.exponential)
		}
		if got := digest(1e3, New(c.seed).Float64); got != c.uniform {
			t.Errorf("seed %d: uniform digest %s, want %s", c.seed, got, c.uniform)
		}
	}
}

func TestFillNormalDrawsWhatNormalDraws(t *testing.T) {
	a, b := New(9), New(9)
	for _, n := range []int{0, 1, 7, 100003} {
		x := make([]float64, n)
		a.FillNormal(x)
		for i := range x {
			if want := b.Normal(); x[i] != want {
				t.Fatalf("value %d of %d is %v, want %v", i, n, x[i], want)
			}
		}
	}
	if a.Uint64() != b.Uint64() {
		t.Error("the generators stand at different places afterwards")
	}
}

// Numbers that numpy 2.4.6 draws from default_rng(3).
func TestIntegersAreNumpys(t *testing.T) {
	for _, c := range []struct {
		low, high int64
		want      []int64
		after     float64 // the uniform draw that follows eight integers
	}{
		{0, 7, []int64{5, 0, 1, 1, 1, 5, 6, 4}, 0.09412864224039919},
		{-5, 5, []int64{3, -5, -4, -3, -4, 3, 3, 0}, 0.09412864224039919},
		{0, 1 << 32, []int64{3485385464, 367860371}, 0.09412864224039919},
		{0, 1<<32 - 1, []int64{3485385463, 367860370}, 0.09412864224039919},
		{0, 1 << 33, []int64{735720743, 2034186762, 6882895246}, 0.7345771514092145},
		{-1 << 62, 1 << 62, []int64{-3821711885214981764, -2427494613855507974}, 0.7345771514092145},
		{1 << 62, math.MaxInt64, []int64{5006673085033590973, 5703781720713327869}, 0.7345771514092145},
		{0, 1, []int64{0, 0, 0, 0}, 0.08564916714362436},
		{0, 3000000000, []int64{2434513622, 256947500, 538322202, 710431519}, 0.4331269402364738},
	} {
		g := New(3)
		var got []int64
		for range 8 {
			got = append(got, g.Integers(c.low, c.high))
		}
		if !reflect.DeepEqual(got[:len(c.want)], c.want) {
			t.Errorf("[%d, %d): %v, want %v", c.low, c.high, got, c.want)
		}
		if got := g.Float64(); got != c.after {
			t.Errorf("[%d, %d): then %v, want %v", c.low, c.high, got, c.after)
		}
	}
}

// Numbers that numpy 2.4.6 draws from default_rng(42) and default_rng(5).
func TestChoiceAndShuffleAreNumpys(t *testing.T) {
	for _, c := range []struct {
		n, size int
		first   []int
		sum     int // Σ (i+1)·x[i]
		after   float64
	}{
		{100, 10, []int{96, 71, 8, 60, 41, 94}, 2810, 0.37079802423258124},
		{20000, 5, []int{15476, 8777, 13090, 1784, 8660}, 122736, 0.9756223516367559},
		{20000, 1000, []int{9742, 18275, 6853, 10003}, 5045161823, 0.7367056884822203},
		{50, 50, []int{18, 15, 0, 26, 45, 16}, 30355, 0.1397524836093098},
		{1, 1, []int{0}, 0, 0.7739560485559633},
		{12000, 241, []int{1649, 7377, 3630, 5082, 7803, 8464}, 181528177, 0.64984660155482},
	} {
		g := New(42)
		got := g.Choice(c.n, c.size)
		sum := 0
		for i, x := range got {
			sum += (i + 1) * x
		}
		if !reflect.DeepEqual(got[:len(c.first)], c.first) || (sum != c.sum && c.n > 1) {
			t.Errorf("choice(%d, %d): %v, sum %d, want %v, %d", c.n, c.size, got[:1], sum, c.first, c.sum)
		}
		if got := g.Float64(); got != c.after {
			t.Errorf("choice(%d, %d): then %v, want %v", c.n, c.size, got, c.after)
		}
	}
	x := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	New(5).Shuffle(x)
	if want := []int{7, 6, 1, 3, 2, 4, 0, 9, 5, 8}; !reflect.DeepEqual(x, want) {
		t.Errorf("shuffle: %v, want %v", x, want)
	}
}

func TestAStreamIsASeedSequenceOfSeedAndHashedName(t *testing.T) {
	g := Stream(42, "prompts") // numpy: PCG64(SeedSequence([42, 0, *words of SHA-256("prompts")]))
	for i, want := range []uint64{1846063065064759707, 17116308949716651734, 962170495011195628} {
		if got := g.Uint64(); got != want {
			t.Errorf("draw %d is %d, want %d", i, got, want)
		}
	}
	if Stream(42, "a").Uint64() == Stream(42, "b").Uint64() {
		t.Error("streams of different names are equal")
	}
}

func TestTheRecordedStateAndDraws(t *testing.T) {
	data, err := os.ReadFile(testenv.Shared(t, "conformance/kvshuttle/stats.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		RNG struct {
			State, Inc string
			Mod50      []int64   `json:"integers_0_50_first12"`
			Mod7       []int64   `json:"integers_0_7_first14"`
			Big        []int64   `json:"integers_128_1025_first3"`
			Short      []int64   `json:"seq_lens_64_256_count10"`
			Long       []int64   `json:"seq_lens_128_512_count30"`
			Normal     []float64 `json:"standard_normal_first8_f64"`
		}
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	g := New(42)
	if got := decimal(g.hi, g.lo); got != want.RNG.State {
		t.Errorf("state %s, want %s", got, want.RNG.State)
	}
	if got := decimal(g.incHi, g.incLo); got != want.RNG.Inc {
		t.Errorf("increment %s, want %s", got, want.RNG.Inc)
	}
	for _, c := range []struct {
		low, high int64
		want      []int64
	}{
		{0, 50, want.RNG.Mod50}, {0, 7, want.RNG.Mod7}, {128, 1025, want.RNG.Big},
		{64, 257, want.RNG.Short}, {128, 513, want.RNG.Long},
	} {
		g := New(42)
		for i, w := range c.want {
			if got := g.Integers(c.low, c.high); got != w {
				t.Errorf("[%d, %d) draw %d is %d, want %d", c.low, c.high, i, got, w)
			}
		}
	}
	for i, w := range want.RNG.Normal {
		if got := g.Normal(); got != w {
			t.Errorf("normal %d is %v, want %v", i, got, w)
		}
	}
}

func decimal(hi, lo uint64) string {
	x := new(big.Int).SetUint64(hi)
	return x.Lsh(x, 64).Or(x, new(big.Int).SetUint64(lo)).String()
}

func TestImpossibleRangesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"integers": func() { New(1).Integers(3, 3) },
		"choice":   func() { New(1).Choice(3, 4) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func BenchmarkFillNormal(b *testing.B) {
	g, x := New(1), make([]float64, 1<<14)
	for b.Loop() {
		g.FillNormal(x)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/draw")
}

func ExampleNew() {
	g := New(42) // numpy.random.default_rng(42).standard_normal(2)
	fmt.Println(g.Normal(), g.Normal())
	// Output: 0.30471707975443135 -1.0399841062404955
}
