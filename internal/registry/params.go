package registry

import (
	"fmt"
	"math"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

func paramName(f reflect.StructField) string {
	if name := f.Tag.Get("param"); name != "" {
		return name
	}
	return strings.ToLower(f.Name)
}

func describe(defaults any) []Param {
	v := reflect.ValueOf(defaults)
	params := []Param{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		params = append(params, Param{
			Name: paramName(f), Type: typeName(f.Type.Kind()),
			Default: format(v.Field(i)), Doc: f.Tag.Get("doc"),
		})
	}
	return params
}

func typeName(k reflect.Kind) string {
	switch k {
	case reflect.Int:
		return "int"
	case reflect.Float64:
		return "float"
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "string"
	}
	panic("registry: a parameter is an int, float64, bool or string, not " + k.String())
}

// set assigns args to the fields of the struct v; each mistake is named in the user's terms.
func set(v reflect.Value, args []arg) error {
	seen := map[string]bool{}
	for _, a := range args {
		if seen[a.name] {
			return fmt.Errorf("parameter %q is given twice", a.name)
		}
		seen[a.name] = true
		field, names := lookup(v, a.name)
		if !field.IsValid() {
			return noParam(a.name, names)
		}
		if err := assign(field, a.value); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

func noParam(name string, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("takes no parameters, got %q", name)
	}
	if near := Nearest(name, names); near != "" {
		return fmt.Errorf("no parameter %q (did you mean %q?)", name, near)
	}
	return fmt.Errorf("no parameter %q; have %s", name, strings.Join(names, ", "))
}

func lookup(v reflect.Value, name string) (reflect.Value, []string) {
	var names []string
	for i := range v.NumField() {
		n := paramName(v.Type().Field(i))
		if n == name {
			return v.Field(i), nil
		}
		names = append(names, n)
	}
	return reflect.Value{}, names
}

func assign(field reflect.Value, text string) error {
	switch field.Kind() {
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil || (len(strings.TrimLeft(text, "+-")) > 1 && strings.TrimLeft(text, "+-")[0] == '0') {
			return fmt.Errorf("want a whole number, got %q", text)
		}
		field.SetInt(int64(n))
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("want a number, got %q", text)
		}
		field.SetFloat(x)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("want true or false, got %q", text)
		}
		field.SetBool(text == "true")
	case reflect.String:
		field.SetString(text)
	}
	return nil
}

func format(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Int:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	}
	return v.String()
}

func canonical(name string, defaults, params any) Spec {
	d, p := reflect.ValueOf(defaults), reflect.ValueOf(params)
	var parts []string
	for i := range p.NumField() {
		text := format(p.Field(i))
		if text == format(d.Field(i)) {
			continue
		}
		if p.Field(i).Kind() == reflect.String && strings.ContainsAny(text, ":,=()") {
			text = "(" + text + ")"
		}
		parts = append(parts, paramName(p.Type().Field(i))+"="+text)
	}
	if len(parts) == 0 {
		return Spec(name)
	}
	sort.Strings(parts)
	return Spec(name + ":" + strings.Join(parts, ","))
}
