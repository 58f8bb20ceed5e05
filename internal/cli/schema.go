package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"kvgauge/compressors"
	"kvgauge/configs"
	"kvgauge/internal/registry"
	"kvgauge/transfermodel"
	"kvgauge/workloads"
)

func init() { verbs["schema"] = newSchema }

func newSchema(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Args: cobra.NoArgs,
		Short: "Print the JSON Schema of sweeps, for editors",
		RunE: func(*cobra.Command, []string) error {
			text, err := configs.Schema(configs.Kinds{
				Caches:         infos(workloads.Names(), workloads.Describe),
				Codecs:         infos(compressors.Names(), compressors.Describe),
				TransferModels: infos(transfermodel.Names(), transfermodel.Describe),
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(e.out, "%s\n", text)
			return err
		},
	}
}

// infos describes registered names, which cannot be unknown.
func infos(names []string, describe func(string) (registry.Info, error)) []registry.Info {
	var out []registry.Info
	for _, name := range names {
		if info, err := describe(name); err == nil {
			out = append(out, info)
		}
	}
	return out
}
