package gpucal

// A part is what an import needs to know of a GPU that names itself.
type part struct {
	device string
	memBW  float64 // peak, bytes per second, as its data sheet has it
}

// parts are keyed by the name that the driver gives. Two A100s differ in their memory: the 40 GB
// part has HBM2 at 1555 GB/s, the 80 GB part HBM2e at 2039 GB/s.
var parts = map[string]part{
	"Tesla T4":              {"t4", 320e9},
	"NVIDIA A100-SXM4-40GB": {"a100-40g", 1555e9},
	"NVIDIA A100-SXM4-80GB": {"a100-sxm-80g", 2039e9},
	"NVIDIA H100 80GB HBM3": {"h100-sxm", 3350e9},
	"NVIDIA H200":           {"h200-sxm", 4800e9},
	"NVIDIA L40S":           {"l40s", 864e9},
}
