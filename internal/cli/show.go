package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
	"kvgauge/internal/registry"
)

func newShow(e *env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show KIND NAME", Args: want("KIND", "NAME"),
		Short: "Say what is known of one codec, model, …",
		RunE: func(_ *cobra.Command, args []string) error {
			_, l, err := kindOf(args[0])
			if err != nil {
				return err
			}
			v, err := l.about(args[1])
			if err != nil {
				return err
			}
			return showValue(e, v, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// showValue prints what is known of one thing: families of a registry with their parameters,
// anything else as YAML.
func showValue(e *env, v any, asJSON bool) error {
	if asJSON {
		return printJSON(e.out, v)
	}
	switch v := v.(type) {
	case registry.Info:
		return showInfo(e, v)
	case configInfo:
		_, err := fmt.Fprint(e.out, v.Text)
		return err
	}
	enc := yaml.NewEncoder(e.out)
	enc.SetIndent(2)
	return enc.Encode(v)
}

func showInfo(e *env, i registry.Info) error {
	fmt.Fprintf(e.out, "%s: %s\nsource: %s\n", i.Name, i.Doc, i.Source)
	if len(i.Tags) > 0 {
		fmt.Fprintf(e.out, "tags: %s\n", strings.Join(i.Tags, ", "))
	}
	if len(i.Params) > 0 {
		fmt.Fprintln(e.out, "parameters:")
	}
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	for _, p := range i.Params {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", p.Name, p.Type, orDash(p.Default), p.Doc)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, v := range i.Variants {
		fmt.Fprintf(e.out, "variant: %s\n", v)
	}
	return nil
}
