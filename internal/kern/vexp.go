package kern

import "math"

// The exponential is 2ⁿ·e^r with n = round(x/ln 2) and r = x − n·ln 2, ln 2 in two parts (Cody and
// Waite), and e^r = 1 + r + r²·P(r), P the best polynomial of degree 5 in relative error over
// |r| ≤ ln 2/2. Products are rounded before sums, so that every machine gives the same bits; the
// error is below 1.5 units in the last place.
const (
	expLo    = -87.3
	expHi    = 88.3
	expLog2e = 1.44269504
	expMagic = 12582912 // 1.5·2^23: adding it rounds to an integer in the low bits
	ln2Hi    = 0.693359375
	ln2Lo    = 2.12194440e-4 // ln 2 = ln2Hi − ln2Lo

	expP5 = 0.00019790299
	expP4 = 0.0013944703
	expP3 = 0.008333498
	expP2 = 0.041666295
	expP1 = 0.16666666
	expP0 = 0.5
)

// Exp returns e^x in float32. Arguments are clamped to [−87.3, 88.3], so there is no zero,
// subnormal or infinite result; NaN gives NaN.
func Exp(x float32) float32 {
	if x < expLo {
		x = expLo
	}
	if x > expHi {
		x = expHi
	}
	t := float32(x*expLog2e) + expMagic
	n := t - expMagic
	r := x + float32(n*-ln2Hi)
	r += float32(n * ln2Lo)
	p := float32(r*expP5) + expP4
	p = float32(p*r) + expP3
	p = float32(p*r) + expP2
	p = float32(p*r) + expP1
	p = float32(p*r) + expP0
	p = float32(p*float32(r*r)) + r + 1
	const toPower = 127 - 0x4b400000 // 127 less the bits of expMagic
	return p * math.Float32frombits(uint32(int32(math.Float32bits(t))+toPower)<<23)
}

// ExpSum sets dst[i] = e^(src[i]−shift) and returns the sum: of eight interleaved partial sums, so
// that its bits do not depend on the machine. dst may be src.
func ExpSum(dst, src []float32, shift float32) float32 {
	var lanes [8]float32
	dst = dst[:len(src)]
	n := 0
	if level >= AVX2 && len(src) >= 8 {
		n = len(src) &^ 7
		expSum8(dst, src[:n], shift, &lanes)
	}
	for i := n; i < len(src); i++ {
		e := Exp(src[i] - shift)
		dst[i] = e
		lanes[i&7] += e
	}
	return sumLanes(&lanes)
}

func sumLanes(l *[8]float32) float32 {
	return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

// Max returns the greatest value of src that is no NaN, −Inf if there is none.
func Max(src []float32) float32 {
	top := float32(math.Inf(-1))
	n := 0
	if level >= AVX2 && len(src) >= 8 {
		lanes := [8]float32{top, top, top, top, top, top, top, top}
		n = len(src) &^ 7
		max8(src[:n], &lanes)
		for _, v := range lanes {
			if v > top {
				top = v
			}
		}
	}
	for _, v := range src[n:] {
		if v > top {
			top = v
		}
	}
	return top
}

// SiLUMul sets gate[i] to SiLU(gate[i])·up[i], where SiLU(g) = g/(1+e^−g).
func SiLUMul(gate, up []float32) {
	up = up[:len(gate)]
	n := 0
	if level >= AVX2 && len(gate) >= 8 {
		n = len(gate) &^ 7
		siluMul8(gate[:n], up)
	}
	for i := n; i < len(gate); i++ {
		gate[i] = float32(gate[i]/(1+Exp(-gate[i]))) * up[i]
	}
}

// LogSumExp returns ln Σ e^x and leaves e^(x−max x) in scratch, which has src's length. Partial sums
// of 512 values are added in float64.
func LogSumExp(src, scratch []float32) (lse float64, top float32, sum float64) {
	top = Max(src)
	for i := 0; i < len(src); i += 512 {
		end := min(i+512, len(src))
		sum += float64(ExpSum(scratch[i:end], src[i:end], top))
	}
	return float64(top) + math.Log(sum), top, sum
}
