package bench

import (
	"strings"

	"kvgauge/compressors"
	"kvgauge/compressors/kv"
	"kvgauge/compressors/kvshuttle"
	"kvgauge/results"
)

// theirSizes are what KVShuttle itself counts of one of its codecs' payloads. Its ratio is of the
// payload and the JSON text of the metadata, its wire length of both with six more fields.
type theirSizes struct {
	Payload int64          `json:"payload"`
	Wire    int64          `json:"wire"`
	Ratio   results.Number `json:"ratio"`
}

// countTheirs returns KVShuttle's own sizes of a payload, or nil where the codec is not one of
// its.
func countTheirs(c Codec, cache kv.Tensor, payload []byte) (*theirSizes, error) {
	theirs, ok := c.Codec.(compressors.Unwrapper)
	if !ok || !strings.HasPrefix(string(c.Spec), "kvshuttle/") {
		return nil, nil
	}
	ratio, err := kvshuttle.Ratio(cache, payload)
	if err != nil {
		return nil, err
	}
	wire, err := kvshuttle.WireLen(cache, payload)
	if err != nil {
		return nil, err
	}
	bare, err := theirs.Unwrap(cache, payload)
	return &theirSizes{int64(len(bare)), int64(wire), results.Number(ratio)}, err
}

func kvshuttleMeasures() []measure {
	of := func(name string, better int, c class, get func(*theirSizes) results.Number) measure {
		return measure{name: "kvshuttle_" + name, better: better, class: c,
			get: func(o *outcome) []results.Number {
				if o.KVShuttle == nil {
					return nil
				}
				return one(get(o.KVShuttle))
			}}
	}
	// The metadata holds scales as decimals, so its length hangs on the values.
	return []measure{
		of("payload_bytes", -1, size, func(s *theirSizes) results.Number { return results.Number(s.Payload) }),
		of("wire_bytes", -1, damage, func(s *theirSizes) results.Number { return results.Number(s.Wire) }),
		of("ratio", 1, damage, func(s *theirSizes) results.Number { return s.Ratio }),
	}
}
