package llama

import (
	"math"

	"kvgauge/compressors/kv"
	"kvgauge/internal/weights"
	"kvgauge/internal/weights/weightstest"
)

// naive is the textbook forward in float64, one token at a time, written apart from the package.
type naive struct {
	m    *weightstest.Model
	k, v [][][][]float64 // [layer][head][token][dim], nil where a token is absent
}

func newNaive(m *weightstest.Model) *naive {
	n := &naive{m: m}
	for range m.Config.Layers {
		n.k = append(n.k, make([][][]float64, m.Config.KVHeads))
		n.v = append(n.v, make([][][]float64, m.Config.KVHeads))
	}
	return n
}

// drop makes absent the tokens that kept does not name.
func (n *naive) drop(kept *kv.Kept) {
	for l := range n.k {
		for h := range n.k[l] {
			there := map[int]bool{}
			for _, i := range kept.At(l, h) {
				there[int(i)] = true
			}
			for i := range n.k[l][h] {
				if !there[i] {
					n.k[l][h][i] = nil
				}
			}
		}
	}
}

func (n *naive) mul(name string, x []float64) []float64 {
	w := n.m.Tensors[name]
	out := make([]float64, len(w)/len(x))
	for i := range out {
		for j, v := range x {
			out[i] += float64(w[i*len(x)+j]) * v
		}
	}
	return out
}

func (n *naive) norm(name string, x []float64) []float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	f := 1 / math.Sqrt(sum/float64(len(x))+n.m.Config.NormEps)
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v * f * float64(n.m.Tensors[name][i])
	}
	return out
}

func (n *naive) rotate(x []float64, position int) []float64 {
	half := len(x) / 2
	out := make([]float64, len(x))
	for j := range half {
		sin, cos := math.Sincos(float64(position) * math.Pow(n.m.Config.RopeTheta, -float64(j)/float64(half)))
		out[j] = x[j]*cos - x[j+half]*sin
		out[j+half] = x[j+half]*cos + x[j]*sin
	}
	return out
}

// step runs one token at the next position and returns its logits.
func (n *naive) step(token int32) []float64 {
	c := n.m.Config
	x := make([]float64, c.Hidden)
	for i := range x {
		x[i] = float64(n.m.Tensors[weights.Embedding][int(token)*c.Hidden+i])
	}
	for l := range c.Layers {
		name := func(s string) string { return weights.Layer(l, s) }
		n.addTo(x, n.mul(name(weights.O), n.attend(l, n.norm(name(weights.AttnNorm), x))))
		h := n.norm(name(weights.FFNNorm), x)
		gate, up := n.mul(name(weights.Gate), h), n.mul(name(weights.Up), h)
		for i, g := range gate {
			gate[i] = g / (1 + math.Exp(-g)) * up[i]
		}
		n.addTo(x, n.mul(name(weights.Down), gate))
	}
	head := weights.Head
	if c.TiedHead {
		head = weights.Embedding
	}
	return n.mul(head, n.norm(weights.FinalNorm, x))
}

func (n *naive) addTo(x, y []float64) {
	for i := range x {
		x[i] += y[i]
	}
}

func (n *naive) attend(l int, h []float64) []float64 {
	c := n.m.Config
	name := func(s string) string { return weights.Layer(l, s) }
	q, k, v := n.mul(name(weights.Q), h), n.mul(name(weights.K), h), n.mul(name(weights.V), h)
	position := len(n.k[l][0])
	d := c.HeadDim
	for g := range c.KVHeads {
		n.k[l][g] = append(n.k[l][g], n.rotate(k[g*d:(g+1)*d], position))
		n.v[l][g] = append(n.v[l][g], v[g*d:(g+1)*d])
	}
	var out []float64
	for i := range c.Heads {
		g := i / (c.Heads / c.KVHeads)
		query := n.rotate(q[i*d:(i+1)*d], position)
		sum, o := 0.0, make([]float64, d)
		for t, key := range n.k[l][g] {
			if key == nil {
				continue
			}
			dot := 0.0
			for j := range d {
				dot += query[j] * key[j]
			}
			e := math.Exp(dot / math.Sqrt(float64(d)))
			sum += e
			for j := range d {
				o[j] += e * n.v[l][g][t][j]
			}
		}
		for _, v := range o {
			out = append(out, v/sum)
		}
	}
	return out
}
