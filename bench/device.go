package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"kvgauge/compressors/kv"
	"kvgauge/configs"
	"kvgauge/internal/registry"
)

// A StageQuery asks what a codec takes on a device for one cache.
type StageQuery struct {
	Device   string
	Codec    string // canonical spec
	Model    string // whose shape the cache has
	Shape    kv.Shape
	DType    kv.DType
	RawBytes int64
}

// Stages are a codec's times on a device, in seconds for the whole cache. Samples may be one
// value: then there is no interval.
type Stages struct {
	Compress, Decompress []float64
	Flags                []string // fitted, extrapolated, roofline, …
}

// A DeviceTable answers StageQuerys from calibrations; its error is why there is no answer.
type DeviceTable func(StageQuery) (Stages, error)

// devices holds the tables by name of device. cpu is not among them: its times are the run's own.
var devices = map[string]DeviceTable{}

// RegisterDevice enters a device that transfer.devices may name. It panics on a duplicate.
func RegisterDevice(name string, table DeviceTable) {
	if _, taken := devices[name]; taken || name == configs.CPU || name == "" {
		panic(fmt.Sprintf("bench: device %q is registered twice", name))
	}
	devices[name] = table
}

func checkDevice(name string) error {
	if name == configs.CPU || devices[name] != nil {
		return nil
	}
	return errors.New(unknownDevice(name))
}

func unknownDevice(name string) string {
	names := []string{configs.CPU}
	for n := range devices {
		names = append(names, n)
	}
	slices.Sort(names)
	if near := registry.Nearest(name, names); near != "" {
		return fmt.Sprintf("no device named %q (did you mean %q?)", name, near)
	}
	return fmt.Sprintf("no device named %q; have %s", name, strings.Join(names, ", "))
}
