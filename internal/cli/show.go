package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"kvgauge/internal/registry"
)

func newShow(e *env) *cobra.Command {
	var asJSON, slow bool
	c := &cobra.Command{
		Use: "show KIND NAME", Args: want("KIND", "NAME"),
		Short: "Say what is known of one codec, model, …",
		RunE: func(c *cobra.Command, args []string) error {
			_, l, err := kindOf(args[0])
			if err != nil {
				return err
			}
			if slow && l.detail == nil {
				return fmt.Errorf("--slow: nothing of a %s is measured, only of a codec", args[0])
			}
			v, err := l.about(args[1])
			if err == nil && l.detail != nil {
				v, err = l.detail(c.Context(), v, slow)
			}
			if err != nil {
				return err
			}
			return showValue(e, v, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&slow, "slow", false,
		"of a codec, measure also anchors that take seconds, or caches of SmolLM2 (model pull smollm2)")
	return c
}

// showValue prints what is known of one thing: families of a registry with their parameters,
// anything else by its fields.
func showValue(e *env, v any, asJSON bool) error {
	if asJSON {
		return printJSON(e.out, v)
	}
	switch v := v.(type) {
	case codecInfo:
		return showCodec(e, v)
	case registry.Info:
		return showInfo(e, v)
	case configInfo:
		_, err := fmt.Fprint(e.out, v.Text)
		return err
	}
	return printFields(e.out, v)
}

// printFields prints the fields of a struct under their names in JSON, one a line.
func printFields(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		var s string
		if json.Unmarshal(value, &s) != nil {
			s = string(value)
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", name, s); err != nil {
			return err
		}
	}
	return nil
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
