package compressors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	"kvgauge/compressors/internal/entropy"
	"kvgauge/compressors/internal/rotate"
	"kvgauge/compressors/kv"
	"kvgauge/internal/kern"
	"kvgauge/internal/registry"
)

// rotECSQ is a yardstick, not a paper's codec: how few bits a rotation, one uniform quantiser and
// an entropy coder need. Rows are rotated along the head dimension by a randomised Hadamard
// matrix; every layer of keys and of values has one step Δ, one frequency table and one rANS
// stream. Entropy-coded scalar quantisation is 0.254 bit from the Gaussian rate-distortion bound
// at high rate (Gish and Pierce, 1968); this codec reaches 0.27 with everything counted.
//
// Codes are round(x/Δ), coded as 255 levels with an escape; below a step of σ/32 the low bits,
// which are noise, go uncoded. Values decode to the mean of their level, stored in 1/255ths of Δ.
//
// Payload: per (layer, side) Δ as float32; then per (layer, side) its table: low bits u8,
// frequencies, centroids; then the streams, each with a uvarint length before it; then the low
// bits; then escapes as float32 in order.
type rotECSQ struct {
	kappa float64
	seed  uint64
}

type rotECSQParams struct {
	Bits float64 `param:"bits" doc:"rate wanted on white Gaussian data, 0.5 to 12 bits a value"`
	Seed int     `param:"seed" doc:"of the rotation's signs"`
}

func init() {
	Register(registry.Family[Codec, rotECSQParams]{
		Name: "rot_ecsq", Doc: "yardstick: rotation, uniform quantiser, entropy coder; any rate",
		Source: "this repository; bound: Gish and Pierce 1968", Tags: []string{"yardstick"},
		Defaults: rotECSQParams{Bits: 4, Seed: 1},
		Variants: []rotECSQParams{{Bits: 1.5, Seed: 1}, {Bits: 7, Seed: 1}, {Bits: 10, Seed: 1}},
		New: func(p rotECSQParams) (Codec, error) {
			if !(p.Bits >= 0.5 && p.Bits <= 12) {
				return nil, fmt.Errorf("bits is %v, want 0.5 to 12", p.Bits)
			}
			// The entropy of a Gaussian in steps of Δ is ½log2(2πe) − log2(Δ/σ) at high rate.
			kappa := math.Sqrt(2*math.Pi*math.E) * math.Exp2(-p.Bits)
			return rotECSQ{float64(float32(kappa)), uint64(p.Seed)}, nil
		},
	})
	Certify("rot_ecsq", Certificate{
		Anchors: slices.Concat(whiteGapAnchors("rot_ecsq:bits=1.5", 1.5), whiteGapAnchors("rot_ecsq:bits=2", 2),
			whiteGapAnchors("rot_ecsq:bits=3", 3), whiteGapAnchors("rot_ecsq", 4),
			whiteGapAnchors("rot_ecsq:bits=6", 6), whiteGapAnchors("rot_ecsq:bits=7", 7)),
		UseWhen: "bytes matter more than time: the fewest bits for an error without a fit, at any rate",
	})
}

// whiteGapAnchors hold a codec to the rate that it is set to, and to the bound of entropy-coded scalar
// quantisation with everything counted.
func whiteGapAnchors(spec string, bits float64) []Anchor {
	return []Anchor{
		{Spec: spec, Source: WhiteLong, Measure: WhiteGap, Want: .2546, Within: .0154, Basis: Oracle,
			From: "½·log2(2πe/12), Gish and Pierce 1968, and .015 for tables"},
		{Spec: spec, Source: WhiteLong, Measure: BitsPerValue, Want: bits, Within: .15, Basis: Rate,
			From: "the rate that it is set to"},
	}
}

func (rotECSQ) Capabilities() Capabilities {
	return Capabilities{KeyOnly: true, Streaming: "layer"}
}

// Levels are coded as level+ecsqMid; ecsqEscape stands for what is further out.
const (
	ecsqMid     = 127
	ecsqEscape  = 255
	ecsqSymbols = 256
)

// ecsqScratch is the memory of one call.
type ecsqScratch struct {
	vals                       []float32
	syms                       []byte
	tables, streams, lows, esc []byte
	counts                     [ecsqSymbols]uint64
	sums                       [4][ecsqSymbols]float64 // of every fourth value's rests, by symbol
	levels                     [ecsqRun]int32
	rests                      [ecsqRun]float64
	freq                       [ecsqSymbols]uint16
	enc                        entropy.Encoder
	dec                        entropy.Decoder
	stream                     []byte
}

var ecsqPool = sync.Pool{New: func() any { return new(ecsqScratch) }}

// lowBits is how many bits of a level are sent as they are.
func (c rotECSQ) lowBits() int {
	k := 0
	for kappa := c.kappa; kappa < 1.0/32; kappa *= 2 {
		k++
	}
	return k
}

func (c rotECSQ) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if err := checkFinite(src); err != nil {
		return dst, err
	}
	s := ecsqPool.Get().(*ecsqScratch)
	defer ecsqPool.Put(s)
	s.tables, s.streams, s.lows, s.esc = s.tables[:0], s.streams[:0], s.lows[:0], s.esc[:0]
	for _, side := range kv.Sides {
		if src.Dim(side) == 0 {
			continue
		}
		rot := rotations.get(src.Dim(side), c.seed)
		for l := range src.Layers {
			s.load(src, side, l, rot)
			delta, ok := c.step(s.vals)
			if !ok {
				return dst, fmt.Errorf("%w: %v of layer %d overflow when rotated", ErrNonFinite, side, l)
			}
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(delta))
			if delta > 0 {
				s.quantise(delta, c.lowBits())
				s.code()
			}
		}
	}
	dst = append(dst, s.tables...)
	dst = append(dst, s.streams...)
	dst = append(dst, s.lows...)
	return append(dst, s.esc...), nil
}

// rotations keeps one rotation per dimension and seed, because making one allocates.
var rotations rotationCache

type rotationCache struct{ m sync.Map }

type rotationKey struct {
	dim  int
	seed uint64
}

func (r *rotationCache) get(dim int, seed uint64) rotate.Hadamard {
	if h, ok := r.m.Load(rotationKey{dim, seed}); ok {
		return *h.(*rotate.Hadamard)
	}
	h := rotate.NewHadamard(dim, seed, true)
	r.m.Store(rotationKey{dim, seed}, &h)
	return h
}

// load fills vals with one rotated layer.
func (s *ecsqScratch) load(src kv.Tensor, side kv.Side, l int, rot rotate.Hadamard) {
	dim := src.Dim(side)
	n := src.Heads * src.Tokens * dim
	s.vals = growTo(s.vals, n)
	for h := range src.Heads {
		part := s.vals[h*src.Tokens*dim : (h+1)*src.Tokens*dim]
		plane := src.Plane(side, l, h)
		for at := 0; at < len(part); at += turnedRows * dim { // which stay in the first-level cache
			end := min(at+turnedRows*dim, len(part))
			src.DType.Widen(part[at:end], plane[at:end])
			rot.Forward(part[at:end])
		}
	}
}

// step returns Δ = κσ of one layer, zero if all of it is, and false if it is not finite.
func (c rotECSQ) step(vals []float32) (float32, bool) {
	var sums [8]float64 // of every eighth
	kern.Squares(&sums, vals)
	sum := (sums[0] + sums[1]) + (sums[2] + sums[3]) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
	if sum == 0 {
		return 0, true
	}
	d := float32(c.kappa * math.Sqrt(sum/float64(len(vals))))
	return min(max(d, math.SmallestNonzeroFloat32*0x1p23), math.MaxFloat32/4), !(sum-sum != 0)
}

// ecsqRun is how many values are quantised at a time.
const ecsqRun = 512

// quantise fills syms, the low bits, the escapes and, per symbol, counts and centroids' sums.
func (s *ecsqScratch) quantise(delta float32, low int) {
	s.syms = growTo(s.syms, len(s.vals))
	s.sums = [4][ecsqSymbols]float64{}
	inv := 1 / float64(delta)
	s.tables = append(s.tables, byte(low))
	bits := bitWriter{dst: s.lows}
	for at := 0; at < len(s.vals); at += ecsqRun {
		vals := s.vals[at:min(at+ecsqRun, len(s.vals))]
		syms, levels, rests := s.syms[at:at+len(vals)], s.levels[:len(vals)], s.rests[:len(vals)]
		kern.EntropyLevels(syms, levels, rests, vals, inv, uint(low))
		s.add(syms, rests)
		if low > 0 {
			for i, sym := range syms {
				if sym != ecsqEscape {
					bits.add(uint32(levels[i])&(1<<low-1), low)
				}
			}
		}
		for from := 0; ; from++ {
			i := bytes.IndexByte(syms[from:], ecsqEscape)
			if i < 0 {
				break
			}
			from += i
			s.esc = binary.LittleEndian.AppendUint32(s.esc, math.Float32bits(vals[from]))
		}
	}
	s.lows = bits.flush()
	clear(s.counts[:])
	entropy.Count(&s.counts, s.syms)
}

// add adds rests to the sums of their symbols: of every fourth value, so that equal neighbours need
// not wait for each other.
func (s *ecsqScratch) add(syms []byte, rests []float64) {
	for len(syms) >= 4 && len(rests) >= 4 {
		s.sums[0][syms[0]] += rests[0]
		s.sums[1][syms[1]] += rests[1]
		s.sums[2][syms[2]] += rests[2]
		s.sums[3][syms[3]] += rests[3]
		syms, rests = syms[4:], rests[4:]
	}
	for i, sym := range syms {
		s.sums[i][sym] += rests[i]
	}
}

// code appends the table and the stream of syms.
func (s *ecsqScratch) code() {
	n := ecsqSymbols
	for s.counts[n-1] == 0 {
		n--
	}
	freq := s.freq[:n]
	entropy.Normalise(freq, s.counts[:n])
	s.tables = entropy.AppendTable(s.tables, freq)
	for sym := range freq {
		if freq[sym] > 0 && sym != ecsqEscape {
			sum := (s.sums[0][sym] + s.sums[1][sym]) + (s.sums[2][sym] + s.sums[3][sym])
			mean := sum / float64(s.counts[sym]) // in (−½, ½) steps
			s.tables = append(s.tables, byte(int8(math.RoundToEven(float64(mean*254)))))
		}
	}
	s.enc.Init(freq)
	s.stream = s.enc.Append(s.stream[:0], s.syms)
	s.streams = binary.AppendUvarint(s.streams, uint64(len(s.stream)))
	s.streams = append(s.streams, s.stream...)
}

// bitWriter appends bit fields, the first in the lowest bits.
type bitWriter struct {
	dst []byte
	acc uint64
	n   int
}

func (b *bitWriter) add(v uint32, n int) {
	b.acc |= uint64(v) << b.n
	for b.n += n; b.n >= 8; b.n -= 8 {
		b.dst = append(b.dst, byte(b.acc))
		b.acc >>= 8
	}
}

func (b *bitWriter) flush() []byte {
	if b.n > 0 {
		b.dst = append(b.dst, byte(b.acc))
	}
	return b.dst
}
