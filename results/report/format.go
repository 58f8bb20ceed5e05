package report

import (
	"math"
	"strconv"
	"strings"
)

// sig prints x with n significant digits: plainly where that is short, else as 1.2e-5.
func sig(x float64, n int) string {
	switch {
	case math.IsNaN(x):
		return "NaN"
	case math.IsInf(x, 1):
		return "∞"
	case math.IsInf(x, -1):
		return "−∞"
	case x == 0:
		return "0"
	}
	if a := math.Abs(x); a < 9.995e-4 || a >= 1e6 {
		text := strconv.FormatFloat(x, 'e', n-1, 64)
		mantissa, exponent, _ := strings.Cut(text, "e")
		e, _ := strconv.Atoi(exponent)
		return minus(mantissa + "e" + strconv.Itoa(e))
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', n-1, 64), 64)
	digits := n - 1 - int(math.Floor(math.Log10(math.Abs(rounded))))
	return minus(strconv.FormatFloat(rounded, 'f', max(digits, 0), 64))
}

// minus gives negative numbers a true minus sign, as wide as a digit.
func minus(text string) string { return strings.ReplaceAll(text, "-", "−") }

func sig3(x float64) string { return sig(x, 3) }

// fixed prints x with n decimals.
func fixed(n int) func(float64) string {
	return func(x float64) string {
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return sig(x, 3)
		}
		return minus(strconv.FormatFloat(x, 'f', n, 64))
	}
}

// share prints a share as per cent. Only an exact 1 prints as 100 %.
func share(x float64) string {
	if x == 1 {
		return "100 %"
	}
	text := strconv.FormatFloat(100*x, 'f', 1, 64)
	if text == "100.0" && x < 1 {
		return "> 99.9 %"
	}
	return minus(text) + " %"
}

// multiple prints a rate as a multiple of another.
func multiple(x float64) string {
	if x < 0.0995 {
		return sig(x, 2)
	}
	return fixed(2)(x)
}

// gbps prints a break-even bandwidth: 0 is never, +Inf always.
func gbps(x float64) string {
	switch {
	case x == 0:
		return "never"
	case math.IsInf(x, 1):
		return "always"
	}
	return sig(x, 3)
}

// seconds prints a duration in the unit that keeps it between 1 and 1000.
func seconds(x float64) string {
	switch a := math.Abs(x); {
	case a == 0:
		return "0 ms"
	case a < 1e-6:
		return sig(x*1e9, 3) + " ns"
	case a < 1e-3:
		return sig(x*1e6, 3) + " µs"
	case a < 1:
		return sig(x*1e3, 3) + " ms"
	}
	return sig(x, 3) + " s"
}

// link prints a link rate as it is bought.
func link(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) + " Gbps" }

// between prints an interval.
func between(v value, show func(float64) string) string {
	return "[" + show(v.Low) + ", " + show(v.High) + "]"
}

// exponent splits 1.2e−5 into mantissa and power of ten, for renderers that can raise it.
func exponent(text string) (mantissa, power string, ok bool) {
	i := strings.IndexByte(text, 'e')
	if i <= 0 || i == len(text)-1 {
		return "", "", false
	}
	for j, r := range text {
		if j != i && r != '.' && r != '−' && (r < '0' || r > '9') {
			return "", "", false
		}
	}
	return text[:i], text[i+1:], true
}
