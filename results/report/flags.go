package report

import (
	"slices"
	"strings"

	"kvgauge/results"
)

// flagTexts word the flags of metrics for footnotes. Those with "" need no word: they say that
// all is as it should be.
var flagTexts = map[string]string{
	"measured":         "",
	"pipeline":         "",
	"fitted":           "fitted: from a line through measured points, not measured at this size",
	"extrapolated":     "extrapolated: outside the range that was measured",
	"roofline":         "roofline: a bound from the device's memory bandwidth, nothing measured",
	"bound-not-time":   "",
	"low-trust":        "low trust: the calibration's origin has known faults",
	"kernel":           "timed with another loop than the codec's whole path",
	"keys-only-x2":     "only the keys were timed, and doubled",
	"gaussian":         "timed on Gaussian noise",
	"eager-pytorch":    "unfused kernels",
	"codes-not-packed": "the kernel leaves one code per byte",
	"other-algorithm":  "the kernel is not of the codec whose bytes and quality bear the name",
	"poor-fit":         "the fit misses a point by more than a fifth",
	results.ZeroWidth:  "",
	results.FewSamples: "",
}

// flagNote is one footnote for all flags of a number, "" if none needs a word.
func flagNote(flags []string) string {
	var words []string
	for _, f := range flags {
		text, known := flagTexts[f]
		if !known {
			text = strings.NewReplacer("-", " ", "=", " ").Replace(f)
		}
		if text != "" {
			words = appendNew(words, text)
		}
	}
	return strings.Join(words, "; ")
}

// flagWords are the flags that a sentence names, in brackets.
func flagWords(flags []string) string {
	var words []string
	for _, f := range flags {
		if text, known := flagTexts[f]; !known || text != "" {
			words = appendNew(words, strings.ReplaceAll(f, "-", " "))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

// bound says whether a time is only what no kernel can beat. Verdicts take no such time for the
// codec's: the real one may be ten times as long.
func bound(flags []string) bool {
	return slices.Contains(flags, "roofline") || slices.Contains(flags, "bound-not-time")
}
