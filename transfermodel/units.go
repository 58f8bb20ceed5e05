package transfermodel

import (
	"math"
	"time"
)

// A ByteRate is a speed in bytes per second. Links are quoted in Gbps (bits) because people buy
// them so; the constants are the only conversion.
type ByteRate float64

// Rates in the units of the trade.
const (
	BytePerSecond ByteRate = 1
	Gbps          ByteRate = 1e9 / 8
	GBps          ByteRate = 1e9
)

// Gbps returns the rate in gigabits per second.
func (r ByteRate) Gbps() float64 { return float64(r) / float64(Gbps) }

// nanoseconds rounds seconds to a whole duration; what does not fit is the longest one.
func nanoseconds(seconds float64) time.Duration {
	ns := math.Round(seconds * 1e9)
	if ns >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(ns)
}
