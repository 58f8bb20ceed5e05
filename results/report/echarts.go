package report

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"os"
	"path/filepath"

	"github.com/go-echarts/go-echarts/v2/opts"
)

// echartsSum is the SHA-256 of the one ECharts that goes into a page: dist/echarts.min.js of
// version 6.1.0 (Apache-2.0). Another file of that name is left alone: what runs in a reader's
// browser is what was looked at here.
const echartsSum = "b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0"

//go:embed assets
var assets embed.FS

// findECharts returns the script if this binary was built with it or the user's cache holds it,
// else "". `make assets` puts it in both places.
func findECharts() string {
	if data, err := assets.ReadFile("assets/echarts.min.js"); err == nil && pinned(data) {
		return string(data)
	}
	if data, err := os.ReadFile(echartsPath()); err == nil && pinned(data) {
		return string(data)
	}
	return ""
}

func pinned(data []byte) bool {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]) == echartsSum
}

func echartsPath() string {
	dir := os.Getenv("KVGAUGE_CACHE")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(user, "kvgauge")
	}
	return filepath.Join(dir, "assets", "echarts.min.js")
}

// echartsHost is where go-echarts' own pages load the script from: used when there is no copy,
// and a page does without if it cannot be reached.
func echartsHost() string {
	host := opts.Initialization{}
	host.Validate()
	return host.AssetsHost + "echarts.min.js"
}
