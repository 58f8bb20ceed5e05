package nprand

// expR is where the base layer of the exponential ziggurat ends.
const expR = 7.69711747013104972

// Exponential returns an exponential variate of mean 1: numpy's standard_exponential().
func (g *Generator) Exponential() float64 {
	for {
		r := g.Uint64() >> 3
		layer := r & 0xff
		size := r >> 8
		x := float64(int64(size)) * we[layer]
		if size < ke[layer] {
			return x
		}
		if layer == 0 {
			return expR - log1p(-g.Float64())
		}
		if float64((fe[layer-1]-fe[layer])*g.Float64())+fe[layer] < exp(-x) {
			return x
		}
	}
}
