package configs

import (
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// A node is a value of the file after aliases were followed: what the reader walks.
type node struct {
	kind   yaml.Kind // ScalarNode, SequenceNode or MappingNode
	line   int
	from   string // the --set text that wrote it, or ""
	tag    string // of a scalar: !!str, !!int, !!float, !!bool, !!null, …
	text   string // of a scalar
	quoted bool
	items  []*node // of a list, or the values of a mapping
	keys   []*node // of a mapping, beside items
}

// Bounds on what a config may hold, so that hostile input stays cheap. Aliases are followed, so
// the count is of nodes after that.
const (
	maxBytes = 1 << 20
	maxNodes = 1 << 16
	maxDepth = 32
)

// what names a node in the user's terms.
func (n *node) what() string {
	switch {
	case n.kind == yaml.SequenceNode:
		return "a list"
	case n.kind == yaml.MappingNode:
		return "a map"
	case n.isNull():
		return "nothing"
	}
	return fmt.Sprintf("%q", clip(n.text))
}

func (n *node) isNull() bool { return n.kind == yaml.ScalarNode && n.tag == "!!null" && !n.quoted }

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// get returns the value of a key of a mapping, or nil.
func (n *node) get(key string) *node {
	for i, k := range n.keys {
		if k.text == key {
			return n.items[i]
		}
	}
	return nil
}

// A converter turns yaml.v3's nodes into ours and refuses what a sweep has no use for.
type converter struct {
	r    *reader
	left int
}

func (c *converter) node(y *yaml.Node, depth int) *node {
	n := &node{kind: y.Kind, line: y.Line, tag: y.Tag, text: y.Value}
	for hops := 0; y.Kind == yaml.AliasNode; hops++ {
		if y.Alias == nil || hops > maxDepth {
			c.r.fail(n, "", "an alias that leads nowhere")
			return n
		}
		y = y.Alias
		n.kind, n.tag, n.text = y.Kind, y.Tag, y.Value
	}
	if c.left--; c.left < 0 || depth > maxDepth {
		if !c.r.bounded {
			c.r.bounded = true
			c.r.fail(n, "", "more than %d values or %d levels, aliases followed", maxNodes, maxDepth)
		}
		n.kind, n.tag = yaml.ScalarNode, "!!null"
		return n
	}
	if y.Style&yaml.TaggedStyle != 0 {
		c.r.fail(n, "", "tags such as %s are not used here", clip(y.Tag))
	}
	switch y.Kind {
	case yaml.SequenceNode:
		for _, item := range y.Content {
			n.items = append(n.items, c.node(item, depth+1))
		}
	case yaml.MappingNode:
		c.mapping(n, y, depth)
	default:
		n.quoted = y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|
			yaml.LiteralStyle|yaml.FoldedStyle) != 0
		c.number(n)
	}
	return n
}

func (c *converter) mapping(n *node, y *yaml.Node, depth int) {
	seen := map[string]int{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := c.node(y.Content[i], depth+1), c.node(y.Content[i+1], depth+1)
		switch first, twice := seen[k.text]; {
		case k.kind != yaml.ScalarNode:
			c.r.fail(k, "", "a key is a word, got %s", k.what())
			continue
		case k.tag == "!!merge":
			c.r.fail(k, "", "merge keys (<<) are not used here: repeat the keys")
			continue
		case twice:
			c.r.fail(k, "", "key %q is given twice, first on line %d", clip(k.text), first)
			continue
		}
		seen[k.text] = k.line
		n.keys, n.items = append(n.keys, k), append(n.items, v)
	}
}

var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// number refuses numbers that YAML 1.1, YAML 1.2 and people read in different ways.
func (c *converter) number(n *node) {
	if n.quoted || n.tag != "!!int" && n.tag != "!!float" || plainNumber.MatchString(n.text) {
		return
	}
	digits := strings.ToLower(strings.TrimLeft(n.text, "+-"))
	why := "is not written as a plain decimal"
	switch {
	case strings.Contains(digits, "_"):
		why = "has an underscore in it"
	case strings.HasPrefix(digits, "0x"):
		why = "is hexadecimal"
	case strings.HasPrefix(digits, "0b"):
		why = "is binary"
	case strings.Contains(digits, "inf") || strings.Contains(digits, "nan"):
		why = "is not finite"
	case strings.HasPrefix(digits, "0") && !strings.HasPrefix(digits, "0."):
		why = "is octal to some readers of YAML and decimal to others"
	}
	c.r.fail(n, "", "the number %s %s: write a plain decimal, or quote it if it is text",
		clip(n.text), why)
}
