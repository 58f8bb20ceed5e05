package codectest

import (
	"bytes"
	"testing"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
)

// broken is a codec that works, with one of its methods replaced.
type broken struct {
	compressors.Codec
	caps       func(compressors.Capabilities) compressors.Capabilities
	compress   func(c compressors.Codec, dst []byte, src kv.Tensor) ([]byte, error)
	decompress func(c compressors.Codec, dst kv.Tensor, src []byte) error
	predicted  func(n int) int
}

func (b *broken) Capabilities() compressors.Capabilities {
	caps := b.Codec.Capabilities()
	if b.caps != nil {
		return b.caps(caps)
	}
	return caps
}

func (b *broken) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	if b.compress != nil {
		return b.compress(b.Codec, dst, src)
	}
	return b.Codec.AppendCompress(dst, src)
}

func (b *broken) Decompress(dst kv.Tensor, src []byte) error {
	if b.decompress != nil {
		return b.decompress(b.Codec, dst, src)
	}
	return b.Codec.Decompress(dst, src)
}

func (b *broken) PredictedBytes(head kv.Tensor) int {
	n := b.Codec.(compressors.Sizer).PredictedBytes(head)
	if b.predicted != nil {
		return b.predicted(n)
	}
	return n
}

// sink is where broken codecs leave what they should not keep.
var sink []byte

// clauses maps a clause of the contract to a codec that breaks it.
var breaks = map[string]func() *broken{
	"Appends": func() *broken {
		return &broken{compress: func(c compressors.Codec, _ []byte, src kv.Tensor) ([]byte, error) {
			return c.AppendCompress(nil, src)
		}}
	},
	"Repeats": func() *broken {
		calls := 0
		return &broken{compress: func(c compressors.Codec, dst []byte, src kv.Tensor) ([]byte, error) {
			n := len(dst)
			out, err := c.AppendCompress(dst, src)
			if calls++; len(out) > n {
				out[n] ^= byte(calls)
			}
			return out, err
		}}
	},
	"KeepsNothing": func() *broken {
		var buf []byte
		return &broken{compress: func(c compressors.Codec, dst []byte, src kv.Tensor) ([]byte, error) {
			out, err := c.AppendCompress(buf[:0], src)
			if buf = out; dst == nil {
				return out, err
			}
			return append(dst, out...), err
		}}
	},
	"Windows": func() *broken {
		return &broken{decompress: func(c compressors.Codec, dst kv.Tensor, src []byte) error {
			if dst.Stride > dst.Tokens {
				dst.Bits[kv.K][dst.Tokens*dst.KeyDim] = 0
			}
			return c.Decompress(dst, src)
		}}
	},
	"Zeros": func() *broken {
		return &broken{decompress: func(c compressors.Codec, dst kv.Tensor, src []byte) error {
			err := c.Decompress(dst, src)
			if dst.Tokens > 0 && dst.ValueDim > 0 {
				dst.Row(kv.V, 0, 0, 0)[0] |= 1
			}
			return err
		}}
	},
	"Length": func() *broken {
		return &broken{decompress: func(c compressors.Codec, dst kv.Tensor, src []byte) error {
			return c.Decompress(dst, bytes.TrimRight(src, "\x00"))
		}}
	},
	"Damage": func() *broken {
		return &broken{decompress: func(c compressors.Codec, dst kv.Tensor, src []byte) error {
			if err := c.Decompress(dst, src); err != nil {
				panic(err)
			}
			return nil
		}}
	},
	"PredictedBytes": func() *broken {
		return &broken{predicted: func(n int) int { return n + 1 }}
	},
	"Allocations": func() *broken {
		return &broken{compress: func(c compressors.Codec, dst []byte, src kv.Tensor) ([]byte, error) {
			sink = make([]byte, 1<<10)
			return c.AppendCompress(dst, src)
		}}
	},
	"NonFinite": func() *broken {
		return &broken{caps: func(caps compressors.Capabilities) compressors.Capabilities {
			caps.Lossless = false // then NaN must be refused, and identity takes it
			return caps
		}}
	},
}

// TestBrokenCodecsFail runs the clauses, each over a codec that breaks it and over one that does
// not.
func TestBrokenCodecsFail(t *testing.T) {
	_, identity, err := compressors.Open("identity")
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range breaks {
		b := make()
		b.Codec = identity
		if fails(name, identity) {
			t.Errorf("%s: a codec that works fails", name)
		}
		if !fails(name, b) {
			t.Errorf("%s: a codec that breaks it passes", name)
		}
	}
}

// fails runs one clause as a test of its own and says whether it failed or panicked.
func fails(clause string, c compressors.Codec) (failed bool) {
	for _, check := range checks {
		if check.name != clause {
			continue
		}
		shape := kv.Shape{Layers: 2, Heads: 2, Tokens: 160, KeyDim: 64, ValueDim: 64}
		mains := []kv.Tensor{Tensor(1, shape, kv.BF16)}
		k := &kit{spec: "broken", c: c, caps: c.Capabilities(), mains: mains}
		return !testing.RunTests(func(string, string) (bool, error) { return true, nil },
			[]testing.InternalTest{{Name: "clause", F: func(t *testing.T) {
				defer func() {
					if r := recover(); r != nil {
						t.Errorf("panic: %v", r)
					}
				}()
				check.run(t, k)
			}}})
	}
	return false
}
