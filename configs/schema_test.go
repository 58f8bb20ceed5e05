package configs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"kvgauge/internal/registry"

	"gopkg.in/yaml.v3"
)

// validate checks v against the part of JSON Schema that Schema uses. An unknown keyword is an
// error, so that the schema cannot outgrow the check.
func validate(root, schema map[string]any, v any, path string) error {
	if to, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(to, "#/$defs/")
		return validate(root, root["$defs"].(map[string]any)[name].(map[string]any), v, path)
	}
	for keyword, arg := range schema {
		var err error
		switch keyword {
		case "$schema", "title", "description", "default", "$defs", "examples", "properties":
		case "type":
			err = validType(arg, v)
		case "anyOf":
			err = validAny(root, arg.([]any), v, path)
		case "enum":
			err = fmt.Errorf("not one of %v", arg)
			for _, word := range arg.([]any) {
				if word == v {
					err = nil
				}
			}
		case "minimum", "maximum":
			if f, ok := v.(float64); ok && (keyword == "minimum") == (f < arg.(float64)) && f != arg {
				err = fmt.Errorf("%v is beyond %s %v", f, keyword, arg)
			}
		case "pattern":
			if s, ok := v.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(s) {
				err = fmt.Errorf("%q does not match %v", s, arg)
			}
		case "minLength", "minItems", "minProperties", "maxProperties":
			err = validLength(keyword, int(arg.(float64)), v)
		case "uniqueItems":
			seen := map[any]bool{}
			list, _ := v.([]any)
			for _, x := range list {
				if seen[x] {
					err = fmt.Errorf("%v twice", x)
				}
				seen[x] = true
			}
		case "items":
			list, _ := v.([]any)
			for i, x := range list {
				if err == nil {
					err = validate(root, arg.(map[string]any), x, fmt.Sprintf("%s[%d]", path, i))
				}
			}
		case "required":
			m, _ := v.(map[string]any)
			for _, key := range arg.([]any) {
				if _, ok := m[key.(string)]; !ok {
					err = fmt.Errorf("no %v", key)
				}
			}
		case "additionalProperties":
			err = validProperties(root, schema, arg, v, path)
		default:
			err = fmt.Errorf("keyword %s is not checked by this test", keyword)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func validType(arg, v any) error {
	var is []string
	switch x := v.(type) {
	case nil:
		is = []string{"null"}
	case bool:
		is = []string{"boolean"}
	case string:
		is = []string{"string"}
	case float64:
		is = []string{"number"}
		if x == float64(int64(x)) {
			is = append(is, "integer")
		}
	case []any:
		is = []string{"array"}
	case map[string]any:
		is = []string{"object"}
	}
	for _, kind := range is {
		if arg == kind || strings.Contains(fmt.Sprint(arg), kind) {
			return nil
		}
	}
	return fmt.Errorf("%v is %v, not %v", v, is, arg)
}

func validAny(root map[string]any, choices []any, v any, path string) error {
	var last error
	for _, s := range choices {
		if last = validate(root, s.(map[string]any), v, path); last == nil {
			return nil
		}
	}
	return last
}

func validLength(keyword string, want int, v any) error {
	n := want
	switch x := v.(type) {
	case string:
		n = len(x)
	case []any:
		n = len(x)
	case map[string]any:
		n = len(x)
	}
	if strings.HasPrefix(keyword, "min") && n < want || strings.HasPrefix(keyword, "max") && n > want {
		return fmt.Errorf("%s %d, got %d", keyword, want, n)
	}
	return nil
}

func validProperties(root, schema map[string]any, additional, v any, path string) error {
	m, _ := v.(map[string]any)
	props, _ := schema["properties"].(map[string]any)
	for key, x := range m {
		p, ok := props[key].(map[string]any)
		if !ok {
			if p, ok = additional.(map[string]any); !ok {
				return fmt.Errorf("no key %q", key)
			}
		}
		if err := validate(root, p, x, path+"."+key); err != nil {
			return err
		}
	}
	return nil
}

func testSchema(t *testing.T, k Kinds) map[string]any {
	t.Helper()
	text, err := Schema(k)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON reads YAML as an editor's validator sees it.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEmbeddedSweepsMatchTheSchema(t *testing.T) {
	schema := testSchema(t, Kinds{})
	for _, name := range Names() {
		text, _ := Text(name)
		if err := validate(schema, schema, asJSON(t, string(text)), name); err != nil {
			t.Error(err)
		}
		s, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		expanded, _ := json.Marshal(s)
		if err := validate(schema, schema, asJSON(t, string(expanded)), name); err != nil {
			t.Errorf("with defaults: %v", err)
		}
	}
}

func TestTheSchemaRefusesWhatTheReaderRefuses(t *testing.T) {
	kinds := Kinds{Codecs: []registry.Info{{Name: "kivi", Params: []registry.Param{{Name: "bits"}}}}}
	schema := testSchema(t, kinds)
	const head = "caches: [a]\ncodecs: [b]\n"
	for _, bad := range []string{
		"caches: [a]\n", "caches: []\ncodecs: [b]\n", head + "sed: 1\n", head + "seed: -1\n", head + "seed: x\n",
		head + "quality: [kdl]\n", head + "quality: [kld, kld]\n", head + "report: tabel\n",
		head + "timing: {samples: -1}\n", head + "timing: {sample: 1}\n", head + "transfer: {links_gbps: [0]}\n",
		head + "name: a/b\n", "caches: [a]\ncodecs: [{a: {}, b: {}}]\n", "caches: [[a]]\ncodecs: [b]\n",
		head + "models: {a: [b]}\n",
	} {
		if _, err := Read("x.yaml", []byte(bad)); err == nil {
			t.Errorf("the reader takes %q", bad)
		}
		if validate(schema, schema, asJSON(t, bad), "x") == nil {
			t.Errorf("the schema takes %q", bad)
		}
	}
	// With the families known, the schema also knows names and parameters.
	for text, ok := range map[string]bool{
		"caches: [a]\ncodecs: [{kivi: {bits: [2, 4]}}]\n": true,
		"caches: [a]\ncodecs: [{kivi: }]\n":               true,
		"caches: [a]\ncodecs: [{kivi: {bitz: 2}}]\n":      false,
		"caches: [a]\ncodecs: [{kivvi: {bits: 2}}]\n":     false,
	} {
		if got := validate(schema, schema, asJSON(t, text), "x") == nil; got != ok {
			t.Errorf("%q is valid: %v, want %v", text, got, ok)
		}
	}
}
