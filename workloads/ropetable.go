package workloads

// A ropeTable holds the rotations of a rotary embedding at positions 0, 1, …, computed from
// arithmetic alone: math.Cos and math.Pow are not the same on every platform.
type ropeTable struct {
	half     int
	cos, sin []float32 // [token][pair]
}

// newRopeTable returns the rotations of dim channels, an even number, for a number of tokens:
// pair j turns by theta^(-2j/dim) per token.
func newRopeTable(theta float64, dim, tokens int) *ropeTable {
	half := dim / 2
	r := &ropeTable{half: half,
		cos: make([]float32, tokens*half), sin: make([]float32, tokens*half)}
	if half == 0 {
		return r
	}
	root := nthRoot(1/theta, half)
	angle := 1.0
	for j := range half {
		c1, s1 := cosSin(angle)
		c, s := 1.0, 0.0
		for t := range tokens {
			r.cos[t*half+j], r.sin[t*half+j] = float32(c), float32(s)
			c, s = float64(c*c1)-float64(s*s1), float64(s*c1)+float64(c*s1)
		}
		angle = float64(angle * root)
	}
	return r
}

// rotate turns the pairs (j, j+half) of a row of 2·half channels by the token's angles.
func (r *ropeTable) rotate(row []float32, token int) {
	half := r.half
	cos, sin := r.cos[token*half:][:half], r.sin[token*half:][:half]
	lo, hi := row[:half], row[half:2*half]
	for j, a := range lo {
		b := hi[j]
		lo[j] = float32(a*cos[j]) - float32(b*sin[j])
		hi[j] = float32(b*cos[j]) + float32(a*sin[j])
	}
}

// nthRoot returns the n-th root of x in (0, 1), by bisection.
func nthRoot(x float64, n int) float64 {
	low, high := 0.0, 1.0
	for range 60 {
		mid := (low + high) / 2
		p := 1.0
		for range n {
			p *= mid
		}
		if p < x {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// cosSin returns the cosine and sine of x in [0, 1] by their series.
func cosSin(x float64) (float64, float64) {
	cos, sin, term := 1.0, x, x
	for n := 2.0; n < 24; n++ {
		term = float64(term*x) / n
		switch int(n) % 4 {
		case 0:
			cos += term
		case 1:
			sin += term
		case 2:
			cos -= term
		case 3:
			sin -= term
		}
	}
	return cos, sin
}
