// Kvgauge measures what happens to a KV cache between the worker that computed it and the worker
// that decodes from it. See README.md.
package main

import (
	"os"

	"kvgauge/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
