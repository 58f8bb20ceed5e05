package stats

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// A RankTest is what Mann and Whitney's test says of two samples.
type RankTest struct {
	U      float64 // pairs in which a's value is larger, ties counting half
	P      float64 // two-sided
	Effect float64 // Cliff's delta, 2U/(nₐ·n_b)-1: 1 if all of a are larger, -1 if all are smaller
}

// exactPairs bounds the table with which the exact distribution of U is counted.
const exactPairs = 2500

// MannWhitney compares two samples by ranks (Mann and Whitney, 1947). The p-value is exact for
// small samples without ties, else from the normal approximation with correction for ties and
// continuity. It is NaN if either is empty.
func MannWhitney(a, b []float64) RankTest {
	na, nb := len(a), len(b)
	if na == 0 || nb == 0 {
		return RankTest{U: math.NaN(), P: math.NaN(), Effect: math.NaN()}
	}
	type value struct {
		x     float64
		first bool
	}
	all := make([]value, 0, na+nb)
	for _, x := range a {
		all = append(all, value{x, true})
	}
	for _, x := range b {
		all = append(all, value{x, false})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].x < all[j].x })
	rankSum, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].x == all[i].x {
			j++
		}
		j = max(j, i+1) // NaN equals nothing
		for _, v := range all[i:j] {
			if v.first {
				rankSum += float64(i+j+1) / 2
			}
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	u := rankSum - float64(na*(na+1))/2
	r := RankTest{U: u, Effect: 2*u/float64(na*nb) - 1}
	if ties == 0 && na*nb <= exactPairs {
		r.P = exactU(na, nb, int(min(u, float64(na*nb)-u)))
	} else {
		r.P = normalU(float64(na), float64(nb), u, ties)
	}
	return r
}

// exactU returns the two-sided probability of a U as extreme as the smaller tail u.
func exactU(na, nb, u int) float64 {
	// ways[k] counts the arrangements whose U is k: coefficients of the Gaussian binomial, built
	// up by multiplying with (1-x^(nb+i)) and dividing by (1-x^i).
	ways := make([]float64, na*nb+1)
	ways[0] = 1
	for i := 1; i <= na; i++ {
		for k := len(ways) - 1; k >= nb+i; k-- {
			ways[k] -= ways[k-nb-i]
		}
		for k := i; k < len(ways); k++ {
			ways[k] += ways[k-i]
		}
	}
	tail, total := 0.0, 0.0
	for k, w := range ways {
		if k <= u {
			tail += w
		}
		total += w
	}
	return min(1, 2*tail/total)
}

func normalU(na, nb, u, ties float64) float64 {
	n := na + nb
	variance := na * nb / 12 * (n + 1 - ties/(n*(n-1)))
	if !(variance > 0) {
		return 1
	}
	z := (math.Abs(u-na*nb/2) - 0.5) / math.Sqrt(variance)
	return min(1, 2*distuv.UnitNormal.Survival(max(z, 0)))
}
