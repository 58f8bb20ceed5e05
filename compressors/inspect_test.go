package compressors

import (
	"testing"

	"kvgauge/compressors/kv"
)

// wrapped is a codec whose payload is a byte of its own before identity's.
type wrapped struct{ identity }

func (w wrapped) AppendCompress(dst []byte, src kv.Tensor) ([]byte, error) {
	return w.identity.AppendCompress(append(dst, 'w'), src)
}

func (wrapped) AppendSections(dst []Section, _ kv.Tensor, p []byte) ([]Section, error) {
	return append(dst, Section{Header, 1}, Section{Codes, len(p) - 1}), nil
}

func (wrapped) Unwrap(_ kv.Tensor, payload []byte) ([]byte, error) { return payload[1:], nil }

func (wrapped) Inspect(kv.Tensor, []byte) (map[string]any, error) {
	return map[string]any{"wire_len": 7}, nil
}

func TestFactsCountEveryByteOnceAndTakeTheBarePayload(t *testing.T) {
	src := sample()
	blob, err := AppendFrame(nil, "wrapped", wrapped{}, src)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFrame(blob, 0)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := f.Facts(wrapped{})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, n := range facts["sections"].(map[string]int) {
		sum += n
	}
	if sum != len(blob) || facts["frame_bytes"] != len(blob) {
		t.Errorf("sections add up to %d, frame_bytes %v, want %d", sum, facts["frame_bytes"], len(blob))
	}
	if facts["payload_bytes"] != src.RawBytes() || facts["wire_len"] != 7 {
		t.Errorf("payload_bytes %v, want %d; wire_len %v, want 7",
			facts["payload_bytes"], src.RawBytes(), facts["wire_len"])
	}
	own, err := f.Facts(identity{})
	if err != nil || own["payload_bytes"] != src.RawBytes()+1 {
		t.Errorf("without Unwrap payload_bytes is %v, %v", own["payload_bytes"], err)
	}
}
